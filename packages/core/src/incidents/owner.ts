import { causeKey, isWithin, narrowness } from "./cause.ts";
import { reopens } from "./decide.ts";
import { ruleKey } from "./evolve.ts";
import type { Alert, Cause, Incident } from "./incident.ts";
import { causesAround, inhibits } from "./route.ts";
import type { Transaction } from "./store.ts";

/** What alerts before this one, of the same delivery, have come to. */
interface Sofar {
  readonly live: readonly Incident[];
  /** Of each cause the incident that was opened about it last. */
  readonly leads: ReadonlyMap<string, string>;
  /** What was read of those that have ended, by cause. */
  readonly owners: Map<string, Incident>;
  isAttached(incident: Incident): boolean;
}

/**
 * The incident that takes an alert: of those that are live the widest. Of those that have ended the nearest: it takes what fired before its end, and one that was resolved lately what fires again.
 */
export async function ownerOf(
  transaction: Transaction,
  { live, leads, owners, isAttached }: Sofar,
  alert: Alert,
  nowMs: number,
): Promise<Incident | undefined> {
  const key = causeKey(alert.cause);
  const knows = (incident: Incident): boolean => isAttached(incident) || key in incident.alerts;
  const isInhibited = (incident: Incident): boolean => alert.severity === "ticket" && inhibits(incident, alert.cause);
  const around = live
    .filter((one) => causeKey(one.cause) === key || isWithin(one.cause, alert.cause) || isInhibited(one) || knows(one))
    .map((incident) => ({ incident, cause: incident.cause }));
  // A cause may also lead to where its incident was merged into, whatever that is about.
  for (const cause of causesAround(alert.cause)) {
    const id = causeKey(cause);
    const lead = leads.get(id);
    if (lead === undefined) continue;
    const incident = live.find((one) => one.id === lead) ?? owners.get(id) ?? (await ownerAt(transaction, lead));
    if (incident === undefined) continue;
    owners.set(id, incident);
    around.push({ incident, cause });
  }
  // Before one that is about something else, and takes it for a ticket of the same place.
  const rank = ({ cause }: { readonly cause: Cause }): number =>
    narrowness(cause) + (cause.signal === alert.cause.signal ? 0 : 1_000);
  around.sort((a, b) => rank(a) - rank(b));
  const isLive = ({ endedAt }: Incident): boolean => endedAt === undefined;
  // What comes again goes where it was heard, or it would count twice.
  const heard = around.find(({ incident }) => isLive(incident) && hasHeard(incident, alert));
  if (heard !== undefined) return heard.incident;
  const widest = around.find(({ incident }) => isLive(incident) && (alert.state === "firing" || knows(incident)));
  if (widest !== undefined) return widest.incident;
  const nearest = around.findLast(({ incident }) => {
    if (isLive(incident)) return false;
    if (knows(incident) && alert.startedAt <= (incident.endedAt ?? 0)) return true;
    return alert.state === "firing" && incident.status === "resolved" && reopens(incident, nowMs);
  });
  return nearest?.incident;
}

const hasHeard = ({ alerts }: Incident, alert: Alert): boolean =>
  alerts[causeKey(alert.cause)]?.heard[ruleKey(alert)]?.includes(alert.at) ?? false;

/** What an incident has come to be: of a merged one what it was merged into. */
async function ownerAt(transaction: Transaction, id: string): Promise<Incident | undefined> {
  let incident = await transaction.incident(id);
  while (incident?.parent !== undefined) incident = await transaction.incident(incident.parent);
  return incident;
}
