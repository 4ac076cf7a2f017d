import * as z from "zod";
import { pipelineSource } from "../events.ts";
import { envelope } from "./batch.ts";

const { emitter, seq } = envelope.shape.headers.shape;
const identity = z.string().min(1).max(128);

/** What the pipeline says on the bus, as a rule's target gets it, less what EventBridge adds to every event (id, time, account, region, …). */
export const pipelineEvent = z.strictObject({
  source: z.literal(pipelineSource),
  "detail-type": z.literal("integrity.conflict"),
  detail: z.discriminatedUnion("what", [
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
  ]),
});
