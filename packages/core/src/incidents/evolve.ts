import { keyPart } from "../follow/row-id.ts";
import { given } from "../given.ts";
import type { Level, Target } from "../response/response.ts";
import { causeKey } from "./cause.ts";
import type { Action, Alert, AlertsOf, Incident, IncidentEvent, Timers } from "./incident.ts";

export const minuteMs = 60_000;
/** Causes and rules that an incident tells apart, and how many bytes they have as JSON, of the 380,000 of a row; alerts of more of them are counted, and not told apart. */
export const maxCauses = 400;
const maxAlertBytes = 200_000;
/** What is fewer than these has fewer bytes, whatever the names. */
const alwaysTold = 40;
/** Of one rule, so many are told from those that come again. */
export const maxHeard = 4;
/** Calls of a window may still be on their way when it ends. */
const settlingMs = 2 * minuteMs;

export const ruleKey = ({ source, rule }: Pick<Alert, "source" | "rule">): string =>
  `${keyPart(source)}/${keyPart(rule)}`;

/**
 * The state after one more event: pure, total, and all that there is to know about how an incident changes. Timers follow from the state and from what its playbook and its policy say.
 *
 * @param incident undefined before `incident.opened`, which is the first event and no other.
 */
export function evolve(incident: Incident | undefined, event: IncidentEvent): Incident {
  if (event.type === "incident.opened") return opened(event);
  if (incident === undefined) throw new TypeError(`${event.type} is no beginning of an incident.`);
  const before = event.type === "incident.reopened" ? asNew(incident) : incident;
  const calls = before.calls + (callsAnew(event) ? 1 : 0);
  return { ...before, ...changeOf(before, event), calls, at: event.at, version: incident.version + 1 };
}

/** What somebody has taken, and is to be told of as if it were new. */
function callsAnew(event: IncidentEvent): boolean {
  switch (event.type) {
    case "incident.acknowledgement.expired":
      return true;
    case "incident.alerted":
      return event.widened === true;
    case "incident.escalated":
      return event.why !== "unacknowledged";
    case "incident.mitigating":
      return event.why === "regressed";
    default:
      return false;
  }
}

/** What a former episode came to is no part of the next: it has its events. */
function asNew({
  acknowledgedAt: _acknowledgedAt,
  acknowledgedBy: _acknowledgedBy,
  mitigatedAt: _mitigatedAt,
  resolvedAt: _resolvedAt,
  endedAt: _endedAt,
  lastStatus: _lastStatus,
  rollbackRequestedAt: _rollbackRequestedAt,
  widenedAt: _widenedAt,
  postmortem,
  ...incident
}: Incident): Incident {
  return { ...incident, calls: 0, ...(postmortem && { postmortem: { ...postmortem, isComplete: false } }) };
}

/** @throws TypeError where there are none. */
export function replay(events: readonly IncidentEvent[]): Incident {
  const incident = events.reduce<Incident | undefined>(evolve, undefined);
  if (incident === undefined) throw new TypeError("An incident has at least one event.");
  return incident;
}

function opened(event: Extract<IncidentEvent, { readonly type: "incident.opened" }>): Incident {
  const { id, at, cause, severity, title, playbook, policy, serverVersion, runbook, startedAt } = event;
  const begun: Incident = {
    id,
    version: 1,
    status: "open",
    severity,
    title,
    cause,
    episode: 1,
    playbook,
    policy,
    ...given({ serverVersion, runbook }),
    children: [],
    alerts: {},
    alertCount: 0,
    startedAt,
    openedAt: at,
    at,
    calls: 0,
    escalation: { level: 1, round: 1, overdue: 0 },
    told: levelOf(policy.levels, 1).targets,
    timers: {},
    checks: { passes: 0, fails: 0, inconclusive: 0, from: 0 },
    actions: [],
    tickets: [],
  };
  return { ...begun, timers: escalating(begun, at) };
}

