import { type AuditRecord, bodyLines, maxBatchSpanMs, recordId, type ServerRef, upcast } from "@tooltrail/format";
import type { BatchPosition, Ledger, StoredBatch } from "../ports.ts";

/** A record, and where it was found. */
export interface Found<Kind extends AuditRecord = AuditRecord> {
  readonly id: string;
  readonly record: Kind;
  readonly server: ServerRef;
}

/** From `fromMs` on, before `toMs`. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** How much more may be read. `isCut`: something was left unread. */
export interface Bounds {
  batches: number;
  bytes: number;
  isCut: boolean;
}

export const boundsOf = (batches: number): Bounds => ({ batches, bytes: 32_000_000, isCut: false });

const batchesPerRead = 25;

/**
 * Batches that may hold records of a span, newest first, as many as the bounds allow.
 *
 * @param spreadMs so far apart the records of a batch may lie: with less than what the format allows, fewer batches are read, and one that is spread wider is missed.
 */
export async function* batchesIn(
  ledger: Pick<Ledger, "newestFirst">,
  server: { readonly server?: string },
  { fromMs, toMs }: Span,
  bounds: Bounds,
  spreadMs = maxBatchSpanMs,
): AsyncGenerator<StoredBatch> {
  let from: BatchPosition | undefined = {
    lastAt: toMs - 1 + spreadMs,
    emitter: "~",
    seq: Number.MAX_SAFE_INTEGER,
  };
  while (from !== undefined) {
    const batches: StoredBatch[] = await ledger.newestFirst({ ...server, from, limit: batchesPerRead + 1 });
    for (const batch of batches.slice(0, batchesPerRead)) {
      if (batch.headers.lastAt < fromMs) return;
      if (bounds.batches <= 0 || bounds.bytes <= 0) {
        bounds.isCut = true;
        return;
      }
      bounds.batches -= 1;
      bounds.bytes -= batch.body.length;
      yield batch;
    }
    const next = batches[batchesPerRead]?.headers;
    from = next && { lastAt: next.lastAt, emitter: next.emitter, seq: next.seq };
  }
}

/** Records of a batch in a span. @param needles texts of which a line has all: lines are canonical, so that most are passed over unparsed. */
export function* recordsIn(
  batch: StoredBatch,
  { fromMs, toMs }: Span,
  needles: readonly string[],
  passedOver?: string,
): Generator<Found> {
  const { emitter, seq, server } = batch.headers;
  for (const [index, line] of (bodyLines(batch.body) ?? []).entries()) {
    if (!needles.every((needle) => line.includes(needle))) continue;
    if (passedOver !== undefined && line.includes(passedOver)) continue;
    const record = upcast(JSON.parse(line));
    if (record.at >= fromMs && record.at < toMs) yield { id: recordId({ emitter, seq, index }), record, server };
  }
}

export const oldestFirst = (a: Found, b: Found): number =>
  a.record.at - b.record.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
