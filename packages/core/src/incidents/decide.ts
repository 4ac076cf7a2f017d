import { given } from "../given.ts";
import { causeKey } from "./cause.ts";
import { maxHeard, minuteMs, ruleKey, windowMs, withAlert } from "./evolve.ts";
import type {
  Action,
  Alert,
  Command,
  CommandType,
  Doer,
  Incident,
  IncidentEvent,
  Refused,
  Status,
} from "./incident.ts";
import { commandsOfPeople } from "./incident.ts";

/** A resolved incident whose alert fires again within this time is open again. */
export const reopensWithinMs = 30 * minuteMs;
/** Checks in a row that must pass before an incident is mitigated. */
const passesNeeded = 2;
/** Checks in a row that tell nothing, after which a person is asked. */
const inconclusiveAsked = 3;
const maxActions = 20;
const maxEtaMs = 30 * 1_440 * minuteMs;
/** That an incident becomes wider is told at most so often. */
const widenedEachMs = 5 * minuteMs;
/** That others were merged into it is told by their ids, as far as there is room. */
const maxChildren = 200;

const always = ["alert", "tick", "check", "postmortem", "ticket"] as const;
const acting = ["act", "approve", "reject", "finish", "undo"] as const;

/** Which commands an incident takes, by its status: everything else is refused. */
export const allowedIn: { readonly [status in Status]: readonly CommandType[] } = {
  open: ["acknowledge", "status", "note", "cancel", "merge", "join", ...acting, ...always],
  acknowledged: ["acknowledge", "mitigate", "status", "note", "cancel", "merge", "join", ...acting, ...always],
  mitigating: ["status", "note", "judge", "join", ...acting, ...always],
  mitigated: ["mitigate", "status", "note", "judge", "resolve", "join", ...acting, ...always],
  resolved: ["note", "close", "finish", "undo", ...always],
  closed: ["finish", "undo", ...always],
  cancelled: ["finish", "undo", ...always],
  merged: ["finish", "undo", ...always],
};

/**
 * What a command does to an incident now: pure, total; time comes in, events go out. A refusal is a value, which says what is allowed now. No events: there is nothing to do, as when a
 * timer has fired for what is over, or something is said twice.
 *
 * @param doer whoever asks, and the record that proves it; empty for what the pipeline does by itself.
 */
