import { incidentId } from "@tooltrail/format";
import { given } from "../given.ts";
import { pickPlaybook, pickPolicy, pickRunbook } from "../response/pick.ts";
import type { Destination, ResponsePolicy } from "../response/response.ts";
import type { Response } from "../response/store.ts";
import { aboutText } from "./alert.ts";
import { causeKey } from "./cause.ts";
import { decide } from "./decide.ts";
import { type Facts, readFacts } from "./facts.ts";
import type { Alert, Cause, Command, Incident, IncidentEvent } from "./incident.ts";
import { childrenOf } from "./route.ts";
import type { IncidentRows, Transaction } from "./store.ts";

export interface TriagePorts {
  readonly projections: IncidentRows;
  /** Where tickets go that no policy sends elsewhere. */
  readonly tickets: readonly Pick<Destination, "name">[];
  /** When something of the control plane was changed last, in milliseconds; undefined where that is over two hours ago. */
  changedAt(nowMs: number): Promise<number | undefined>;
}

/** What is looked up for an incident that opens. */
export interface Known {
  readonly response: Response;
  facts(cause: Cause): Promise<Facts & { readonly minutesSinceChange?: number }>;
}

/** Merged into one incident at once. The rest comes with what is triaged next. */
export const maxMerged = 8;

/** What an incident is opened about. */
type Occasion = Pick<Alert, "cause" | "severity" | "source" | "startedAt" | "version"> & {
  readonly alerts: readonly Alert[];
};

/** What several have in common, as grave as the gravest of them. Their alerts come with them. */
export function shared(alert: Alert, cause: Cause, live: readonly Incident[]): Occasion {
  const isPage = childrenOf(cause, live).some(({ severity }) => severity === "page");
  return { ...alert, cause, severity: isPage ? "page" : "ticket", alerts: [] };
}

export async function openIncident(
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
export function takeIn(
  transaction: Transaction,
  parent: Incident,
  others: readonly Incident[],
  nowMs: number,
): Incident[] {
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

/** Each cause is looked up once. */
export function rememberFacts({ projections, changedAt }: TriagePorts, nowMs: number): Known["facts"] {
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
