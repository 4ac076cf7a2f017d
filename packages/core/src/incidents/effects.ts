import type { Severity } from "../response/response.ts";
import { levelOf } from "./evolve.ts";
import type { Incident, IncidentEvent, Status } from "./incident.ts";

/**
 * What follows from an event, outside: said on the bus, told to destinations, given to executors, a postmortem drafted, a ticket made. A row that is written with the event, and goes away when its last
 * task is done; so each is done at least once.
 */
export type Effect = {
  /** Of the incident, and its version: the event's. */
  readonly id: string;
  readonly incident: string;
  readonly version: number;
  readonly episode: number;
  readonly calls: number;
  /** As they were after the event. */
  readonly status: Status;
  readonly severity: Severity;
  readonly at: number;
  readonly tasks: readonly Task[];
};

/** `n`: with the effect's id the same for each attempt, and for nothing else. `since`: when it was to be done at first; `dueAt`: not before. */
export type Task = {
  readonly n: number;
  readonly attempts: number;
  readonly since: number;
  readonly dueAt: number;
} & What;
type What =
  | { readonly kind: "publish" }
  | { readonly kind: "tell"; readonly destination: string }
  | { readonly kind: "run"; readonly destination: string }
  | { readonly kind: "draft" }
  | { readonly kind: "ticket"; readonly destination: string };

/** @param incident as it is after the event. */
export const effectOf = (incident: Incident, event: IncidentEvent): Effect => ({
  id: `${incident.id}/${incident.version}`,
  incident: incident.id,
  version: incident.version,
  episode: incident.episode,
  calls: incident.calls,
  status: incident.status,
  severity: incident.severity,
  at: event.at,
  tasks: tasksOf(incident, event).map((what, n) => ({ n, attempts: 0, since: event.at, dueAt: event.at, ...what })),
});

function tasksOf(incident: Incident, event: IncidentEvent): What[] {
  const { policy } = incident;
  const isRun =
    event.type === "action.started" || event.type === "action.undo.started" || event.type === "rollback.requested";
  const isWritten = event.type === "postmortem.created" || event.type === "postmortem.updated";
  return [
    { kind: "publish" },
    ...toldOf(incident, event).map((destination): What => ({ kind: "tell", destination })),
    ...(isRun ? policy.executors.map((destination): What => ({ kind: "run", destination })) : []),
    ...(event.type === "incident.resolved" ? [{ kind: "draft" } as const] : []),
    ...(isWritten ? policy.tickets.map((destination): What => ({ kind: "ticket", destination })) : []),
  ];
}

/** Whom an event is told: the level that it is about, or whoever knows of the incident already. */
function toldOf({ policy: { levels }, told }: Incident, event: IncidentEvent): readonly string[] {
  switch (event.type) {
    case "incident.opened":
      return levelOf(levels, 1).targets;
    case "incident.escalated":
      return levelOf(levels, event.level).targets;
    case "incident.alerted":
      return event.raised || event.widened ? told : [];
    case "action.requested":
      return event.approval === "required" ? told : [];
    case "incident.noted":
    case "incident.joined":
    case "gate.checked":
    case "action.started":
    case "action.undo.started":
    case "ticket.linked":
    case "postmortem.updated":
      return [];
    default:
      return told;
  }
}