export function decide(
  incident: Incident,
  command: Command,
  nowMs: number,
  doer: Doer = {},
): Refused | IncidentEvent[] {
  if (!allowedIn[incident.status].includes(command.type))
    return refused(incident, `${incident.id} is ${incident.status}: ${command.type} is not possible.`);
  const said = { at: nowMs, ...doer };
  switch (command.type) {
    case "alert":
      return alerted(incident, command.alerts, nowMs);
    case "acknowledge":
      // Said again by whoever has it, it would only put off what is due.
      if (incident.status === "acknowledged" && incident.acknowledgedBy === doer.by) return [];
      return [
        { type: "incident.acknowledged", untilAt: nowMs + incident.policy.acknowledgedForMinutes * minuteMs, ...said },
      ];
    case "mitigate":
      return [{ type: "incident.mitigating", why: incident.status === "mitigated" ? "regressed" : "begun", ...said }];
    case "status":
      if (command.etaAt <= nowMs) return refused(incident, "The ETA is over already: say when it will be over.");
      if (command.etaAt - nowMs > maxEtaMs) return refused(incident, "The ETA is over 30 days from now.");
      return [
        { ...said, type: "incident.status.published", text: command.text, owner: command.owner, etaAt: command.etaAt },
      ];
    case "note":
      return [{ type: "incident.noted", text: command.text, ...said }];
    case "resolve":
      return [{ type: "incident.resolved", ...said }];
    case "cancel":
      return [{ type: "incident.cancelled", reason: command.reason, ...said }];
    case "merge":
      if (command.into === incident.id) return refused(incident, "An incident cannot be merged into itself.");
      return [{ type: "incident.merged", into: command.into, ...said }];
    case "join":
      return joined(incident, command.children, said);
    case "close":
      if (!incident.postmortem?.isComplete)
        return refused(
          incident,
          `The postmortem is not complete: it needs a summary, a root cause, and action items, each with an owner (npx tooltrail postmortem show ${incident.id}).`,
        );
      return [{ type: "incident.closed", ...said }];
    case "act": {
      if (incident.actions.length >= maxActions) return refused(incident, `There are ${maxActions} actions already.`);
      if (incident.actions.some(({ id }) => id === command.action))
        return refused(incident, `There is an action ${command.action} already.`);
      const { type: _, ...asked } = command;
      const requested: IncidentEvent = { type: "action.requested", ...asked, ...said };
      return command.approval === "none" ? [requested, ...started(incident, command.action, said)] : [requested];
    }
    case "approve":
      return onAction(incident, command.action, ["requested"], () => started(incident, command.action, said));
    case "reject":
      return onAction(incident, command.action, ["requested"], () => [
        { type: "action.rejected", action: command.action, reason: command.reason, ...said },
      ]);
    case "finish":
      return onAction(incident, command.action, ["started", "undoing"], ({ state }) => [
        {
          type: state === "undoing" ? "action.undo.finished" : "action.finished",
          action: command.action,
          isDone: command.isDone,
          detail: command.detail,
          ...said,
        },
      ]);
    case "undo":
      return onAction(incident, command.action, ["started", "done", "failed"], () => [
        { type: "action.undo.started", action: command.action, ...said },
      ]);
    case "judge":
      return judged(incident, command, said);
    case "tick":
      return ticked(incident, nowMs);
    case "check":
      return checked(incident, command, nowMs);
    case "postmortem":
      if (command.revision <= (incident.postmortem?.revision ?? 0)) return [];
      if (incident.postmortem === undefined && command.revision === 1 && !command.isComplete)
        return [{ type: "postmortem.created", ...said }];
      return [{ type: "postmortem.updated", revision: command.revision, isComplete: command.isComplete, ...said }];
    case "ticket": {
      const known = incident.tickets.find(({ destination }) => destination === command.ticket.destination);
      if (known !== undefined && known.revision >= command.ticket.revision) return [];
      return [{ type: "ticket.linked", ticket: command.ticket, ...said }];
    }
  }
}

/** What a person can do about it now. */
export function allowedNow({ status, actions, checks, postmortem }: Incident): CommandType[] {
  const isAny = (...states: readonly Action["state"][]): boolean => actions.some(({ state }) => states.includes(state));
  const impossible: { readonly [type in CommandType]?: boolean } = {
    approve: !isAny("requested"),
    reject: !isAny("requested"),
    finish: !isAny("started", "undoing"),
    undo: !isAny("started", "done", "failed"),
    judge: checks.inconclusive < inconclusiveAsked,
    close: !postmortem?.isComplete,
  };
  return commandsOfPeople.filter((type) => allowedIn[status].includes(type) && !impossible[type]);
}

function refused(incident: Incident, why: string): Refused {
  const allowed = allowedNow(incident);
  return {
    refused: `${why} ${allowed.length === 0 ? "Nothing is." : `Possible now: ${allowed.join(", ")}.`}`,
    allowed,
  };
}

function onAction(
  incident: Incident,
  id: string,
  states: readonly Action["state"][],
  run: (action: Action) => IncidentEvent[],
): Refused | IncidentEvent[] {
  const action = incident.actions.find((one) => one.id === id);
  if (action === undefined) {
    const known = incident.actions.map((one) => `${one.id} (${one.state})`).join(", ");
    return refused(
      incident,
      `There is no action ${id.slice(0, 40)}. ${known === "" ? "There is none." : `There are ${known}.`}`,
    );
  }
  if (!states.includes(action.state))
    return refused(incident, `Action ${id} is ${action.state}, and not ${states.join(" or ")}.`);
  return run(action);
}

/** Whoever acts has begun to mitigate. */
function started({ status }: Incident, action: string, said: Doer & { readonly at: number }): IncidentEvent[] {
  const begins = status === "acknowledged";
  return [
    { type: "action.started", action, ...said },
    ...(begins ? [{ type: "incident.mitigating", why: "begun", ...said } as const] : []),
  ];
}

