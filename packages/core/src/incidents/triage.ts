import { incidentId } from "@tooltrail/format";
import { maxRowsPerCommit } from "../follow/ports.ts";
import { given } from "../given.ts";
import { pickPlaybook, pickPolicy, pickRunbook } from "../response/pick.ts";
import type { Destination, ResponsePolicy } from "../response/response.ts";
import { type Response, readResponse } from "../response/store.ts";
import { readMaintenances } from "../slo/definitions.ts";
import { type Maintenance, windowOf } from "../slo/maintenance.ts";
import { aboutText } from "./alert.ts";
import { causeKey, isWithin, narrowness, wantedOf } from "./cause.ts";
import { decide, reopens } from "./decide.ts";
import { type Facts, readFacts } from "./facts.ts";
import type { Alert, Cause, Command, Incident, IncidentEvent } from "./incident.ts";
import { causesAround, childrenOf, commonCause, inhibits, ticketsOf } from "./route.ts";
import { type CauseRow, collections, type IncidentRows, type Transaction, transact } from "./store.ts";

export interface TriagePorts {
  readonly projections: IncidentRows;
  /** Where tickets go that no policy sends elsewhere. */
  readonly tickets: readonly Pick<Destination, "name">[];
  /** When something of the control plane was changed last, in milliseconds; undefined where that is over two hours ago. */
  changedAt(nowMs: number): Promise<number | undefined>;
}

/** What came of alerts. `attached`: to an incident that was there. `suppressed`: it would have opened one under maintenance. `idle`: cleared, and nobody had heard of it. */
export interface Triaged {
  readonly opened: number;
  readonly attached: number;
  readonly suppressed: number;
  readonly idle: number;
}

/** Merged into one incident at once. More is left open, and takes no more alerts. */
const maxMerged = 8;
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

interface Known {
  readonly response: Response;
  readonly maintenances: readonly Maintenance[];
  facts(cause: Cause): Promise<Facts & { readonly minutesSinceChange?: number }>;
}

