import { given } from "../given.ts";
import type { Alert, IncidentEvent, Measured } from "../incidents/incident.ts";
import { isOwnAct, ownActRecord } from "../own-acts.ts";
import type { TimelineItem } from "./postmortem.ts";
import { scopeText } from "./scope.ts";

const maxItems = 200;
const maxText = 500;

/**
 * What happened, in the order in which it did. Of very many events the first and the last.
 *
 * @param events of an incident, all of them: what the pipeline did by itself has its record by the event's number.
 */
export function timelineOf(incident: string, events: readonly IncidentEvent[]): TimelineItem[] {
  const half = maxItems / 2;
  const items = events.map((event, i): TimelineItem => {
    const { at, by, type } = event;
    const record = isOwnAct(event) ? ownActRecord({ incident, version: i + 1, type, at }) : event.record;
    return { at, text: textOf(event).slice(0, maxText).toWellFormed(), ...given({ by, record }) };
  });
  return items.length <= maxItems ? items : [...items.slice(0, half), ...items.slice(-half)];
}

export const timelineLimits = (events: readonly IncidentEvent[]): string[] =>
  events.length <= maxItems
    ? []
    : [`Of ${events.length} events the timeline has the first and the last ${maxItems / 2}.`];

export function textOf(event: IncidentEvent): string {
  switch (event.type) {
    case "incident.opened":
      return `Opened as a ${event.severity}: ${event.title}. Playbook ${event.playbook.id}, version ${event.playbook.version}.`;
    case "incident.alerted":
      return `${event.raised ? "Raised to a page. " : ""}${alertsText(event.alerts)}`;
    case "incident.acknowledged":
      return "Acknowledged.";
    case "incident.acknowledgement.expired":
      return "Nobody went on with it: open again.";
    case "incident.escalated":
      return `Escalated to level ${event.level}, round ${event.round}: ${escalations[event.why]}.`;
    case "incident.escalation.exhausted":
      return `Nobody came in ${event.rounds} rounds.`;
    case "incident.mitigating":
      return event.why === "begun" ? "Mitigation began." : "It was bad again: back to mitigation.";
    case "incident.mitigated":
      return "Mitigated.";
    case "incident.status.published":
      return `Status, owner ${event.owner}, expected to be over at ${isoOf(event.etaAt)}: ${event.text}`;
    case "incident.status.overdue":
      return `A status was due at ${isoOf(event.dueAt)}, and nobody gave one.`;
    case "incident.noted":
      return `Note: ${event.text}`;
    case "incident.reopened":
      return `Opened again: episode ${event.episode}.`;
    case "incident.resolved":
      return "Resolved.";
    case "incident.closed":
      return "Closed.";
    case "incident.merged":
      return `Merged into ${event.into}.`;
    case "incident.joined":
      return `Took in ${event.children.join(", ")}.`;
    case "incident.cancelled":
      return `Cancelled: ${event.reason}`;
    case "gate.checked":
      return `Check from ${isoOf(event.from)} to ${isoOf(event.to)}: ${event.result}, ${event.consecutive} in a row. ${event.measured.map(measuredText).join("; ")}`;
    case "rollback.requested":
      return `Rollback requested${event.serverVersion === undefined ? "" : ` of version ${event.serverVersion}`}${event.runbook === undefined ? "; there is no runbook for it" : `, by the runbook ${event.runbook.name}`}.`;
    case "action.requested":
      return `Action ${event.kind} requested (${event.action})${event.approval === "required" ? "; it needs approval" : ""}.`;
    case "action.rejected":
      return `Action ${event.action} rejected: ${event.reason}`;
    case "action.started":
      return `Action ${event.action} started.`;
    case "action.finished":
      return `Action ${event.action} ${event.isDone ? "done" : "failed"}: ${event.detail}`;
    case "action.undo.started":
      return `Action ${event.action} is being undone.`;
    case "action.undo.finished":
      return `Action ${event.action} ${event.isDone ? "undone" : "could not be undone"}: ${event.detail}`;
    case "postmortem.created":
      return "Postmortem drafted.";
    case "postmortem.updated":
      return `Postmortem: revision ${event.revision}${event.isComplete ? ", complete" : ""}.`;
    case "ticket.linked":
      return `Ticket ${event.ticket.id} at ${event.ticket.destination}.`;
  }
}

const escalations = {
  unacknowledged: "nobody had acknowledged",
  status_overdue: "a status was overdue",
  checks_inconclusive: "checks told nothing",
} as const;

const maxAlerts = 3;

function alertsText(alerts: readonly Alert[]): string {
  const more = alerts.length > maxAlerts ? `, and ${alerts.length - maxAlerts} more` : "";
  const some = alerts
    .slice(0, maxAlerts)
    .map(
      ({ state, source, rule, cause }) =>
        `${source} (${rule}) ${state === "firing" ? "fires for" : "is quiet for"} ${scopeText(cause)}`,
    );
  return `${some.join(", ")}${more}.`;
}

const measuredText = ({ sli, op, value, measured, calls }: Measured): string =>
  `${sli} ${measured === undefined ? "not measured" : measured}, wanted ${op} ${value}, of ${calls} calls`;

/** Also where somebody says a time that no calendar has. */
export const isoOf = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`);
