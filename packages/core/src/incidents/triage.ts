import { incidentId } from "@tooltrail/format";
import { maxRowsPerCommit } from "../follow/ports.ts";
import { given } from "../given.ts";
import { readMaintenances } from "../slo/definitions.ts";
import { type Maintenance, windowOf } from "../slo/maintenance.ts";
import { aboutText } from "./alert.ts";
import { decide, reopens } from "./decide.ts";
import { causeKey } from "./evolve.ts";
import { type Facts, readFacts, selectorOf } from "./facts.ts";
import type { Alert, Cause, Command, Incident, IncidentEvent } from "./incident.ts";
import { pickPlaybook, pickPolicy, pickRunbook } from "./pick.ts";
import type { Destination, ResponsePolicy } from "./response.ts";
import { type Response, readResponse } from "./response-store.ts";
import { causesAround, childrenOf, commonCause } from "./route.ts";
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
const rowsToOpen = 26 + 5 * maxMerged;

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

  const hasRoomFor = (rows: number): boolean =>
    transaction.size() + attached.size * rowsToAttach + rows <= maxRowsPerCommit;

  for (const alert of alerts) {
    const isAttached = (incident: Incident): boolean =>
      attached.get(incident.id)?.alerts.some(({ cause }) => causeKey(cause) === causeKey(alert.cause)) ?? false;
    const owner = await ownerOf(transaction, { owners, isAttached }, alert, nowMs);
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
  readonly owners: Map<string, Incident>;
  isAttached(incident: Incident): boolean;
}

/**
 * The incident that takes an alert: of those that are live the widest. Of those that have ended the nearest: it takes what fired before its end, and one that was resolved lately what fires again.
 */
async function ownerOf(
  transaction: Transaction,
  { owners, isAttached }: Sofar,
  alert: Alert,
  nowMs: number,
): Promise<Incident | undefined> {
  const around: Incident[] = [];
  for (const key of causesAround(alert.cause).map(causeKey)) {
    const incident = owners.get(key) ?? (await ownerAt(transaction, key));
    if (incident === undefined) continue;
    owners.set(key, incident);
    around.push(incident);
  }
  const knows = (incident: Incident): boolean => isAttached(incident) || causeKey(alert.cause) in incident.alerts;
  const live = around.find(
    (incident) => incident.endedAt === undefined && (alert.state === "firing" || knows(incident)),
  );
  if (live !== undefined) return live;
  return around.findLast((incident) => {
    const { endedAt, status } = incident;
    if (endedAt === undefined) return false;
    if (isAttached(incident) || (knows(incident) && alert.startedAt <= endedAt)) return true;
    return alert.state === "firing" && status === "resolved" && reopens(incident, nowMs);
  });
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
  const serverVersion = version ?? known.serverVersion;
  const place = { environment: cause.environment, server: cause.server };
  const runbook =
    serverVersion === undefined ? undefined : pickRunbook(response.runbooks, { ...place, version: serverVersion });
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
  cause.signal !== "policy_drift" &&
  windowOf({ indicator: { selector: selectorOf(cause) } }, windows, nowMs) !== undefined;

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
