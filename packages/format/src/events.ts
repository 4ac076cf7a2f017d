/** Names on the bus. A stack, an emitter and the one-machine bus must agree on them. */
export const busName = "tooltrail";
export const eventSource = "tooltrail";
export const detailTypes = { batch: "tooltrail.batch/1", plain: "MCP Tool Call", score: "MCP Tool Score" } as const;

/** The source of what the pipeline itself says on the bus. Of it ingest hears what the pipeline did about incidents by itself, and nothing else. */
export const pipelineSource = "tooltrail.pipeline";

/**
 * What the pipeline says on the bus: the type is the detail-type, the rest the detail.
 *
 * `integrity.conflict`: somebody wrote another batch under a number that is taken (`refused`, kept in quarantine), touched the ledger itself, or
 * the log's objects are not what they must be, so that it stands still.
 * `log.sequenced`: the log has grown to `size` leaves, not yet signed. `log.advanced`: a checkpoint of `size` leaves is published.
 * `log.witness.missed`: a checkpoint is published without the signature of a configured witness, which was asked, and gave none now or before.
 * `emitter.gap`: batches that an emitter has numbered have not come for 15 minutes (`open`), or have come after all (`closed`).
 * `emitter.silent`: an emitter that has not said that it stops has said nothing for 15 minutes.
 * `counters.advanced`: the counters hold calls that went badly, `bad` of them since they began: there may be something to evaluate.
 * `slo.burn.started`, `slo.burn.updated`, `slo.burn.cleared`: a budget burns too fast by one of its rules, still does, or does no more, because it
 * has `recovered`, or because its rule or its objective was `removed`.
 * `slo.data.degraded`: what objectives are computed from is late (`behind`), absent (`no_data`), without an end (`unknown_outcomes`) or lost
 * (`records_lost`), so that what they say is not to be relied on (`started`), or is again (`cleared`). Without `slo` it holds for all of them.
 * `detector.fired`: something that no objective measures is not as it was `expected` to be.
 * `incident.*`, `gate.checked`, `rollback.requested`, `action.*`, `postmortem.*`, `ticket.linked`: what befell an incident, in the order of its `version`.
 * `notice.undelivered`: a destination was not told something of an incident, and is not tried again by itself.
 * `incidents.advanced`: there may be something to do for incidents. `runbook.missing`: a version of a server was first seen, and nothing says how to go back from it.
 */
export type PipelineEvent =
  | {
      readonly type: "integrity.conflict";
      readonly what: "batch_refused";
      readonly emitter: string;
      readonly seq: number;
      /** Identities of the batch in the ledger and of the one that was refused. */
      readonly stored: string;
      readonly refused: string;
      readonly quarantineId: string;
      readonly account: string;
    }
  | {
      readonly type: "integrity.conflict";
      readonly what: "ledger_modified" | "ledger_removed";
      readonly emitter: string;
      readonly seq: number;
    }
  | {
      readonly type: "integrity.conflict";
      readonly what: "log_diverged";
      /** The object's name, or `head`. */
      readonly object: string;
      readonly detail: string;
    }
  | { readonly type: "log.sequenced"; readonly size: number }
  | {
      readonly type: "log.advanced";
      readonly origin: string;
      readonly size: number;
      /** base64. */
      readonly root: string;
      readonly cosignatures: number;
    }
  | {
      readonly type: "log.witness.missed";
      readonly origin: string;
      readonly size: number;
      /** The name of its key. */
      readonly witness: string;
      readonly why: string;
    }
  | {
      readonly type: "emitter.gap";
      readonly state: "open" | "closed";
      readonly emitter: string;
      readonly server: string;
      /** The missing numbers, both included. */
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly type: "emitter.silent";
      readonly emitter: string;
      readonly server: string;
      readonly lastSeq: number;
      readonly lastReceivedAt: number;
    }
  | { readonly type: "counters.advanced"; readonly bad: number }
  | (Burn & { readonly type: "slo.burn.started" | "slo.burn.updated"; readonly burners: Burners })
  | (Burn & { readonly type: "slo.burn.cleared"; readonly why: "recovered" | "removed" })
  | {
      readonly type: "slo.data.degraded";
      readonly state: "started" | "cleared";
      readonly slo?: string;
      readonly what: "behind" | "no_data" | "unknown_outcomes" | "records_lost";
      /** Milliseconds, of the evaluation. */
      readonly at: number;
      readonly detail: string;
    }
  | (Selected & {
      readonly type: "detector.fired";
      readonly detector: string;
      readonly severity: Severity;
      /** Milliseconds, of the evaluation. */
      readonly at: number;
      /** All three in the detector's own unit: what it saw, what it would have taken for normal, and from where on it fires. */
      readonly observed: number;
      readonly expected: number;
      readonly threshold: number;
      /** How many calls, or scores, `observed` is made of. */
      readonly sample: number;
      readonly detail: string;
    })
  | (IncidentSaid & IncidentDetail)
  | {
      readonly type: "notice.undelivered";
      readonly incident: string;
      readonly destination: string;
      readonly why: string;
    }
  | { readonly type: "incidents.advanced" }
  | {
      readonly type: "runbook.missing";
      readonly environment: string;
      readonly server: string;
      readonly version: string;
    };

type Severity = "page" | "ticket";

/** Whose calls: the selector's patterns. Absent: whatever it is. Empty: what has none, such as a server without an environment. */
interface Selected {
  readonly environment?: string;
  readonly server?: string;
  readonly version?: string;
  readonly tool?: string;
}

