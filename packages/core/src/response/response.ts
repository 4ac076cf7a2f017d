import type { Sli } from "../slo/slo.ts";

/*
 * How a team responds, as documents: playbooks, runbooks, who is told and by which way. Written as YAML, checked by `document.ts`, kept in versions.
 */

export const responseKinds = ["Playbook", "Runbook", "Destination", "ResponsePolicy"] as const;
export type ResponseKind = (typeof responseKinds)[number];
export type ResponseDocument = Playbook | Runbook | Destination | ResponsePolicy;

/** What an alert is about: an SLI that burns, what a detector found, or that figures are not to be relied on. */
export const signals = [
  "availability",
  "latency",
  "freshness",
  "quality",
  "schema",
  "auth_mismatch",
  "retry_storm",
  "retry_amplification",
  "silent_regression",
  "policy_drift",
  "schema_breakage",
  "data_degraded",
] as const;
export type Signal = (typeof signals)[number];

export type Severity = "page" | "ticket";

/** All of what it names must hold. Patterns have `*` for any characters. */
export interface Trigger {
  readonly signals: readonly Signal[];
  readonly severity?: Severity;
  readonly environment?: string;
  readonly server?: string;
  readonly tool?: string;
  /** A version of the server was first seen in so many minutes before. */
  readonly releasedWithinMinutes?: number;
  /** Something of tooltrail's own control plane (policy, SLO, response) was changed in so many minutes before. */
  readonly changedWithinMinutes?: number;
  /** The last ten minutes had so many times as many calls a minute as the hour before them. */
  readonly volumeRatio?: number;
  /** The server's environments run different versions. */
  readonly environmentsDiffer?: true;
}

export const actionKinds = [
  "cap_concurrency",
  "open_breaker",
  "pin_schema",
  "revert_policy",
  "rotate_credential",
  "degrade",
] as const;
export type ActionKind = (typeof actionKinds)[number];
export type ActionParams = { readonly [name: string]: string | number | boolean };

/** A gate of an incident: over `windowMinutes`, `sli` must be `op` `value`; with fewer than `minCalls` it tells nothing. */
export interface Target {
  /**
   * Of the SLIs the part of good ones, 0 to 1 (latency and freshness: not above `thresholdMs`; quality: not below `thresholdPermille`). `burn`: of the objective that alerted. `retries`,
   * `refused`: parts of all attempts. `throughput`: calls a minute, as a part of those in the hour before the incident.
   */
  readonly sli: Sli | "burn" | "retries" | "refused" | "throughput";
  readonly op: ">=" | ">" | "<=" | "<";
  readonly value: number;
  readonly thresholdMs?: number;
  readonly thresholdPermille?: number;
  readonly windowMinutes: number;
  readonly minCalls: number;
}

export interface Playbook {
  readonly kind: "Playbook";
  readonly id: string;
  readonly version: number;
  readonly title: string;
  /** Any of them. */
  readonly trigger: readonly Trigger[];
  readonly hypothesis: string;
  readonly immediateAction: {
    readonly kind: ActionKind;
    readonly params: ActionParams;
    readonly approval: "required" | "none";
    readonly why: string;
  };
  readonly engineeringControl: string;
  /** All of them. */
  readonly verificationTarget: readonly Target[];
  readonly rollbackTrigger: { readonly gate: "verification"; readonly consecutiveFails: number };
  readonly communication: {
    /** Whose it is where nobody has said so yet: a role. */
    readonly owner: string;
    readonly etaMinutes: number;
    readonly cadenceMinutes: number;
  };
  readonly learning: {
    readonly postmortem: "required";
    readonly questions: readonly string[];
    readonly testTemplates: readonly "contract"[];
  };
}

/** How to go back from versions of a server. */
export interface Runbook {
  readonly kind: "Runbook";
  readonly name: string;
  readonly server: string;
  readonly environment?: string;
  /** A range as npm has them: `>=2.0.0 <3`. */
  readonly versions: string;
  readonly rollbackTo?: string;
  readonly steps: readonly string[];
  readonly url?: string;
  readonly owner?: string;
}

/** Named, and never written down: where it lies is the pipeline's business. */
export interface SecretRef {
  readonly secret: string;
}

interface Named {
  readonly kind: "Destination";
  readonly name: string;
}
/** Who can be told, where tickets go, and what carries actions out. */
export type Destination =
  | (Named & { readonly type: "pagerduty"; readonly url?: string; readonly routingKey: SecretRef })
  | (Named & { readonly type: "slack"; readonly url: SecretRef })
  | (Named & { readonly type: "webhook"; readonly url: string; readonly signingKey: SecretRef })
  | (Named & { readonly type: "email"; readonly from: string; readonly to: readonly string[] })
  | (Named & { readonly type: "sns"; readonly topicArn: string })
  | (Named & {
      readonly type: "github";
      readonly url?: string;
      readonly repository: string;
      readonly token: SecretRef;
      readonly labels?: readonly string[];
    })
  | (Named & {
      readonly type: "jira";
      readonly url: string;
      readonly project: string;
      readonly issueType?: string;
      readonly user: string;
      readonly token: SecretRef;
    })
  | (Named & { readonly type: "folder"; readonly path: string });

export const noticeTypes = ["pagerduty", "slack", "webhook", "email", "sns"] as const satisfies Destination["type"][];
export const ticketTypes = ["github", "jira", "folder"] as const satisfies Destination["type"][];

/** Who is told of incidents, in which order, and what becomes of them afterwards. The first that fits by name, the most specific first. */
export interface ResponsePolicy {
  readonly kind: "ResponsePolicy";
  readonly name: string;
  readonly environment?: string;
  readonly server?: string;
  readonly levels: readonly Level[];
  /** How often the levels are gone through. */
  readonly rounds: number;
  /** After which an acknowledged incident that nobody has mitigated or said anything about is open again. */
  readonly acknowledgedForMinutes: number;
  readonly tickets: readonly string[];
  readonly executors: readonly string[];
}
export interface Level {
  readonly targets: readonly string[];
  readonly waitMinutes: number;
}

/** Levels wait 5 and 15 minutes, and go round five times at most. */
export const defaultPolicy: ResponsePolicy = {
  kind: "ResponsePolicy",
  name: "default",
  levels: [
    { targets: [], waitMinutes: 5 },
    { targets: [], waitMinutes: 15 },
    { targets: [], waitMinutes: 15 },
  ],
  rounds: 5,
  acknowledgedForMinutes: 30,
  tickets: [],
  executors: [],
};

export const nameOf = (document: ResponseDocument): string =>
  document.kind === "Playbook" ? document.id : document.name;
