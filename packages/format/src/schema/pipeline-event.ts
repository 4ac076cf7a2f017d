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
  literal: z.literal(true).optional(),
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

const id = z.string().min(1).max(64);
const words = z.string().max(2_000);
const incident = {
  incident: z.string().regex(/^inc_[0-9a-f]{12}[a-z2-7]{14}$/),
  version: z.int().min(1),
  episode: z.int().min(1),
  at: timeMs,
  status: z.enum(["open", "acknowledged", "mitigating", "mitigated", "resolved", "closed", "cancelled", "merged"]),
  severity,
  title: words,
  environment: z.string().max(256),
  server: z.string().max(256),
  tool: z.string().max(256),
  signal: z.string().min(1).max(64),
  playbook: z.string().min(1).max(64),
  serverVersion: z.string().max(256).optional(),
  by: z.string().max(64).optional(),
  record: z.string().max(64).optional(),
};
const action = {
  action: id,
  kind: z.string().max(64),
  params: z.record(z.string().max(64), z.union([z.string().max(1_024), z.number(), z.boolean()])),
};

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
  saying(
    "notice.undelivered",
    z.strictObject({ incident: incident.incident, destination: id, why: z.string().max(1_024) }),
  ),
  saying("incidents.advanced", z.strictObject({})),
  saying("runbook.missing", z.strictObject({ environment: z.string().max(256), server, version: z.string().max(256) })),
  saying("incident.opened", z.strictObject({ ...incident, hypothesis: z.string().max(2_048), startedAt: timeMs })),
  saying(
    "incident.alerted",
    z.strictObject({ ...incident, alerts: z.int().min(0), raised: z.boolean(), widened: z.literal(true).optional() }),
  ),
  saying("incident.acknowledged", z.strictObject({ ...incident, untilAt: timeMs })),
  saying("incident.acknowledgement.expired", z.strictObject(incident)),
  saying(
    "incident.escalated",
    z.strictObject({
      ...incident,
      level: z.int().min(1),
      round: z.int().min(1),
      why: z.enum(["unacknowledged", "status_overdue", "checks_inconclusive"]),
    }),
  ),
  saying("incident.escalation.exhausted", z.strictObject({ ...incident, rounds: z.int().min(1) })),
  saying("incident.mitigating", z.strictObject({ ...incident, why: z.enum(["begun", "regressed"]) })),
  saying("incident.mitigated", z.strictObject(incident)),
  saying("incident.status.published", z.strictObject({ ...incident, text: words, owner: name, etaAt: timeMs })),
  saying("incident.status.overdue", z.strictObject({ ...incident, dueAt: timeMs })),
  saying("incident.noted", z.strictObject(incident)),
  saying("incident.reopened", z.strictObject(incident)),
  saying("incident.resolved", z.strictObject(incident)),
  saying("incident.closed", z.strictObject(incident)),
  saying("incident.merged", z.strictObject({ ...incident, into: id })),
  saying("incident.joined", z.strictObject({ ...incident, children: z.array(id).max(100) })),
  saying("incident.cancelled", z.strictObject({ ...incident, reason: words })),
  saying(
    "gate.checked",
    z.strictObject({
      ...incident,
      result: z.enum(["pass", "fail", "inconclusive"]),
      from: timeMs,
      to: timeMs,
      consecutive: z.int().min(1),
      measured: z
        .array(
          z.strictObject({
            sli: id,
            op: z.string().max(2),
            value: z.number(),
            measured: z.number().optional(),
            calls: z.int().min(0),
          }),
        )
        .max(20),
    }),
  ),
  saying(
    "rollback.requested",
    z.strictObject({
      ...incident,
      runbook: z
        .strictObject({
          name,
          rollbackTo: z.string().max(256).optional(),
          url: z.string().max(2_048).optional(),
          steps: z.array(words).max(50),
        })
        .optional(),
    }),
  ),
  saying("action.requested", z.strictObject({ ...incident, ...action, approval: z.enum(["required", "none"]) })),
  saying("action.rejected", z.strictObject({ ...incident, ...action, reason: words })),
  saying("action.started", z.strictObject({ ...incident, ...action })),
  saying("action.finished", z.strictObject({ ...incident, ...action, isDone: z.boolean(), detail: words })),
  saying("action.undo.started", z.strictObject({ ...incident, ...action })),
  saying("action.undo.finished", z.strictObject({ ...incident, ...action, isDone: z.boolean(), detail: words })),
  saying("postmortem.created", z.strictObject(incident)),
  saying("postmortem.updated", z.strictObject({ ...incident, revision: z.int().min(1), isComplete: z.boolean() })),
  saying(
    "ticket.linked",
    z.strictObject({
      ...incident,
      destination: id,
      ticket: name,
      url: z.string().max(2_048),
      revision: z.int().min(1),
    }),
  ),
]);
