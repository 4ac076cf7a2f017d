import type { Audit, Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { given } from "@tooltrail/core/given";
import { command } from "@tooltrail/core/incidents/command";
import { allowedNow, decide } from "@tooltrail/core/incidents/decide";
import type { Command, Incident } from "@tooltrail/core/incidents/incident";
import { retryUndelivered } from "@tooltrail/core/incidents/outbox";
import {
  collections,
  listIncidents,
  listLive,
  listUndelivered,
  readEvents,
  readIncident,
  readRow,
  transact,
} from "@tooltrail/core/incidents/store";
import { countFitting } from "@tooltrail/core/page";
import type { Ports } from "@tooltrail/core/ports";
import type { ActionParams } from "@tooltrail/core/response/response";
import { pseudonym, sha256 } from "@tooltrail/format";
import type { Hono } from "hono";
import { bodyOf } from "./body.ts";
import {
  type Asked,
  parseCommand,
  parseIdempotencyKey,
  parseIncidentId,
  parseIncidentsQuery,
  parseRetry,
} from "./incident-parameters.ts";
import type {
  IncidentAnswer,
  IncidentEventsAnswer,
  IncidentSummary,
  IncidentsPage,
  RetryAnswer,
  UndeliveredAnswer,
} from "./incident-types.ts";
import { texts } from "./texts.ts";

export interface IncidentRoutesOptions<Env extends object> {
  readonly ports: () => Ports;
  readonly projections: () => Projections;
  readonly audit: () => Audit;
  readonly callerOf: (env: Env) => Caller;
}

/**
 * Incidents, audited like everything else that is read or changed:
 *
 * - `GET /v1/incidents` (`status`, or `live` for all that have not ended; `server`, `limit`, `cursor`), the latest first; `GET /v1/incidents/{id}`, `GET /v1/incidents/{id}/events`
 * - `POST /v1/incidents/{id}/commands` `{type, ...}`, with an `Idempotency-Key`: a request that is sent again with its key is done once. 409: not now, and what is possible
 * - `GET /v1/incidents/undelivered`, `POST /v1/incidents/undelivered/retry` `{id?}`: what destinations did not take.
 */
export function addIncidentRoutes<Env extends object>(
  app: Hono<{ Bindings: Env }>,
  { ports, projections, audit, callerOf }: IncidentRoutesOptions<Env>,
): void {
  const nowMs = (): number => ports().surroundings.now();

  app.get("/v1/incidents", async (c) => {
    const query = parseIncidentsQuery(c.req.query());
    await audit()(callerOf(c.env), "incidents.list", texts(query));
    const { limit, cursor, status, server } = query;
    // Those that have not ended are few, and are known; they come on one page.
    const all =
      status === "live"
        ? await listLive(projections())
        : await listIncidents(projections(), { limit, ...given({ before: cursor }) });
    const wanted = all
      .filter((one) => status === undefined || status === "live" || one.status === status)
      .filter(({ cause }) => server === undefined || cause.server === server);
    const page: IncidentsPage = {
      incidents: wanted.map(summaryOf),
      next: status === "live" || all.length < limit ? null : (all.at(-1)?.id ?? null),
    };
    return c.json(page);
  });

  app.get("/v1/incidents/undelivered", async (c) => {
    await audit()(callerOf(c.env), "undelivered.list", {});
    const undelivered = await listUndelivered(projections());
    return c.json({ undelivered: undelivered.slice(0, countFitting(undelivered)) } satisfies UndeliveredAnswer);
  });

  app.post("/v1/incidents/undelivered/retry", async (c) => {
    const { id } = parseRetry(await bodyOf(c));
    await audit()(callerOf(c.env), "undelivered.retry", texts({ id }));
    const retried = await retryUndelivered(projections(), id, nowMs());
    if (retried > 0) await wake();
    return c.json({ retried } satisfies RetryAnswer);
  });

  app.get("/v1/incidents/:id", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    await audit()(callerOf(c.env), "incident.read", { incident: id });
    return c.json(await answerOf(await found(id)));
  });

  app.get("/v1/incidents/:id/events", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    await audit()(callerOf(c.env), "incident.read", { incident: id, events: "true" });
    await found(id);
    const events = await readEvents(projections(), id);
    const shown = events.slice(-countFitting(events.toReversed()));
    return c.json({ events: shown, names: await namesIn(shown) } satisfies IncidentEventsAnswer);
  });

  app.post("/v1/incidents/:id/commands", async (c) => {
    const id = parseIncidentId(c.req.param("id"));
    const asked = parseCommand(await bodyOf(c));
    const key = parseIdempotencyKey(c.req.header("idempotency-key"));
    const digest = sha256(JSON.stringify([id, asked]));
    const before = await found(id);
    const { issuer, subject } = callerOf(c.env);
    const by = pseudonym(ports().surroundings.digestKey, issuer, subject);
    const once = key === undefined ? undefined : { key: `${by}/${sha256(key)}`, asked: digest };
    const isRepeated =
      once !== undefined && (await readRow(projections(), collections.answered, once.key)) !== undefined;
    const isRefused = !isRepeated && "refused" in decide(before, completed(asked, before), nowMs());
    const params = { incident: id, ...provable(asked), sha256: digest, refused: isRefused || undefined };
    // Also what is refused is on record, and that it was; a repeated request that was answered once is answered again.
    const doer = await audit()(callerOf(c.env), `incident.${asked.type}`, texts(params));
    const incident = await transact(projections(), async (transaction) =>
      command(transaction, {
        incident: id,
        command: completed(asked, (await transaction.incident(id)) ?? before),
        doer,
        nowMs: nowMs(),
        ...given({ once }),
      }),
    );
    await wake();
    return c.json(await answerOf(incident));
  });

  async function found(id: string): Promise<Incident> {
    const incident = await readIncident(projections(), id);
    if (incident === undefined) throw new AppError("not_found", `There is no incident ${id}.`);
    return incident;
  }

  /** Whoever does what follows finds it by the clock, too. */
  const wake = (): Promise<void> =>
    ports()
      .events.publish({ type: "incidents.advanced" })
      .catch(() => undefined);

  async function answerOf(incident: Incident): Promise<IncidentAnswer> {
    return { incident, allowed: allowedNow(incident), names: await namesIn(incident) };
  }

  const namesIn = (value: object): Promise<{ [ref: string]: string }> => namesOf(ports(), value);
}