/** As many of them as one transaction takes, in order. */
async function triageSome(
  ports: TriagePorts,
  transaction: Transaction,
  known: Known,
  alerts: readonly Alert[],
  nowMs: number,
): Promise<Triaged & { readonly done: number }> {
  const counts = { opened: 0, attached: 0, suppressed: 0, idle: 0, done: 0 };
  const owners = new Map<string, Incident>();
  const live = await liveIncidents(transaction);
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

  /** What a wider one could not take in at once, and the tickets of a page. */
  const takeRest = (): void => {
    for (const one of live.filter(({ children, severity }) => children.length > 0 || severity === "page")) {
      const wide = live.find(({ id }) => id === one.id) ?? one;
      const rest = [...(wide.children.length > 0 ? childrenOf(wide.cause, live) : []), ...ticketsOf(wide, live)];
      if (rest.length === 0 || !hasRoomFor(rowsToTakeIn)) continue;
      for (const taken of takeIn(transaction, wide, rest, nowMs)) keep(taken);
    }
  };

  const hasRoomFor = (rows: number): boolean =>
    transaction.size() + attached.size * rowsToAttach + rows <= maxRowsPerCommit;

  for (const alert of alerts) {
    const isAttached = (incident: Incident): boolean =>
      attached.get(incident.id)?.alerts.some(({ cause }) => causeKey(cause) === causeKey(alert.cause)) ?? false;
    const owner = await ownerOf(transaction, { live, owners, isAttached }, alert, nowMs);
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
      const opened = await open(ports, transaction, known, { ...alert, alerts: [alert] }, nowMs);
      keep(opened);
      const common = commonCause(opened, live, nowMs);
      const widest =
        common === undefined ? opened : await open(ports, transaction, known, shared(alert, common, live), nowMs);
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
async function liveIncidents(transaction: Transaction): Promise<Incident[]> {
  const rows = (await transaction.list(collections.causes)).map(({ value }) => value as CauseRow);
  const live = rows.filter(({ endedAt }) => endedAt === undefined);
  const incidents = await Promise.all(live.map(({ incident }) => transaction.incident(incident)));
  return incidents.filter((one): one is Incident => one !== undefined && one.endedAt === undefined);
}

/** What alerts before this one, of the same delivery, have come to. */
interface Sofar {
  readonly live: readonly Incident[];
  readonly owners: Map<string, Incident>;
  isAttached(incident: Incident): boolean;
}

/**
 * The incident that takes an alert: of those that are live the widest. Of those that have ended the nearest: it takes what fired before its end, and one that was resolved lately what fires again.
 */
async function ownerOf(
  transaction: Transaction,
  { live, owners, isAttached }: Sofar,
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
    const incident = owners.get(id) ?? (await ownerAt(transaction, id));
    if (incident === undefined) continue;
    owners.set(id, incident);
    around.push({ incident, cause });
  }
  // Before one that is about something else, and takes it for a ticket of the same place.
  const rank = ({ cause }: { readonly cause: Cause }): number =>
    narrowness(cause) + (cause.signal === alert.cause.signal ? 0 : 1_000);
  around.sort((a, b) => rank(a) - rank(b));
  const isLive = ({ endedAt }: Incident): boolean => endedAt === undefined;
  const widest = around.find(({ incident }) => isLive(incident) && (alert.state === "firing" || knows(incident)));
  if (widest !== undefined) return widest.incident;
  const nearest = around.findLast(({ incident }) => {
    if (isLive(incident)) return false;
    if (knows(incident) && alert.startedAt <= (incident.endedAt ?? 0)) return true;
    return alert.state === "firing" && incident.status === "resolved" && reopens(incident, nowMs);
  });
  return nearest?.incident;
}

/** What a cause leads to; of a merged one what it was merged into. */
async function ownerAt(transaction: Transaction, id: string): Promise<Incident | undefined> {
  const row = (await transaction.read(collections.causes, id)) as CauseRow | undefined;
  let incident = row && (await transaction.incident(row.incident));
  while (incident?.parent !== undefined) incident = await transaction.incident(incident.parent);
  return incident;
}

/** What an incident is opened about. */
type Occasion = Pick<Alert, "cause" | "severity" | "source" | "startedAt" | "version"> & {
  readonly alerts: readonly Alert[];
};

/** What several have in common, as grave as the gravest of them. Their alerts come with them. */
function shared(alert: Alert, cause: Cause, live: readonly Incident[]): Occasion {
  const isPage = childrenOf(cause, live).some(({ severity }) => severity === "page");
  return { ...alert, cause, severity: isPage ? "page" : "ticket", alerts: [] };
}

async function open(
  { tickets }: TriagePorts,
  transaction: Transaction,
  { response, facts }: Known,
  { cause, severity, source, startedAt, version, alerts }: Occasion,
  nowMs: number,
): Promise<Incident> {
  const { minutesSinceChange, minutesSinceRelease, volumeRatio, environmentsDiffer, ...known } = await facts(cause);
  // Of several servers no version is that of all.
  const serverVersion = cause.server.includes("*") ? undefined : (version ?? known.serverVersion);
  const { environment, server } = cause;
  const runbook = pickRunbook(response.runbooks, { environment, server, ...given({ version: serverVersion }) });
  const playbook = pickPlaybook(response.playbooks, {
    cause,
    severity,
    environmentsDiffer,
    ...given({ minutesSinceChange, minutesSinceRelease, volumeRatio }),
  });
  const opened: IncidentEvent = {
    type: "incident.opened",
    at: nowMs,
    id: incidentId(nowMs, `${causeKey(cause)} ${source} ${startedAt}`),
    cause,
    severity,
    title: aboutText(cause),
    playbook,
    policy: withTickets(pickPolicy(response.policies, cause), tickets),
    ...given({ serverVersion, runbook }),
    startedAt,
  };
  const begun = transaction.append(undefined, [opened]);
  const { kind, params, approval } = playbook.immediateAction;
  const heard = decide(begun, { type: "alert", alerts }, nowMs);
  const acted = decide(begun, { type: "act", action: "a1", kind, params, approval }, nowMs);
  return transaction.append(
    begun,
    [heard, acted].flatMap((events) => ("refused" in events ? [] : events)),
  );
}

const withTickets = (policy: ResponsePolicy, own: TriagePorts["tickets"]): ResponsePolicy =>
  policy.tickets.length > 0 ? policy : { ...policy, tickets: own.map(({ name }) => name) };

/** Merges others into a wider one. @returns all of them as they are then. */
function takeIn(transaction: Transaction, parent: Incident, others: readonly Incident[], nowMs: number): Incident[] {
  const children = others.slice(0, maxMerged);
  if (children.length === 0) return [parent];
  const run = (incident: Incident, command: Command): Incident => {
    const events = decide(incident, command, nowMs);
    return "refused" in events ? incident : transaction.append(incident, events);
  };
  const joined = run(parent, { type: "join", children });
  if (joined === parent) return [parent]; // it takes no more in
  return [joined, ...children.map((child) => run(child, { type: "merge", into: parent.id }))];
}

/** What nobody allowed is no part of any maintenance. */
const isUnderMaintenance = ({ cause }: Alert, windows: readonly Maintenance[], nowMs: number): boolean =>
  cause.signal !== "policy_drift" && windowOf({ indicator: wantedOf(cause) }, windows, nowMs) !== undefined;

/** Each cause is looked up once. */
function rememberFacts({ projections, changedAt }: TriagePorts, nowMs: number): Known["facts"] {
  const found = new Map<string, ReturnType<Known["facts"]>>();
  let changed: Promise<number | undefined> | undefined;
  const look: Known["facts"] = async (cause) => {
    changed ??= changedAt(nowMs);
    const at = await changed;
    return {
      ...(await readFacts(projections, cause, nowMs)),
      ...(at !== undefined && { minutesSinceChange: Math.floor((nowMs - at) / 60_000) }),
    };
  };
  return (cause) => {
    const key = causeKey(cause);
    const known = found.get(key) ?? look(cause);
    found.set(key, known);
    return known;
  };
}
