import type {
  ActionKind,
  ActionParams,
  Playbook,
  ResponsePolicy,
  Runbook,
  Severity,
  Signal,
  Target,
} from "../response/response.ts";

/*
 * What an incident is: its events, and the state that they add up to (`evolve.ts`). `decide.ts` tells which events a command makes. All times in milliseconds.
 */

export const statuses = [
  "open",
  "acknowledged",
  "mitigating",
  "mitigated",
  "resolved",
  "closed",
  "cancelled",
  "merged",
] as const;
export type Status = (typeof statuses)[number];

/**
 * What it is about, and what alerts are told apart by: not by version, nor by severity. A member that is empty stands for none; `*` for any: a whole server has no tool, and a whole
 * environment has the server `*`.
 */
export interface Cause {
  readonly environment: string;
  readonly server: string;
  readonly tool: string;
  readonly signal: Signal;
}

/** Something that fires or has ceased to. `rule`: of one source the one that says it. */
export interface Alert {
  readonly cause: Cause;
  readonly state: "firing" | "cleared";
  readonly severity: Severity;
  /** The objective's name, or the detector's. */
  readonly source: string;
  readonly rule: string;
  readonly version?: string;
  /** When it began to fire, and when that was said. */
  readonly startedAt: number;
  readonly at: number;
  readonly text: string;
}

/** What is known of the alerts of one cause. By source and rule: since when they fire, and when the last ones were said, ascending, so that what comes twice counts once, and what comes late changes nothing. */
export interface AlertsOf {
  readonly cause: Cause;
  readonly severity: Severity;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly firing: { readonly [sourceAndRule: string]: number };
  readonly heard: { readonly [sourceAndRule: string]: readonly number[] };
  readonly source: string;
  readonly text: string;
}

export type CheckResult = "pass" | "fail" | "inconclusive";
export interface Measured extends Target {
  /** Absent where there was nothing to measure. */
  readonly measured?: number;
  readonly calls: number;
}

export interface Action {
  readonly id: string;
  readonly kind: ActionKind;
  readonly params: ActionParams;
  readonly approval: "required" | "none";
  readonly state: "requested" | "rejected" | "started" | "done" | "failed" | "undoing" | "undone";
  readonly by: string;
  readonly requestedAt: number;
  readonly approvedBy?: string;
  readonly detail?: string;
}

export interface StatusUpdate {
  readonly at: number;
  readonly by: string;
  readonly text: string;
  readonly owner: string;
  /** When it is expected to be over. */
  readonly etaAt: number;
}

export interface Ticket {
  readonly destination: string;
  readonly id: string;
  readonly url: string;
  /** The postmortem's revision that it shows. */
  readonly revision: number;
}

export interface Incident {
  readonly id: string;
  /** Of events so far. */
  readonly version: number;
  readonly status: Status;
  readonly severity: Severity;
  readonly title: string;
  readonly cause: Cause;
  /** From 1; each time that it is reopened is the next. */
  readonly episode: number;
  readonly playbook: Playbook;
  readonly policy: ResponsePolicy;
  readonly serverVersion?: string;
  readonly runbook?: Runbook;
  readonly parent?: string;
  readonly children: readonly string[];
  readonly alerts: { readonly [cause: string]: AlertsOf };
  /** Of all alerts, also those of causes that are not listed any more. */
  readonly alertCount: number;
  /** When what it is about began, as far as alerts say. */
  readonly startedAt: number;
  readonly openedAt: number;
  /** Of its last event. */
  readonly at: number;
  /** How often in this episode whoever had been told was called anew: an acknowledgement had run out, a status was overdue, it became wider or failed again. */
  readonly calls: number;
  /** When it was last said that it has become wider. */
  readonly widenedAt?: number;
  readonly acknowledgedAt?: number;
  readonly acknowledgedBy?: string;
  readonly mitigatedAt?: number;
  readonly resolvedAt?: number;
  /** When it came to an end, of whatever kind. */
  readonly endedAt?: number;
  readonly lastStatus?: StatusUpdate;
  readonly escalation: { readonly level: number; readonly round: number; readonly overdue: number };
  /** Destinations that know of it. */
  readonly told: readonly string[];
  readonly timers: Timers;
  readonly checks: {
    /** Results in a row. */
    readonly passes: number;
    readonly fails: number;
    readonly inconclusive: number;
    /** Where the next window begins. */
    readonly from: number;
  };
  readonly rollbackRequestedAt?: number;
  readonly actions: readonly Action[];
  readonly postmortem?: { readonly revision: number; readonly isComplete: boolean };
  readonly tickets: readonly Ticket[];
}

/** When something is due. */
export interface Timers {
  readonly escalation?: number;
  readonly acknowledgement?: number;
  readonly status?: number;
  readonly check?: number;
}

/** Who, as a pseudonym, and the record that proves it; what the pipeline does by itself has neither. */
export interface Doer {
  readonly by?: string;
  readonly record?: string;
}

interface Said extends Doer {
  readonly at: number;
}

