import type { IncidentDetail, IncidentSaid, PipelineEvent } from "@tooltrail/format";
import { given } from "../given.ts";
import type { Effect } from "./effects.ts";
import type { Incident, IncidentEvent } from "./incident.ts";

/** An incident's event as it is said on the bus, for other automation: without what an incident carries of its own, such as its whole playbook. */
export function saidOf(effect: Effect, incident: Incident, event: IncidentEvent): PipelineEvent {
  const { cause, title, playbook, serverVersion } = incident;
  const said: IncidentSaid = {
    incident: incident.id,
    version: effect.version,
    episode: effect.episode,
    at: event.at,
    status: effect.status,
    severity: effect.severity,
    title,
    environment: cause.environment,
    server: cause.server,
    tool: cause.tool,
    signal: cause.signal,
    playbook: playbook.id,
    ...given({ serverVersion, by: event.by, record: event.record }),
  };
  return { ...said, ...detailOf(incident, event) };
}

function detailOf(incident: Incident, event: IncidentEvent): IncidentDetail {
  switch (event.type) {
    case "incident.opened":
      return { type: event.type, hypothesis: event.playbook.hypothesis, startedAt: event.startedAt };
    case "incident.alerted":
      return {
        type: event.type,
        alerts: event.alerts.length,
        raised: event.raised,
        ...given({ widened: event.widened }),
      };
    case "incident.acknowledged":
      return { type: event.type, untilAt: event.untilAt };
    case "incident.escalated":
      return { type: event.type, level: event.level, round: event.round, why: event.why };
    case "incident.escalation.exhausted":
      return { type: event.type, rounds: event.rounds };
    case "incident.mitigating":
      return { type: event.type, why: event.why };
    case "incident.status.published":
      return { type: event.type, text: event.text, owner: event.owner, etaAt: event.etaAt };
    case "incident.status.overdue":
      return { type: event.type, dueAt: event.dueAt };
    case "incident.merged":
      return { type: event.type, into: event.into };
    case "incident.joined":
      return { type: event.type, children: event.children };
    case "incident.cancelled":
      return { type: event.type, reason: event.reason };
    case "gate.checked": {
      const { type, result, from, to, consecutive } = event;
      const measured = event.measured.map(({ sli, op, value, measured: figure, calls }) => ({
        sli,
        op,
        value,
        calls,
        ...given({ measured: figure }),
      }));
      return { type, result, from, to, consecutive, measured };
    }
    case "rollback.requested": {
      if (event.runbook === undefined) return { type: event.type };
      const { name, rollbackTo, url, steps } = event.runbook;
      return { type: event.type, runbook: { name, steps, ...given({ rollbackTo, url }) } };
    }
    case "action.requested":
      return { type: event.type, ...actionOf(incident, event.action), approval: event.approval };
    case "action.rejected":
      return { type: event.type, ...actionOf(incident, event.action), reason: event.reason };
    case "action.started":
    case "action.undo.started":
      return { type: event.type, ...actionOf(incident, event.action) };
    case "action.finished":
    case "action.undo.finished":
      return { type: event.type, ...actionOf(incident, event.action), isDone: event.isDone, detail: event.detail };
    case "postmortem.updated":
      return { type: event.type, revision: event.revision, isComplete: event.isComplete };
    case "ticket.linked": {
      const { destination, id, url, revision } = event.ticket;
      return { type: event.type, destination, ticket: id, url, revision };
    }
    default:
      return { type: event.type };
  }
}

function actionOf({ actions }: Incident, id: string) {
  const action = actions.find((one) => one.id === id);
  return { action: id, kind: action?.kind ?? "unknown", params: action?.params ?? {} };
}