function changeOf(incident: Incident, event: IncidentEvent): Partial<Incident> {
  const { at, by } = event;
  switch (event.type) {
    case "incident.opened":
      return {};
    case "incident.alerted": {
      const severity = event.raised ? "page" : incident.severity;
      const alerts = event.alerts.reduce(withAlert, incident.alerts);
      const after = {
        alerts,
        severity,
        alertCount: incident.alertCount + event.alerts.length,
        startedAt: Math.min(incident.startedAt, ...event.alerts.map((alert) => alert.startedAt)),
        ...(event.widened && { widenedAt: at }),
      } as const;
      if (!event.raised) return after;
      const { status, timers } = incident;
      if (status === "open") return { ...after, timers: escalating({ ...incident, ...after }, at) };
      const isOn = status === "acknowledged" || status === "mitigating";
      return { ...after, ...(isOn && { timers: { ...timers, ...statusDue({ ...incident, ...after }, at) } }) };
    }
    case "incident.joined":
      return {
        children: [...incident.children, ...event.children],
        alerts: event.alerts.reduce(withAlerts, incident.alerts),
        alertCount: incident.alertCount + event.alertCount,
        startedAt: Math.min(incident.startedAt, ...event.alerts.map(({ firstAt }) => firstAt)),
      };
    case "incident.acknowledged": {
      // Who takes it over has no longer for a status than whoever had it.
      const { status } = incident.timers;
      const due = incident.status === "open" ? statusDue(incident, at) : given({ status });
      const timers = { acknowledgement: event.untilAt, ...due };
      return {
        status: "acknowledged",
        acknowledgedAt: incident.acknowledgedAt ?? at,
        ...given({ acknowledgedBy: by }),
        timers,
      };
    }
    case "incident.acknowledgement.expired":
      return { status: "open", ...atFirstLevel(incident, at) };
    case "incident.escalated": {
      const { targets } = levelOf(incident.policy.levels, event.level);
      const escalation = { ...incident.escalation, level: event.level, round: event.round };
      const timers = event.why === "unacknowledged" ? escalating({ ...incident, escalation }, at) : incident.timers;
      return { escalation, told: [...new Set([...incident.told, ...targets])], timers };
    }
    case "incident.escalation.exhausted":
      return { timers: without(incident.timers, "escalation") };
    case "incident.mitigating": {
      const from = Math.ceil(at / minuteMs) * minuteMs;
      return {
        status: "mitigating",
        checks: { passes: 0, fails: 0, inconclusive: 0, from },
        timers: { ...statusDue(incident, at), check: checkDue(incident, from) },
      };
    }
    case "incident.mitigated":
      return { status: "mitigated", mitigatedAt: at, timers: onlyChecks(incident) };
    case "incident.status.published": {
      const { text, owner, etaAt } = event;
      const { status, policy, timers } = incident;
      const renewed =
        status === "acknowledged" ? { acknowledgement: at + policy.acknowledgedForMinutes * minuteMs } : {};
      const due = status === "acknowledged" || status === "mitigating" ? statusDue(incident, at) : {};
      return {
        lastStatus: { at, by: by ?? "", text, owner, etaAt },
        escalation: { ...incident.escalation, overdue: 0 },
        timers: { ...timers, ...renewed, ...due },
      };
    }
    case "incident.status.overdue": {
      const overdue = incident.escalation.overdue + 1;
      const goesOn = overdue < incident.policy.rounds;
      return {
        escalation: { ...incident.escalation, overdue },
        timers: { ...without(incident.timers, "status"), ...(goesOn && statusDue(incident, at)) },
      };
    }
    case "incident.noted":
      return {};
    case "incident.reopened":
      return { status: "open", episode: event.episode, ...atFirstLevel(incident, at) };
    case "incident.resolved":
      return { status: "resolved", resolvedAt: at, endedAt: at, timers: {} };
    case "incident.closed":
      return { status: "closed", timers: {} };
    case "incident.merged":
      return { status: "merged", parent: event.into, endedAt: at, timers: {} };
    case "incident.cancelled":
      return { status: "cancelled", endedAt: at, timers: {} };
    case "gate.checked": {
      const { result, to } = event;
      const { passes, fails, inconclusive } = incident.checks;
      const counts = {
        pass: { passes: passes + 1, fails: 0, inconclusive: 0 },
        fail: { passes: 0, fails: fails + 1, inconclusive: 0 },
        inconclusive: { passes, fails, inconclusive: inconclusive + 1 },
      }[result];
      return { checks: { ...counts, from: to }, timers: { ...incident.timers, check: checkDue(incident, to) } };
    }
    case "rollback.requested":
      return { rollbackRequestedAt: at };
    case "action.requested": {
      const { action: id, kind, params, approval } = event;
      const action: Action = { id, kind, params, approval, state: "requested", by: by ?? "", requestedAt: at };
      return { actions: [...incident.actions, action] };
    }
    case "action.rejected":
      return withAction(incident, event.action, { state: "rejected", detail: event.reason });
    case "action.started":
      return withAction(incident, event.action, { state: "started", ...given({ approvedBy: by }) });
    case "action.finished":
      return withAction(incident, event.action, { state: event.isDone ? "done" : "failed", detail: event.detail });
    case "action.undo.started":
      return withAction(incident, event.action, { state: "undoing" });
    case "action.undo.finished":
      // What could not be undone is still in force.
      return withAction(incident, event.action, { state: event.isDone ? "undone" : "done", detail: event.detail });
    case "postmortem.created":
      return { postmortem: { revision: 1, isComplete: false } };
    case "postmortem.updated":
      return { postmortem: { revision: event.revision, isComplete: event.isComplete } };
    case "ticket.linked": {
      const others = incident.tickets.filter(({ destination }) => destination !== event.ticket.destination);
      return { tickets: [...others, event.ticket] };
    }
  }
}

