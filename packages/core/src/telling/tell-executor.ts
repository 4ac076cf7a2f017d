import type { Attempt, Notice, Ways } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { attempt, Failure, skipped } from "./attempt.ts";
import { postSigned, summaryOf } from "./tell-webhook.ts";

/** @param answer what the executor said, in one line. */
export type Run = Attempt & { readonly answer?: string };

const maxAnswer = 1_000;

/**
 * Asks an executor, which is a webhook of the team's own, to carry out an action, to take one back, or to roll back. `data` is `{incident, event}` and, but for a rollback, `action` with its kind and
 * parameters. An answer of the two hundreds means that it was accepted; what came of it is told by `npx tooltrail incident finish`. At least once, with the same `webhook-id`: an executor does by it
 * once what it is asked twice. Skipped for all other events.
 */
export const runAction = (ways: Ways, destination: Destination, notice: Notice): Promise<Run> =>
  attempt<Run>(ways, destination, async (errand) => {
    const { incident, event } = notice;
    if (destination.type !== "webhook") throw new Failure("is no webhook, and carries nothing out.", false);
    switch (event.type) {
      case "action.started":
      case "action.undo.started":
      case "rollback.requested":
        break;
      default:
        return skipped;
    }
    const id = event.type === "rollback.requested" ? undefined : event.action;
    const action = incident.actions.find((one) => one.id === id);
    if (id !== undefined && action === undefined) throw new Failure(`the incident has no action ${id}.`, false);
    const answer = await postSigned(ways, errand, destination, notice, {
      incident: summaryOf(incident),
      event,
      ...(action && { action: { id: action.id, kind: action.kind, params: action.params } }),
    });
    return { outcome: "done", answer: errand.quote(answer.body, maxAnswer) };
  });
