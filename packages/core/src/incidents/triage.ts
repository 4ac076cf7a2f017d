import { maxRowsPerCommit } from "../follow/ports.ts";
import { readResponse } from "../response/store.ts";
import { readMaintenances } from "../slo/definitions.ts";
import { type Maintenance, windowOf } from "../slo/maintenance.ts";
import { causeKey, narrowness, wantedOf } from "./cause.ts";
import { decide } from "./decide.ts";
import type { Alert, Incident } from "./incident.ts";
import { type Known, maxMerged, openIncident, rememberFacts, shared, type TriagePorts, takeIn } from "./opening.ts";
import { ownerOf } from "./owner.ts";
import { childrenOf, commonCause, ticketsOf } from "./route.ts";
import { type CauseRow, collections, type Transaction, transact } from "./store.ts";

export type { TriagePorts };

/** What came of alerts. `attached`: to an incident that was there. `suppressed`: it would have opened one under maintenance. `idle`: cleared, and nobody had heard of it. */
export interface Triaged {
  readonly opened: number;
  readonly attached: number;
  readonly suppressed: number;
  readonly idle: number;
}

const alertsAtOnce = 100;
/** Rows, at the most: of what is attached to an incident, which may be open again for it (two events, what follows from each, snapshot, cause, what was due and what is); and of what is opened, with whatever it takes in. */
const rowsToAttach = 8;
const rowsToTakeIn = 8 + 5 * maxMerged;
const rowsToOpen = 22 + rowsToTakeIn;

/**
 * Finds for each alert the incident that it belongs to, and opens one where there is none. What is read and what is written is of one moment, so of two alerts about one thing, wherever they are
 * triaged, one opens an incident, and the other is attached to it. Doing it again changes nothing: an alert that was heard is no news.
 *
 * @throws AppError what the port throws; none of the rest of the alerts is done then, and all of them may come again.
 */
export async function triage(ports: TriagePorts, alerts: readonly Alert[], nowMs: number): Promise<Triaged> {
  const sums = { opened: 0, attached: 0, suppressed: 0, idle: 0 };
  const response = await readResponse(ports.projections);
  const maintenances = await readMaintenances(ports.projections);
  const known = { response, maintenances, facts: rememberFacts(ports, nowMs) };
  let left = [...alerts].sort((a, b) => a.at - b.at);
  while (left.length > 0) {
    const { done, ...counts } = await transact(ports.projections, (transaction) =>
      triageSome(ports, transaction, known, left.slice(0, alertsAtOnce), nowMs),
    );
    left = left.slice(done);
    for (const name of ["opened", "attached", "suppressed", "idle"] as const) sums[name] += counts[name];
  }
  return sums;
}

/** As many of them as one transaction takes, in order. */
async function triageSome(
  ports: TriagePorts,
  transaction: Transaction,
  known: Known & { readonly maintenances: readonly Maintenance[] },
  alerts: readonly Alert[],
  nowMs: number,
): Promise<Triaged & { readonly done: number }> {
  const counts = { opened: 0, attached: 0, suppressed: 0, idle: 0, done: 0 };
  const owners = new Map<string, Incident>();
  const rows = (await transaction.list(collections.causes)).map(({ id, value }) => ({ id, ...(value as CauseRow) }));
  const leads = new Map(rows.map(({ id, incident }) => [id, incident]));
  const live = await liveIncidents(transaction, rows);
  const attached = new Map<string, { incident: Incident; alerts: Alert[] }>();

  /** Before anything else is done to an incident, so that its events stand in their order. */
  const settle = (): void => {
    for (const { incident, alerts: some } of attached.values()) {
      const events = decide(incident, { type: "alert", alerts: some }, nowMs);
      if ("refused" in events || events.length === 0) continue;
      keep(transaction.append(incident, events));
    }
    attached.clear();
  };
  const keep = (incident: Incident): void => {
    const at = live.findIndex(({ id }) => id === incident.id);
    if (at !== -1) live.splice(at, 1);
    if (incident.endedAt === undefined) live.push(incident);
    for (const [key, owner] of owners) if (owner.id === incident.id) owners.set(key, incident);
  };

  /** What a wider one has not taken in yet, and the tickets of a page. */
  const takeRest = (): void => {
    for (const one of [...live].sort((x, y) => narrowness(x.cause) - narrowness(y.cause))) {
      const wide = live.find(({ id }) => id === one.id);
      if (wide === undefined) continue; // it has been taken in itself
      const rest = [...childrenOf(wide.cause, live), ...ticketsOf(wide, live)];
      if (rest.length === 0 || !hasRoomFor(rowsToTakeIn)) continue;
      for (const taken of takeIn(transaction, wide, rest, nowMs)) keep(taken);
    }
  };

  const hasRoomFor = (rows: number): boolean =>
    transaction.size() + attached.size * rowsToAttach + rows <= maxRowsPerCommit;

  for (const alert of alerts) {
    const isAttached = (incident: Incident): boolean =>
      attached.get(incident.id)?.alerts.some(({ cause }) => causeKey(cause) === causeKey(alert.cause)) ?? false;
    const owner = await ownerOf(transaction, { live, leads, owners, isAttached }, alert, nowMs);
    if (owner !== undefined) {
      if (!attached.has(owner.id) && !hasRoomFor(rowsToAttach)) break;
      const some = attached.get(owner.id) ?? { incident: owner, alerts: [] };
      some.alerts.push(alert);
      attached.set(owner.id, some);
      counts.attached += 1;
      // It may be open again by that, and then takes what comes after.
      if (owner.endedAt !== undefined) settle();
    } else if (alert.state === "cleared") counts.idle += 1;
    else if (isUnderMaintenance(alert, known.maintenances, nowMs)) counts.suppressed += 1;
    else {
      if (!hasRoomFor(rowsToOpen)) break;
      settle();
      const opened = await openIncident(ports, transaction, known, { ...alert, alerts: [alert] }, nowMs);
      keep(opened);
      const common = commonCause(opened, live, nowMs);
      const widest =
        common === undefined
          ? opened
          : await openIncident(ports, transaction, known, shared(alert, common, live), nowMs);
      for (const one of [opened, widest]) leads.set(causeKey(one.cause), one.id);
      for (const one of takeIn(transaction, widest, childrenOf(widest.cause, live), nowMs)) keep(one);
      counts.opened += common === undefined ? 1 : 2;
      owners.clear(); // what leads where may have changed
    }
    counts.done += 1;
  }
  settle();
  takeRest();
  return counts;
}

/** Incidents that have not ended, as far as causes lead to them. */
async function liveIncidents(transaction: Transaction, rows: readonly CauseRow[]): Promise<Incident[]> {
  const live = rows.filter(({ endedAt }) => endedAt === undefined);
  const incidents = await Promise.all(live.map(({ incident }) => transaction.incident(incident)));
  return incidents.filter((one): one is Incident => one !== undefined && one.endedAt === undefined);
}

/** What nobody allowed is no part of any maintenance. */
const isUnderMaintenance = ({ cause }: Alert, windows: readonly Maintenance[], nowMs: number): boolean =>
  cause.signal !== "policy_drift" && windowOf({ indicator: wantedOf(cause) }, windows, nowMs) !== undefined;
