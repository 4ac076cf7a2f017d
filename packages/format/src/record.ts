/**
 * What a record is. Shapes only: the bytes are in canonical.ts, the checks in schema/.
 *
 * Everything here is JSON of strings, booleans and integers; a float would have more than one spelling, and a record has
 * exactly one. Times are integer milliseconds since the epoch (UTC), durations integer microseconds.
 */

export const recordSchema = "tooltrail.record/1";

/** At most this many bytes of canonical JSON for one record. */
export const maxRecordBytes = 16_384;
/** A definition carries the tool's description and schema as served, so it may be larger. */
export const maxDefinitionRecordBytes = 49_152;

/** Which layer ended the call. Source: DESIGN, "What is written". */
export const outcomeClasses = [
  "ok",
  "tool_error",
  "protocol_error",
  "transport_error",
  "timeout",
  "cancelled",
  "denied",
  "input_required",
  "unknown",
] as const;
export type OutcomeClass = (typeof outcomeClasses)[number];

/** Why, normalised across servers that report one fault through different layers. */
export const outcomeReasons = [
  "invalid_arguments",
  "unknown_tool",
  "unknown_method",
  "unauthorized",
  "forbidden",
  "not_found",
  "rate_limited",
  "upstream_timeout",
  "upstream_unreachable",
  "invalid_output",
  "internal_error",
  "server_exited",
  "client_gone",
  "client_timeout",
  "client_cancelled",
  "emitter_died",
  "id_reused",
  "too_many_open",
  "not_resumed",
  "not_recorded",
  "no_answer_due",
  "task_started",
] as const;
export type OutcomeReason = (typeof outcomeReasons)[number];

/** `code` is the number or word that the layer itself gave: a JSON-RPC code, an exit status, a signal. */
export interface Outcome {
  readonly class: OutcomeClass;
  readonly reason?: OutcomeReason;
  readonly code?: number | string;
}

/** Who did it. `ref` is the pseudonym; the name itself is a side. `verified`: the boundary checked it, nobody merely said so. */
export interface Principal {
  readonly ref: string;
  readonly method: "os" | "token" | "claimed" | "none";
  readonly verified: boolean;
}

/** Self-reported by the client: useful to debug, never an identity. */
export interface Client {
  readonly name: string;
  readonly version?: string;
}

/** A value that is never stored: keyed digest of its canonical bytes, their number, and (arguments only) its declared shape. */
export interface Sealed {
  /** `hmac-sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly bytes: number;
  readonly shape?: Shape;
}

/**
 * The declared keys of a value with their JSON types; `"*"` counts the keys that the tool's schema does not declare, since those
 * may themselves be data. An array is its distinct element shapes.
 */
export type Shape = string | number | readonly Shape[] | { readonly [key: string]: Shape };

/** How the call is linked to other systems. */
export interface Links {
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly sessionId?: string;
  readonly protocol?: string;
}

/** As served in `tools/list`; untrusted. */
export interface Annotations {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

export const decisionEffects = ["allow", "deny", "require_approval", "not_evaluated"] as const;

/** What a policy said of the call before it ran. `approver` is the pseudonym of who let it go on, where the effect was `require_approval`. */
export interface Decision {
  readonly effect: (typeof decisionEffects)[number];
  readonly rule?: string;
  readonly policyVersion?: string;
  readonly approver?: string;
}

interface Fact {
  readonly schema: typeof recordSchema;
  /** When the fact was known: for a call its end, so `at - durationUs / 1000` is its beginning. */
  readonly at: number;
}

interface Call extends Fact {
  readonly callId: string;
  /** From 1. A retry or an input_required round of the same logical call is the next attempt. */
  readonly attempt: number;
  readonly principal: Principal;
  readonly client?: Client;
  readonly tenant?: string;
  readonly tool: string;
  /** SHA-256 (hex) of the tool's definition as last served, where one was seen. */
  readonly definition?: string;
  readonly annotations?: Annotations;
  readonly args?: Sealed;
  readonly links?: Links;
  readonly decision?: Decision;
}

/** A tool call's outcome. Only the record marked `final` counts: one logical call has exactly one. */
export interface CallRecord extends Call {
  readonly kind: "call";
  readonly final: boolean;
  readonly outcome: Outcome;
  readonly durationUs?: number;
  readonly result?: Sealed;
  /** How old the server said its answer was (`_meta["tooltrail/dataAgeMs"]`). */
  readonly dataAgeMs?: number;
}

/** Written before a destructive call goes on. */
export interface IntentRecord extends Call {
  readonly kind: "intent";
}

/** A tool's definition as served, once per emitter. `text` is its canonical JSON, left out where it does not fit. */
export interface DefinitionRecord extends Fact {
  readonly kind: "definition";
  readonly tool: string;
  readonly digest: string;
  readonly bytes: number;
  readonly text?: string;
  readonly annotations?: Annotations;
}

/** What an emitter says of itself. */
export interface LifecycleRecord extends Fact {
  readonly kind: "lifecycle";
  readonly event: "started" | "alive" | "stopped" | "lost" | "unparsed";
  /** Emitter software, for `started`. */
  readonly software?: string;
  /** For `stopped`: the number of the batch that this record is in, hence the last one. */
  readonly lastSeq?: number;
  /** For `stopped`: absent after a graceful end, `adopted` where another process sealed what a dead one left. */
  readonly reason?: "adopted";
  /** For `lost`: records that could not be written. For `unparsed`: frames that could not be read. */
  readonly count?: number;
}

/** A change or a read of tooltrail itself. `params` are the parameters that were given, names made pseudonyms. */
export interface ControlRecord extends Fact {
  readonly kind: "control";
  readonly principal: Principal;
  readonly action: string;
  readonly params: { readonly [name: string]: string };
}

/** What an eval harness says of a tool's quality: one case of a suite, or where `case` is absent the suite as a whole. */
export interface ScoreRecord extends Fact {
  readonly kind: "score";
  readonly tool: string;
  readonly suite: string;
  /** In thousandths, 0 to 1000: 870 is 0.87. */
  readonly scorePermille: number;
  readonly case?: string;
  /** What the scores of one run of the suite have in common. */
  readonly runId?: string;
  /** SHA-256 (hex) of the definition of the tool that was scored. */
  readonly definition?: string;
}

export type AuditRecord = CallRecord | IntentRecord | DefinitionRecord | LifecycleRecord | ControlRecord | ScoreRecord;
export type RecordKind = AuditRecord["kind"];
export const recordKinds = [
  "call",
  "intent",
  "definition",
  "lifecycle",
  "control",
  "score",
] as const satisfies RecordKind[];

/** The server that a batch is about. */
export interface ServerRef {
  readonly id: string;
  readonly version?: string;
  readonly environment?: string;
}

/** Names that may have to be forgotten, by pseudonym. Never in the ledger. */
export interface PrincipalName {
  readonly issuer: string;
  readonly subject: string;
}
export type Sides = { readonly principals: { readonly [ref: string]: PrincipalName } };