export type IncidentEvent = Said &
  (
    | {
        readonly type: "incident.opened";
        readonly id: string;
        readonly cause: Cause;
        readonly severity: Severity;
        readonly title: string;
        readonly playbook: Playbook;
        readonly policy: ResponsePolicy;
        readonly serverVersion?: string;
        readonly runbook?: Runbook;
        readonly startedAt: number;
      }
    /** Alerts came, or ceased. `raised`: it has become a page; `widened`: more is befallen than was when somebody took it. */
    | {
        readonly type: "incident.alerted";
        readonly alerts: readonly Alert[];
        readonly raised: boolean;
        readonly widened?: true;
      }
    | { readonly type: "incident.acknowledged"; readonly untilAt: number }
    /** Nobody went on with what was acknowledged: it is open again. */
    | { readonly type: "incident.acknowledgement.expired" }
    | {
        readonly type: "incident.escalated";
        readonly level: number;
        readonly round: number;
        readonly why: "unacknowledged" | "status_overdue" | "checks_inconclusive";
      }
    /** Nobody came, however often all levels were told. */
    | { readonly type: "incident.escalation.exhausted"; readonly rounds: number }
    | { readonly type: "incident.mitigating"; readonly why: "begun" | "regressed" }
    | { readonly type: "incident.mitigated" }
    | {
        readonly type: "incident.status.published";
        readonly text: string;
        readonly owner: string;
        readonly etaAt: number;
      }
    | { readonly type: "incident.status.overdue"; readonly dueAt: number }
    | { readonly type: "incident.noted"; readonly text: string }
    | { readonly type: "incident.reopened"; readonly episode: number }
    | { readonly type: "incident.resolved" }
    | { readonly type: "incident.closed" }
    | { readonly type: "incident.merged"; readonly into: string }
    /** Others were merged into this one, with their alerts; `alertCount`: of all that they had, also of causes that they did not tell apart. */
    | {
        readonly type: "incident.joined";
        readonly children: readonly string[];
        readonly alerts: readonly AlertsOf[];
        readonly alertCount: number;
      }
    | { readonly type: "incident.cancelled"; readonly reason: string }
    | {
        readonly type: "gate.checked";
        readonly result: CheckResult;
        readonly from: number;
        readonly to: number;
        readonly measured: readonly Measured[];
        /** Of this result, in a row. */
        readonly consecutive: number;
      }
    | { readonly type: "rollback.requested"; readonly serverVersion?: string; readonly runbook?: Runbook }
    | {
        readonly type: "action.requested";
        readonly action: string;
        readonly kind: ActionKind;
        readonly params: ActionParams;
        readonly approval: "required" | "none";
      }
    | { readonly type: "action.rejected"; readonly action: string; readonly reason: string }
    /** Approved, or none was needed: executors are told now. */
    | { readonly type: "action.started"; readonly action: string }
    | { readonly type: "action.finished"; readonly action: string; readonly isDone: boolean; readonly detail: string }
    | { readonly type: "action.undo.started"; readonly action: string }
    | {
        readonly type: "action.undo.finished";
        readonly action: string;
        readonly isDone: boolean;
        readonly detail: string;
      }
    | { readonly type: "postmortem.created" }
    | { readonly type: "postmortem.updated"; readonly revision: number; readonly isComplete: boolean }
    | { readonly type: "ticket.linked"; readonly ticket: Ticket }
  );
export type IncidentEventType = IncidentEvent["type"];

/** What people, alerts and timers ask for. */
export type Command =
  | { readonly type: "alert"; readonly alerts: readonly Alert[] }
  | { readonly type: "acknowledge" }
  | { readonly type: "mitigate" }
  | { readonly type: "status"; readonly text: string; readonly owner: string; readonly etaAt: number }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "resolve" }
  | { readonly type: "cancel"; readonly reason: string }
  | { readonly type: "merge"; readonly into: string }
  | { readonly type: "join"; readonly children: readonly Incident[] }
  | { readonly type: "close" }
  | {
      readonly type: "act";
      readonly action: string;
      readonly kind: ActionKind;
      readonly params: ActionParams;
      readonly approval: "required" | "none";
    }
  | { readonly type: "approve"; readonly action: string }
  | { readonly type: "reject"; readonly action: string; readonly reason: string }
  | { readonly type: "finish"; readonly action: string; readonly isDone: boolean; readonly detail: string }
  | { readonly type: "undo"; readonly action: string }
  /** What a person says of the gate that checks could tell nothing of. */
  | { readonly type: "judge"; readonly result: "pass" | "fail"; readonly reason: string }
  /** The clock: whatever is due by now. */
  | { readonly type: "tick" }
  | {
      readonly type: "check";
      readonly from: number;
      readonly to: number;
      readonly result: CheckResult;
      readonly measured: readonly Measured[];
    }
  | { readonly type: "postmortem"; readonly revision: number; readonly isComplete: boolean }
  | { readonly type: "ticket"; readonly ticket: Ticket };
export type CommandType = Command["type"];

/** Commands of people; the others are the pipeline's own. */
export const commandsOfPeople = [
  "acknowledge",
  "mitigate",
  "status",
  "note",
  "resolve",
  "cancel",
  "merge",
  "close",
  "act",
  "approve",
  "reject",
  "finish",
  "undo",
  "judge",
] as const satisfies CommandType[];

/** Why a command was refused, and which are allowed now. */
export interface Refused {
  readonly refused: string;
  readonly allowed: readonly CommandType[];
}