/** As of one more alert. Those of too many causes are counted, and not told apart. */
export function withAlert(alerts: Incident["alerts"], alert: Alert): Incident["alerts"] {
  const key = causeKey(alert.cause);
  const before = Object.hasOwn(alerts, key) ? alerts[key] : undefined;
  const rule = ruleKey(alert);
  if (before?.heard[rule] === undefined && isFull(alerts)) return alerts;
  const heard = before?.heard[rule] ?? [];
  const isLate = alert.at < (heard.at(-1) ?? 0);
  const { [rule]: _, ...others } = before?.firing ?? {};
  const firing = alert.state === "firing" ? { ...others, [rule]: alert.startedAt } : others;
  const isPage = alert.severity === "page" || before?.severity === "page";
  return withEntry(alerts, key, {
    cause: alert.cause,
    severity: isPage ? "page" : "ticket",
    count: (before?.count ?? 0) + 1,
    firstAt: Math.min(before?.firstAt ?? alert.startedAt, alert.startedAt),
    lastAt: Math.max(before?.lastAt ?? alert.at, alert.at),
    firing: isLate ? (before?.firing ?? {}) : firing,
    heard: { ...before?.heard, [rule]: [...heard, alert.at].sort((a, b) => a - b).slice(-maxHeard) },
    source: before?.source ?? alert.source,
    text: before === undefined || (isPage && before.severity === "ticket") ? alert.text : before.text,
  });
}

/** How many bytes alerts have as JSON: each state is one entry away from the one before, so it is counted once. */
const sizes = new WeakMap<Incident["alerts"], number>();
function sizeOf(alerts: Incident["alerts"]): number {
  const size = sizes.get(alerts) ?? Buffer.byteLength(JSON.stringify(alerts));
  sizes.set(alerts, size);
  return size;
}