/** One rule of one objective at one evaluation. Unlike those of records, these numbers may be fractions: they are said, not hashed. */
interface Burn extends Selected {
  readonly slo: string;
  readonly rule: string;
  readonly severity: Severity;
  readonly sli: "availability" | "latency" | "freshness" | "quality" | "schema";
  /** The selector's members are names, whatever characters they have. */
  readonly literal?: true;
  /** Both in milliseconds: of the evaluation, and of the one that said `slo.burn.started`. */
  readonly at: number;
  readonly startedAt: number;
  /** Over the rule's long and its short window: so many times as fast as would spend the budget just at the period's end. */
  readonly burnLong: number;
  readonly burnShort: number;
  readonly longMinutes: number;
  readonly shortMinutes: number;
  /** Of the period's budget: 1 is all of it, more is overspent. */
  readonly budgetSpent: number;
}

/** Where the bad calls come from, worst first, at most five of each. Principals by pseudonym. */
interface Burners {
  readonly tools: readonly Burner[];
  readonly versions: readonly Burner[];
  readonly principals: readonly Burner[];
}
interface Burner {
  readonly name: string;
  readonly bad: number;
}

/**
 * What is said of an incident with each of its events. `version` counts them; `status` and `severity` are as after it; `server` is `*` for a whole environment, `tool` empty for a whole
 * server. `by`: the pseudonym of whoever did it, `record`: the control record that proves it; what the pipeline does by itself has neither. Times in milliseconds.
 */
export interface IncidentSaid {
  readonly environment: string;
  readonly server: string;
  readonly tool: string;
  readonly incident: string;
  readonly version: number;
  readonly episode: number;
  readonly at: number;
  readonly status:
    | "open"
    | "acknowledged"
    | "mitigating"
    | "mitigated"
    | "resolved"
    | "closed"
    | "cancelled"
    | "merged";
  readonly severity: Severity;
  readonly title: string;
  readonly signal: string;
  readonly playbook: string;
  readonly serverVersion?: string;
  readonly by?: string;
  readonly record?: string;
}

interface ActionSaid {
  readonly action: string;
  readonly kind: string;
  readonly params: { readonly [name: string]: string | number | boolean };
}

/** Types of what the pipeline does about incidents by itself, each of which becomes a record. Where alerts come (`incident.alerted`), that does only where they make a page of a ticket. */
export const ownActTypes = [
  "incident.opened",
  "incident.acknowledgement.expired",
  "incident.escalated",
  "incident.escalation.exhausted",
  "incident.mitigating",
  "incident.mitigated",
  "incident.status.overdue",
  "incident.reopened",
  "incident.merged",
  "incident.joined",
  "gate.checked",
  "rollback.requested",
  "action.requested",
  "action.started",
  "action.finished",
  "action.undo.finished",
  "postmortem.created",
  "postmortem.updated",
  "ticket.linked",
] as const satisfies IncidentDetail["type"][];

export type IncidentDetail =
  | {
      readonly type:
        | "incident.mitigated"
        | "incident.acknowledgement.expired"
        | "incident.noted"
        | "incident.reopened"
        | "incident.resolved"
        | "incident.closed"
        | "postmortem.created";
    }
  | { readonly type: "incident.opened"; readonly hypothesis: string; readonly startedAt: number }
  /** How many alerts came, or ceased. `raised`: it has become a page; `widened`: more is befallen than was when somebody took it. */
  | {
      readonly type: "incident.alerted";
      readonly alerts: number;
      readonly raised: boolean;
      readonly widened?: true;
    }
  | { readonly type: "incident.acknowledged"; readonly untilAt: number }
  | {
      readonly type: "incident.escalated";
      readonly level: number;
      readonly round: number;
      readonly why: "unacknowledged" | "status_overdue" | "checks_inconclusive";
    }
  | { readonly type: "incident.escalation.exhausted"; readonly rounds: number }
  | { readonly type: "incident.mitigating"; readonly why: "begun" | "regressed" }
  | {
      readonly type: "incident.status.published";
      readonly text: string;
      readonly owner: string;
      readonly etaAt: number;
    }
  | { readonly type: "incident.status.overdue"; readonly dueAt: number }
  | { readonly type: "incident.merged"; readonly into: string }
  | { readonly type: "incident.joined"; readonly children: readonly string[] }
  | { readonly type: "incident.cancelled"; readonly reason: string }
  | {
      readonly type: "gate.checked";
      readonly result: "pass" | "fail" | "inconclusive";
      readonly from: number;
      readonly to: number;
      readonly consecutive: number;
      readonly measured: readonly {
        readonly sli: string;
        readonly op: string;
        readonly value: number;
        readonly measured?: number;
        readonly calls: number;
      }[];
    }
  | {
      readonly type: "rollback.requested";
      readonly runbook?: {
        readonly name: string;
        readonly rollbackTo?: string;
        readonly url?: string;
        readonly steps: readonly string[];
      };
    }
  | (ActionSaid & { readonly type: "action.requested"; readonly approval: "required" | "none" })
  | (ActionSaid & { readonly type: "action.rejected"; readonly reason: string })
  | (ActionSaid & { readonly type: "action.started" | "action.undo.started" })
  | (ActionSaid & {
      readonly type: "action.finished" | "action.undo.finished";
      readonly isDone: boolean;
      readonly detail: string;
    })
  | { readonly type: "postmortem.updated"; readonly revision: number; readonly isComplete: boolean }
  | {
      readonly type: "ticket.linked";
      readonly destination: string;
      readonly ticket: string;
      readonly url: string;
      readonly revision: number;
    };
