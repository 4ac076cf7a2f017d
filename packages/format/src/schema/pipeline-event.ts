import * as z from "zod";
import { pipelineSource } from "../events.ts";
import { envelope } from "./batch.ts";

const { emitter, seq } = envelope.shape.headers.shape;
const identity = z.string().min(1).max(128);

const conflict = z.discriminatedUnion("what", [
  z.strictObject({
    what: z.literal("batch_refused"),
    emitter,
    seq,
    stored: identity,
    refused: identity,
    quarantineId: z.string().regex(/^qua_[a-z2-7]{26}$/),
    account: z.string().min(1).max(64),
  }),
  z.strictObject({
    what: z.enum(["ledger_modified", "ledger_removed"]),
    /** As the row's key says, which somebody may have put there by hand: then `seq` is -1. */
    emitter: z.string(),
    seq: z.int().min(-1),
  }),
  z.strictObject({ what: z.literal("log_diverged"), object: z.string().max(256), detail: z.string().max(1_024) }),
]);

const size = z.int().min(0);
const name = z.string().min(1).max(256);
const server = name;

const saying = <Type extends string, Detail extends z.ZodType>(type: Type, detail: Detail) =>
  z.strictObject({ source: z.literal(pipelineSource), "detail-type": z.literal(type), detail });

/** What the pipeline says on the bus, as a rule's target gets it, less what EventBridge adds to every event (id, time, account, region, …). */
export const pipelineEvent = z.discriminatedUnion("detail-type", [
  saying("integrity.conflict", conflict),
  saying("log.sequenced", z.strictObject({ size })),
  saying(
    "log.advanced",
    z.strictObject({
      origin: name,
      size,
      root: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
      cosignatures: z.int().min(0),
    }),
  ),
  saying(
    "log.witness.missed",
    z.strictObject({ origin: name, size, witness: z.string().min(1).max(1_000), why: z.string().max(256) }),
  ),
  saying("emitter.gap", z.strictObject({ state: z.enum(["open", "closed"]), emitter, server, from: seq, to: seq })),
  saying("emitter.silent", z.strictObject({ emitter, server, lastSeq: seq, lastReceivedAt: z.int().min(0) })),
]);
