import * as z from "zod";
import {
  type AuditRecord,
  decisionEffects,
  outcomeClasses,
  outcomeReasons,
  recordSchema,
  type Shape,
} from "../record.ts";
import { traceparentPattern } from "../traceparent.ts";

const text = (max: number) => z.string().min(1).max(max);
const count = z.int().min(0);
export const timeMs = z.int().min(0).max(8_640_000_000_000_000);
export const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
export const principalRef = z.string().regex(/^p_[a-z2-7]{26}$/);

export const outcome = z.strictObject({
  class: z.enum(outcomeClasses),
  reason: z.enum(outcomeReasons).optional(),
  code: z.union([z.int(), text(64)]).optional(),
});

const principal = z.strictObject({
  ref: principalRef,
  method: z.enum(["os", "token", "claimed", "none"]),
  verified: z.boolean(),
});

export const client = z.strictObject({ name: text(256), version: text(128).optional() });

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.union([text(16), count, z.array(shape).max(16), z.record(z.string().max(256), shape)]),
);
const sealed = z.strictObject({
  digest: z.string().regex(/^hmac-sha256:[0-9a-f]{64}$/),
  bytes: count,
  shape: shape.optional(),
});

export const traceparent = z.string().regex(traceparentPattern);
const links = z.strictObject({
  requestId: text(128).optional(),
  traceparent: traceparent.optional(),
  sessionId: text(256).optional(),
  protocol: text(32).optional(),
});

const annotations = z.strictObject({
  readOnlyHint: z.boolean().optional(),
  destructiveHint: z.boolean().optional(),
  idempotentHint: z.boolean().optional(),
  openWorldHint: z.boolean().optional(),
});

export const decision = z.strictObject({
  effect: z.enum(decisionEffects),
  rule: text(128).optional(),
  policyVersion: text(64).optional(),
  approver: principalRef.optional(),
});

const fact = { schema: z.literal(recordSchema), at: timeMs };
export const toolName = text(256);
export const attempt = z.int().min(1);

const call = {
  ...fact,
  callId: z.string().regex(/^call_[a-z2-7]{26}$/),
  attempt,
  principal,
  client: client.optional(),
  tenant: text(128).optional(),
  tool: toolName,
  definition: hex64.optional(),
  annotations: annotations.optional(),
  args: sealed.optional(),
  links: links.optional(),
  decision: decision.optional(),
};

/** What a score says, whoever reports it. */
export const score = {
  tool: toolName,
  suite: text(128),
  scorePermille: z.int().min(0).max(1_000),
  case: text(128).optional(),
  runId: text(128).optional(),
};

/** Any record of the current version; unknown members are refused, so that nothing is stored that nobody understands. */
export const record = z.discriminatedUnion("kind", [
  z.strictObject({
    ...call,
    kind: z.literal("call"),
    final: z.boolean(),
    outcome,
    durationUs: count.optional(),
    result: sealed.optional(),
    dataAgeMs: count.optional(),
  }),
  z.strictObject({ ...call, kind: z.literal("intent") }),
  z.strictObject({
    ...fact,
    kind: z.literal("definition"),
    tool: toolName,
    digest: hex64,
    bytes: count,
    text: z.string().optional(),
    annotations: annotations.optional(),
  }),
  z.strictObject({
    ...fact,
    kind: z.literal("lifecycle"),
    event: z.enum(["started", "alive", "stopped", "lost", "unparsed"]),
    software: text(128).optional(),
    lastSeq: count.optional(),
    reason: z.literal("adopted").optional(),
    count: count.optional(),
  }),
  z.strictObject({
    ...fact,
    kind: z.literal("control"),
    principal,
    action: text(64),
    params: z.record(z.string().max(64), z.string().max(1_024)),
  }),
  z.strictObject({ ...fact, ...score, kind: z.literal("score"), definition: hex64.optional() }),
]);

/** The check and the type may not drift apart: this line stops compiling when a check lets through what the type does not know. */
export const toRecord = (parsed: z.infer<typeof record>): AuditRecord => parsed as AuditRecord;
