import type { StoredBatch } from "@tooltrail/core/ports";
import {
  type AuditRecord,
  canonical,
  headersHash,
  type OutcomeClass,
  type OutcomeReason,
  pack,
  plainEmitterId,
  recordSchema,
  type ServerRef,
  seal,
  sha256,
} from "@tooltrail/format";
import { aCall, anIdentity } from "./batches.ts";
import { randomFrom } from "./pieces.ts";

export const start = 1_800_000_000_000;

/** A signed batch as it lies in the ledger, of records that are given or one call. */
export async function aSignedBatch({
  emitter = 1,
  seq = 0,
  server = { id: "files" },
  records = [aCall({ at: start + seq })],
  receivedAtMs = start + seq,
}: {
  readonly emitter?: number;
  readonly seq?: number;
  readonly server?: ServerRef;
  readonly records?: readonly AuditRecord[];
  readonly receivedAtMs?: number;
} = {}): Promise<StoredBatch> {
  const times = records.map(({ at }) => at);
  const { headers, sig, body } = await seal(
    anIdentity(emitter),
    { seq, prev: "0".repeat(64), server },
    records.map((record) => canonical(record)),
    { first: Math.min(...times), last: Math.max(...times) },
    { principals: {} },
  );
  return { headers, sig, body, identity: headersHash(headers), receivedAtMs, account: "000000000000" };
}

/** What a plain event becomes: nobody signed it. */
export async function aPlainBatch(id: string, record: AuditRecord, receivedAtMs: number): Promise<StoredBatch> {
  const body = await pack([canonical(record)]);
  const { at } = record;
  return {
    headers: {
      schema: "tooltrail.plain/1",
      emitter: plainEmitterId("000000000000", "billing", id),
      seq: 0,
      source: "billing",
      server: { id: "plain" },
      count: 1,
      firstAt: at,
      lastAt: at,
      bodySha256: sha256(body),
    },
    body,
    identity: sha256(id),
    receivedAtMs,
    account: "000000000000",
  };
}

const outcomes: readonly [OutcomeClass, OutcomeReason?][] = [
  ["ok"],
  ["ok"],
  ["ok", "task_started"],
  ["tool_error"],
  ["protocol_error", "unknown_tool"],
  ["denied", "forbidden"],
  ["timeout", "upstream_timeout"],
];

/** A random fleet: every kind of record, versions, retries, traces, numbers that are missing or come late, and plain events among them. In order of arrival. */
export async function aFleet(seed: number, batches = 40): Promise<StoredBatch[]> {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const numbers = new Map([1, 2, 3].map((emitter) => [emitter, { next: 0, skipped: [] as number[] }]));
  const made: StoredBatch[] = [];
  for (let i = 0; i < batches; i += 1) {
    const receivedAtMs = start + 60_000 + i * 7_000;
    const records = Array.from({ length: 1 + Math.floor(random() * (random() < 0.1 ? 150 : 6)) }, () =>
      aRecord(pick, random),
    );
    if (random() < 0.15) {
      const [call = aCall()] = records;
      made.push(await aPlainBatch(`${seed} ${i}`, call, receivedAtMs));
      continue;
    }
    const emitter = pick([1, 2, 3]);
    const place = numbers.get(emitter) ?? { next: 0, skipped: [] };
    const late = random() < 0.3 ? place.skipped.shift() : undefined;
    if (late === undefined && random() < 0.3) place.skipped.push(place.next++);
    const seq = late ?? place.next++;
    const server = { id: `server-${emitter}`, ...(random() < 0.8 && { version: pick(["1", "2"]) }) };
    made.push(await aSignedBatch({ emitter, seq, server, records, receivedAtMs }));
  }
  return made;
}

function aRecord(pick: <T>(list: readonly T[]) => T, random: () => number): AuditRecord {
  const at = start + Math.floor(random() * 100_000);
  const tool = `tool ${Math.floor(random() * 4)}`;
  const digest = pick(["a", "b"]).repeat(64);
  if (random() < 0.1) return { schema: recordSchema, kind: "lifecycle", at, event: pick(["started", "alive", "lost"]) };
  if (random() < 0.1) return { schema: recordSchema, kind: "definition", at, tool, digest, bytes: 10 };
  const [layer, reason] = pick(outcomes);
  const trace = `00-${String(Math.floor(random() * 5)).padStart(32, "c")}-${"1".repeat(16)}-01`;
  const call = aCall({
    at,
    tool,
    final: random() < 0.8,
    attempt: 1 + Math.floor(random() * 2),
    outcome: { class: layer, ...(reason && { reason }) },
    principal: { ref: `p_${pick(["a", "b", "c"]).repeat(26)}`, method: pick(["os", "token"]), verified: true },
    ...(random() < 0.5 && { definition: digest }),
    ...(random() < 0.3 && { links: { traceparent: trace } }),
  });
  if (random() > 0.1) return call;
  const { final: _final, outcome: _outcome, durationUs: _durationUs, ...intent } = call;
  return { ...intent, kind: "intent" };
}
