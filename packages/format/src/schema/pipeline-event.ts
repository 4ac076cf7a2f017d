import * as z from "zod";
import { pipelineSource } from "../events.ts";
import { envelope } from "./batch.ts";
import { timeMs } from "./record.ts";

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

const pattern = z.string().max(256).optional();
const selected = { environment: pattern, server: pattern, version: pattern, tool: pattern };
const severity = z.enum(["page", "ticket"]);
const minutes = z.int().min(1);
const share = z.number().min(0);
const detail = z.string().max(512);

const burn = {
  slo: name,
  rule: name,
  severity,
  sli: z.enum(["availability", "latency", "freshness", "quality", "schema"]),
  ...selected,
  at: timeMs,
  startedAt: timeMs,
  burnLong: share,
  burnShort: share,
  longMinutes: minutes,
  shortMinutes: minutes,
  budgetSpent: share,
};
const burners = z.array(z.strictObject({ name: z.string().max(256), bad: z.int().min(0) })).max(5);
const burning = z.strictObject({
  ...burn,
  burners: z.strictObject({ tools: burners, versions: burners, principals: burners }),
});

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
  saying("counters.advanced", z.strictObject({ bad: z.int().min(0) })),
  saying("slo.burn.started", burning),
  saying("slo.burn.updated", burning),
  saying("slo.burn.cleared", z.strictObject({ ...burn, why: z.enum(["recovered", "removed"]) })),
  saying(
    "slo.data.degraded",
    z.strictObject({
      state: z.enum(["started", "cleared"]),
      slo: name.optional(),
      what: z.enum(["behind", "no_data", "unknown_outcomes", "records_lost"]),
      at: timeMs,
      detail,
    }),
  ),
  saying(
    "detector.fired",
    z.strictObject({
      detector: z.string().min(1).max(64),
      severity,
      ...selected,
      at: timeMs,
      observed: z.number(),
      expected: z.number(),
      threshold: z.number(),
      sample: z.int().min(0),
      detail,
    }),
  ),
]);
