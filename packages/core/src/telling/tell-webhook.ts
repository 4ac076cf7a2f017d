import { Webhook } from "standardwebhooks";
import type { Incident } from "../incidents/incident.ts";
import type { Attempt, HttpAnswer, Notice, Ways } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { done, type Errand, Failure } from "./attempt.ts";

export type WebhookDestination = Extract<Destination, { readonly type: "webhook" }>;

/**
 * Any server, as Standard Webhooks has it (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md). It is told every event, and knows by `webhook-id` what it has had
 * already. 410 means that nobody wants it any more, and is final as the others are.
 */
export async function tellWebhook(
  ways: Ways,
  errand: Errand,
  destination: WebhookDestination,
  notice: Notice,
): Promise<Attempt> {
  await postSigned(ways, errand, destination, notice, { incident: summaryOf(notice.incident), event: notice.event });
  return done;
}

/**
 * Sends `{type, timestamp, data}`: the event's type and time, and what it is about. The signature holds the time of this attempt, since receivers refuse what is older than five minutes.
 *
 * @throws Failure
 */
export async function postSigned(
  ways: Ways,
  errand: Errand,
  { url, signingKey }: WebhookDestination,
  { id, event }: Notice,
  data: object,
): Promise<HttpAnswer> {
  const sign = signer(await errand.secret(signingKey), signingKey.secret);
  const body = JSON.stringify({ type: event.type, timestamp: new Date(event.at).toISOString(), data });
  const now = new Date(ways.now());
  return errand.send({
    method: "POST",
    url,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
      "webhook-signature": sign(id, now, body),
    },
    body,
  });
}

/** A key that is none may be put right, as one that is missing may. */
function signer(key: string, name: string): (id: string, at: Date, body: string) => string {
  try {
    const webhook = new Webhook(key);
    return (id, at, body) => webhook.sign(id, at, body);
  } catch {
    throw new Failure(
      `the secret "${name}" is no signing key: "whsec_" and base64, as Standard Webhooks has it.`,
      true,
    );
  }
}

/** Of an incident what a receiver needs to act. The whole of it can be read through the API. */
export const summaryOf = (incident: Incident): object => ({
  id: incident.id,
  version: incident.version,
  episode: incident.episode,
  status: incident.status,
  severity: incident.severity,
  title: incident.title,
  cause: incident.cause,
  serverVersion: incident.serverVersion,
  playbook: { id: incident.playbook.id, version: incident.playbook.version },
  startedAt: incident.startedAt,
  openedAt: incident.openedAt,
  acknowledgedAt: incident.acknowledgedAt,
  mitigatedAt: incident.mitigatedAt,
  resolvedAt: incident.resolvedAt,
  endedAt: incident.endedAt,
  owner: incident.lastStatus?.owner,
  etaAt: incident.lastStatus?.etaAt,
  runbook: incident.runbook && { name: incident.runbook.name, rollbackTo: incident.runbook.rollbackTo },
  actions: incident.actions,
  tickets: incident.tickets,
});