/** What was heard before, and that what fires still does, is no news; what comes later than what was said after it is counted, and changes nothing. */
function alerted(incident: Incident, alerts: readonly Alert[], nowMs: number): IncidentEvent[] {
  let known = incident.alerts;
  const late = new Set<Alert>();
  const news = alerts.filter((alert) => {
    const before = known[causeKey(alert.cause)];
    const heard = before?.heard[ruleKey(alert)] ?? [];
    const isForgotten = heard.length === maxHeard && alert.at < (heard[0] ?? 0);
    const isRepeated = alert.state === "firing" && before?.firing[ruleKey(alert)] === alert.startedAt;
    if (heard.includes(alert.at) || isForgotten || isRepeated) return false;
    if (alert.at < (heard.at(-1) ?? 0)) late.add(alert);
    known = withAlert(known, alert);
    return true;
  });
  if (news.length === 0) return [];
  const firing = news.filter((alert) => alert.state === "firing" && !late.has(alert));
  const newerThan = (at: number | undefined): boolean =>
    at !== undefined && firing.some(({ startedAt }) => startedAt > at);
  const isAgain = incident.status === "resolved" && newerThan(incident.resolvedAt) && reopens(incident, nowMs);
  const isLive = incident.endedAt === undefined || isAgain;
  const raised = isLive && incident.severity === "ticket" && firing.some(({ severity }) => severity === "page");
  const isTaken = ["acknowledged", "mitigating", "mitigated"].includes(incident.status);
  const isWider = firing.some(
    ({ cause, severity }) => severity === "page" && incident.alerts[causeKey(cause)] === undefined,
  );
  const widened = isTaken && isWider && nowMs - (incident.widenedAt ?? 0) >= widenedEachMs;
  const events: IncidentEvent[] = [
    { type: "incident.alerted", alerts: news, raised, ...(widened && { widened }), at: nowMs },
  ];
  if (isAgain) events.push({ type: "incident.reopened", episode: incident.episode + 1, at: nowMs });
  if (incident.status === "mitigated" && newerThan(incident.mitigatedAt))
    events.push({ type: "incident.mitigating", why: "regressed", at: nowMs });
  return events;
}

/** What is merged into a ticket and is a page makes it one: its own escalation has ended. */
function joined(
  incident: Incident,
  children: readonly Incident[],
  said: Doer & { readonly at: number },
): Refused | IncidentEvent[] {
  if (incident.children.length + children.length > maxChildren)
    return refused(incident, `It has ${incident.children.length} others in it, and at most ${maxChildren} are merged.`);
  const alerts = children.flatMap((child) => Object.values(child.alerts));
  const alertCount = children.reduce((sum, child) => sum + child.alertCount, 0);
  const raises = incident.severity === "ticket" && children.some(({ severity }) => severity === "page");
  return [
    { type: "incident.joined", children: children.map(({ id }) => id), alerts, alertCount, ...said },
    ...(raises ? [{ type: "incident.alerted", alerts: [], raised: true, ...said } as const] : []),
    ...(incident.status === "mitigated" && alerts.some(({ firing }) => Object.keys(firing).length > 0)
      ? [regressed(said.at)]
      : []),
  ];
}

/** A person was asked, since checks had too few calls to tell anything; what that person says counts as conclusive. */
function judged(
  incident: Incident,
  { result, reason }: Extract<Command, { readonly type: "judge" }>,
  said: Doer & { readonly at: number },
): Refused | IncidentEvent[] {
  const { status, checks } = incident;
  if (checks.inconclusive < inconclusiveAsked)
    return refused(incident, `Checks speak for themselves, until ${inconclusiveAsked} in a row have told nothing.`);
  const { from } = checks;
  const events: IncidentEvent[] = [
    { type: "incident.noted", text: reason, ...said },
    { type: "gate.checked", result, from, to: from, measured: [], consecutive: 1, ...said },
  ];
  if (result === "pass") return status === "mitigating" ? [...events, { type: "incident.mitigated", ...said }] : events;
  return [...events, ...(status === "mitigated" ? [regressed(said.at)] : []), rollback(incident, said.at)];
}

