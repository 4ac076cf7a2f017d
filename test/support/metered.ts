import type { StoredBatch } from "@tooltrail/core/ports";
import {
  type AuditRecord,
  type CallRecord,
  type OutcomeClass,
  type OutcomeReason,
  recordSchema,
} from "@tooltrail/format";
import { aCall } from "./batches.ts";
import { aSignedBatch } from "./fleets.ts";
import { randomFrom } from "./pieces.ts";
import type { recordsIn } from "./recomputed.ts";

/** Midnight, UTC. */
export const firstDay = 20_833;
const minuteMs = 60_000;
const dayMs = 86_400_000;

const outcomes: readonly (readonly [OutcomeClass, OutcomeReason?])[] = [
  ["ok"],
  ["ok"],
  ["ok"],
  ["tool_error"],
  ["tool_error", "invalid_arguments"],
  ["protocol_error", "unknown_tool"],
  ["protocol_error", "internal_error"],
  ["tool_error", "rate_limited"],
  ["tool_error", "unauthorized"],
  ["tool_error", "invalid_output"],
  ["transport_error", "server_exited"],
  ["timeout", "client_timeout"],
  ["cancelled", "client_gone"],
  ["denied", "forbidden"],
  ["unknown", "emitter_died"],
];

/** A fleet over some days, in the order in which it arrives: most of it at once, some of it hours late, each batch once. */
export async function aMeteredFleet(seed: number, batches: number, days = 3): Promise<StoredBatch[]> {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const next = new Map<number, number>();
  const made: StoredBatch[] = [];
  for (let i = 0; i < batches; i += 1) {
    const emitter = pick([1, 2, 3]);
    const seq = next.get(emitter) ?? 0;
    next.set(emitter, seq + 1);
    const nowMs = (firstDay + (days * i) / batches) * dayMs;
    const at = Math.floor(random() < 0.8 ? nowMs : nowMs - random() * dayMs);
    const records = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
      aRecord(pick, random, at + Math.floor(random() * 90_000)),
    );
    const server = {
      id: `server-${emitter % 2}`,
      ...(random() < 0.8 && { version: pick(["1", "2"]) }),
      ...(random() < 0.5 && { environment: pick(["production", "staging"]) }),
    };
    made.push(await aSignedBatch({ emitter, seq, server, records, receivedAtMs: Math.floor(nowMs) + 100_000 }));
  }
  return made;
}

function aRecord(pick: <T>(list: readonly T[]) => T, random: () => number, at: number): AuditRecord {
  const tool = pick(["read", "write", "__proto__"]);
  if (random() < 0.1)
    return {
      schema: recordSchema,
      kind: "score",
      at,
      tool,
      suite: "smoke",
      scorePermille: Math.floor(random() * 1_001),
    };
  if (random() < 0.05) return { schema: recordSchema, kind: "lifecycle", at, event: "lost", count: 3 };
  const [layer, reason] = pick(outcomes);
  return aCall({
    at,
    tool,
    final: random() < 0.9,
    outcome: { class: layer, ...(reason && { reason }) },
    durationUs: Math.floor(10 ** (2 + random() * 6)),
    ...(random() < 0.3 && { dataAgeMs: Math.floor(10 ** (2 + random() * 6)) }),
  });
}

export interface Asked {
  readonly environment?: string;
  readonly server?: string;
  readonly version?: string;
  readonly tool?: string;
}

const serverFaults = [
  "rate_limited",
  "upstream_timeout",
  "upstream_unreachable",
  "invalid_output",
  "internal_error",
  "server_exited",
  "client_timeout",
];

/**
 * What a plain scan of all records counts from one minute to another, by rules written down a second time: whether a call counts (true: and is bad).
 */
const judged: { readonly [sli: string]: (call: CallRecord) => boolean | undefined } = {
  availability({ outcome: { class: layer, reason } }) {
    if (layer === "ok") return false;
    const failed = ["tool_error", "protocol_error", "transport_error", "timeout"].includes(layer);
    return failed && (reason === undefined || serverFaults.includes(reason)) ? true : undefined;
  },
  schema({ outcome: { class: layer, reason } }) {
    if (!["ok", "tool_error", "protocol_error"].includes(layer)) return undefined;
    return ["invalid_arguments", "invalid_output", "unknown_tool"].includes(reason ?? "");
  },
  latency: ({ outcome, durationUs }) =>
    outcome.class === "ok" && durationUs !== undefined ? durationUs > 1_000_000 : undefined,
  freshness: ({ outcome, dataAgeMs }) =>
    outcome.class === "ok" && dataAgeMs !== undefined ? dataAgeMs > 50_000 : undefined,
};

export function scanned(
  records: ReturnType<typeof recordsIn>,
  sli: string,
  asked: Asked,
  span: { from: number; to: number },
) {
  let total = 0;
  let bad = 0;
  for (const { batch, record } of records) {
    const minute = Math.floor(record.at / minuteMs);
    if (minute < span.from || minute >= span.to) continue;
    const { server } = batch.headers;
    const tool =
      "tool" in record && !("outcome" in record && record.outcome.reason === "unknown_tool") ? record.tool : undefined;
    const is = { environment: server.environment ?? "", server: server.id, version: server.version, tool };
    if (Object.entries(asked).some(([name, value]) => is[name as keyof typeof is] !== value)) continue;
    const verdict =
      sli === "quality"
        ? record.kind === "score"
          ? record.scorePermille < 700
          : undefined
        : record.kind === "call" && record.final
          ? judged[sli]?.(record)
          : undefined;
    if (verdict === undefined) continue;
    total += 1;
    if (verdict) bad += 1;
  }
  return { total, bad };
}