function withEntry(alerts: Incident["alerts"], key: string, entry: AlertsOf): Incident["alerts"] {
  const before = alerts[key];
  const bytesOf = (one: AlertsOf | undefined): number =>
    one === undefined ? 0 : Buffer.byteLength(JSON.stringify([key, one]));
  const after = { ...alerts, [key]: entry };
  sizes.set(after, sizeOf(alerts) + bytesOf(entry) - bytesOf(before));
  return after;
}

function isFull(alerts: Incident["alerts"]): boolean {
  const causes = Object.keys(alerts).length;
  return causes >= maxCauses || (causes >= alwaysTold && sizeOf(alerts) > maxAlertBytes);
}

/** With those that another incident had. Of each rule, the word of who has heard of it last counts. */
function withAlerts(alerts: Incident["alerts"], joined: AlertsOf): Incident["alerts"] {
  const key = causeKey(joined.cause);
  const before = Object.hasOwn(alerts, key) ? alerts[key] : undefined;
  if (isFull(alerts)) return alerts;
  if (before === undefined) return withEntry(alerts, key, joined);
  const rules = [...new Set([...Object.keys(before.heard), ...Object.keys(joined.heard)])];
  const lastOf = ({ heard }: AlertsOf, rule: string): number => heard[rule]?.at(-1) ?? 0;
  const firing = rules.flatMap((rule) => {
    const since = (lastOf(joined, rule) > lastOf(before, rule) ? joined : before).firing[rule];
    return since === undefined ? [] : [[rule, since] as const];
  });
  const heard = rules.map((rule) => {
    const times = new Set([...(before.heard[rule] ?? []), ...(joined.heard[rule] ?? [])]);
    return [rule, [...times].sort((a, b) => a - b).slice(-maxHeard)] as const;
  });
  return withEntry(alerts, key, {
    ...before,
    severity: before.severity === "page" ? "page" : joined.severity,
    count: before.count + joined.count,
    firstAt: Math.min(before.firstAt, joined.firstAt),
    lastAt: Math.max(before.lastAt, joined.lastAt),
    firing: Object.fromEntries(firing),
    heard: Object.fromEntries(heard),
  });
}

const withAction = (incident: Incident, id: string, change: Partial<Action>): Pick<Incident, "actions"> => ({
  actions: incident.actions.map((action) => (action.id === id ? { ...action, ...change } : action)),
});

const noLevel: Level = { targets: [], waitMinutes: 15 };
/** Levels count from 1. */
export const levelOf = (levels: readonly Level[], level: number): Level => levels[level - 1] ?? noLevel;

/** Only a page is escalated: a ticket waits for office hours. */
function escalating({ severity, policy, escalation: { level } }: Incident, at: number): Timers {
  return severity === "page" ? { escalation: at + levelOf(policy.levels, level).waitMinutes * minuteMs } : {};
}

function atFirstLevel(incident: Incident, at: number): Pick<Incident, "escalation" | "told" | "timers"> {
  const escalation = { level: 1, round: 1, overdue: 0 };
  const told = [...new Set([...incident.told, ...levelOf(incident.policy.levels, 1).targets])];
  return { escalation, told, timers: escalating({ ...incident, escalation }, at) };
}

const statusDue = ({ severity, playbook }: Incident, at: number): Timers =>
  severity === "page" ? { status: at + playbook.communication.cadenceMinutes * minuteMs } : {};

/** All targets of a playbook are measured over one window: the longest of theirs. */
export const windowMs = (targets: readonly Target[]): number =>
  Math.max(1, ...targets.map(({ windowMinutes }) => windowMinutes)) * minuteMs;

const checkDue = ({ playbook }: Incident, from: number): number =>
  from + windowMs(playbook.verificationTarget) + settlingMs;

const onlyChecks = ({ timers: { check } }: Incident): Timers => given({ check });

const without = (timers: Timers, name: keyof Timers): Timers => {
  const { [name]: _, ...rest } = timers;
  return rest;
};