const regressed = (at: number): IncidentEvent => ({ type: "incident.mitigating", why: "regressed", at });
const rollback = ({ serverVersion, runbook }: Incident, at: number): IncidentEvent => ({
  type: "rollback.requested",
  ...given({ serverVersion, runbook }),
  at,
});

export const reopens = ({ resolvedAt }: Pick<Incident, "resolvedAt">, nowMs: number): boolean =>
  resolvedAt !== undefined && nowMs - resolvedAt <= reopensWithinMs;

/** Whatever is due by now, each once: a clock that stood still for an hour escalates by one level, not by ten. */
function ticked(incident: Incident, nowMs: number): IncidentEvent[] {
  const { timers } = incident;
  const isDue = (at: number | undefined): boolean => at !== undefined && at <= nowMs;
  const events: IncidentEvent[] = [];
  if (isDue(timers.acknowledgement)) return [{ type: "incident.acknowledgement.expired", at: nowMs }];
  if (isDue(timers.escalation)) events.push(escalation(incident, nowMs));
  if (isDue(timers.status)) {
    events.push({ type: "incident.status.overdue", dueAt: timers.status ?? nowMs, at: nowMs });
    events.push(escalatedAsWell(incident, "status_overdue", nowMs));
  }
  return events;
}

/** The next level, or the first of the next round. */
function escalation({ policy: { levels, rounds }, escalation: { level, round } }: Incident, at: number): IncidentEvent {
  if (level < levels.length) return { type: "incident.escalated", level: level + 1, round, why: "unacknowledged", at };
  if (round < rounds) return { type: "incident.escalated", level: 1, round: round + 1, why: "unacknowledged", at };
  return { type: "incident.escalation.exhausted", rounds, at };
}

/** Of an incident that somebody has acknowledged: one level further, and from the last one on that again. */
function escalatedAsWell(
  { policy: { levels }, escalation: { level, round } }: Incident,
  why: "status_overdue" | "checks_inconclusive",
  at: number,
): IncidentEvent {
  return { type: "incident.escalated", level: Math.max(1, Math.min(level + 1, levels.length)), round, why, at };
}

/** The window of the check that is due, in milliseconds; undefined where none is. */
export function dueCheck(
  incident: Incident,
  nowMs: number,
): { readonly from: number; readonly to: number } | undefined {
  const { timers, checks, playbook } = incident;
  if (timers.check === undefined || timers.check > nowMs) return undefined;
  const window = windowMs(playbook.verificationTarget);
  // A clock that stood still: of the windows that were missed the last one tells how it is now.
  const missed = Math.floor((nowMs - timers.check) / window);
  const from = checks.from + missed * window;
  return { from, to: from + window };
}

function checked(
  incident: Incident,
  { from, to, result, measured }: Extract<Command, { readonly type: "check" }>,
  at: number,
): IncidentEvent[] {
  const { status, checks, playbook } = incident;
  // Windows do not overlap: one that was checked already, by whomever, is not checked again. Those before it may have been missed.
  const isStale = from < checks.from || to <= from || to > at;
  if ((status !== "mitigating" && status !== "mitigated") || isStale) return [];
  const before = { pass: checks.passes, fail: checks.fails, inconclusive: checks.inconclusive }[result];
  const consecutive = before + 1;
  const events: IncidentEvent[] = [{ type: "gate.checked", result, from, to, measured, consecutive, at }];
  if (result === "pass" && status === "mitigating" && consecutive === passesNeeded)
    events.push({ type: "incident.mitigated", at });
  if (result === "fail" && consecutive === playbook.rollbackTrigger.consecutiveFails) {
    if (status === "mitigated") events.push(regressed(at));
    events.push(rollback(incident, at));
  }
  const asked = consecutive / inconclusiveAsked;
  if (
    result === "inconclusive" &&
    incident.severity === "page" &&
    Number.isInteger(asked) &&
    asked <= incident.policy.rounds
  )
    events.push(escalatedAsWell(incident, "checks_inconclusive", at));
  return events;
}