/** Unsaid, whoever does what follows finds it by the clock. */
export const wakeResponder = ({ events }: Pick<Ports, "events">): Promise<void> =>
  events.publish({ type: "incidents.advanced" }).catch(() => undefined);

/** Names of the pseudonyms that are anywhere in a value, where they have not been forgotten. */
export async function namesOf(
  { principals }: Pick<Ports, "principals">,
  value: object,
): Promise<{ [ref: string]: string }> {
  const refs = new Set(JSON.stringify(value).match(/\bp_[a-z2-7]{26}\b/g));
  const names = refs.size === 0 ? new Map() : await principals.names([...refs].slice(0, 200));
  return Object.fromEntries([...names].map(([ref, { subject }]) => [ref, subject]));
}

/** What a record of it can say: free text is there as a digest, with all the rest. */
function provable({ type: _, ...asked }: Asked): { readonly [name: string]: unknown } {
  const free = ["text", "owner", "reason", "detail"];
  return Object.fromEntries(
    Object.entries(asked)
      .filter(([name]) => !free.includes(name))
      .map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]),
  );
}

const isSame = (a: ActionParams, b: ActionParams): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);

/** An action gets its number, and needs an approval unless it is the very one that the playbook lets go without. */
function completed(asked: Asked, { playbook, actions }: Incident): Command {
  if (asked.type !== "act") return asked;
  const { kind, params, approval } = playbook.immediateAction;
  const isThePlaybooks = asked.kind === kind && isSame(asked.params, params);
  return { ...asked, action: `a${actions.length + 1}`, approval: isThePlaybooks ? approval : "required" };
}

const summaryOf = ({
  id,
  version,
  status,
  severity,
  title,
  cause,
  episode,
  startedAt,
  openedAt,
  alertCount,
  playbook,
  escalation: { level },
  serverVersion,
  parent,
  acknowledgedAt,
  mitigatedAt,
  resolvedAt,
  lastStatus,
}: Incident): IncidentSummary => ({
  id,
  version,
  status,
  severity,
  title,
  cause,
  episode,
  startedAt,
  openedAt,
  alertCount,
  level,
  playbook: playbook.id,
  ...given({
    serverVersion,
    parent,
    acknowledgedAt,
    mitigatedAt,
    resolvedAt,
    owner: lastStatus?.owner,
    etaAt: lastStatus?.etaAt,
  }),
});
