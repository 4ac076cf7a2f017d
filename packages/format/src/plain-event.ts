import type { Decision, OutcomeClass, OutcomeReason } from "./record.ts";

/**
 * One call as anything that can call PutEvents may report it: detail-type `MCP Tool Call`, any source, any language.
 *
 * `id` makes it idempotent: the same source and id is stored once. Without it the EventBridge event id is taken, so a producer's own
 * retry is then a second call. Times are an ISO 8601 text or integer milliseconds. A principal is a subject, or issuer and subject.
 *
 * A producer that tries a call several times reports each try with its `attempt` (1 unless said), its own `id`, and `final: false` for all but
 * the last: what is not final counts as an attempt, not as a call. Unless said, all but `input_required` is final.
 */
export interface PlainEvent {
  readonly server: string;
  readonly tool: string;
  readonly outcome:
    | OutcomeClass
    | { class: OutcomeClass; reason?: OutcomeReason | undefined; code?: number | string | undefined };
  readonly id?: string | undefined;
  readonly principal?: string | { issuer?: string | undefined; subject: string } | undefined;
  readonly at?: string | number | undefined;
  readonly durationUs?: number | undefined;
  readonly version?: string | undefined;
  readonly environment?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly tenant?: string | undefined;
  readonly client?: { name: string; version?: string | undefined } | undefined;
  readonly attempt?: number | undefined;
  readonly final?: boolean | undefined;
  readonly decision?:
    | { effect: Decision["effect"]; rule?: string | undefined; policyVersion?: string | undefined }
    | undefined;
}
