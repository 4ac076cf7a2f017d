import type { LifecycleRecord } from "@tooltrail/format";
import type { LogLeaf, Projection, RowValue } from "./projection.ts";
import { type Range, without } from "./ranges.ts";

/** Batches that an emitter has numbered and that are not in the log. `sinceMs`: when the first later one arrived. */
export type Missing = Range & { readonly sinceMs: number };

/** What an emitter's batches say of its numbers. Times of arrival in milliseconds. */
export type EmitterRow = {
  readonly emitter: string;
  /** The server and the key of its latest batch. */
  readonly server: string;
  readonly key: string;
  readonly batches: number;
  /** The number after the highest that is known of. */
  readonly next: number;
  /** Ascending. */
  readonly missing: readonly Missing[];
  /** Where more ranges are missing than a row holds: how many numbers besides, and between which. */
  readonly unlisted?: Missing & { readonly count: number };
  readonly firstReceivedAt: number;
  readonly lastReceivedAt: number;
  /** It has said that it started or is alive, so that silence means something. */
  readonly announced: boolean;
  readonly stopped?: { readonly lastSeq: number; readonly reason?: "adopted" };
};

/** A missing number may still be on its way for so long, and an emitter that is alive says so three times in it. */
export const lateMs = 15 * 60_000;

/** The largest number that a batch can have; what an emitter says of its last one may be anything. */
const maxSeq = 999_999_999_999_999;

/** Ranges in one row. An emitter that leaves out every other number is counted on, not listed. */
const maxListed = 32;

/**
 * Collections: every emitter that signs, and those that something may yet be said of. A leaf puts an emitter among the watched; one whose silence has been said is taken
 * from them by `sweep`, which is all that it changes here.
 */
export const emitters = "emitters";
export const watched = "watched";

/**
 * The numbers of each signed emitter: which are missing, whether it has stopped. Rows tell what the log holds; what follows from time passing is told by whoever
 * reads them (`stateOf`, `sweep`).
 */
export const continuity: Projection = {
  name: "continuity",
  version: 1,
  rowsOf: ({ key, index, emitter, record }) =>
    key !== undefined && (index === 0 || record.kind === "lifecycle")
      ? [
          { collection: emitters, id: emitter },
          { collection: watched, id: emitter },
        ]
      : [],
  fold([value, mark], leaf) {
    const row = said(leaf.index === 0 ? arrived(value as EmitterRow | undefined, leaf) : (value as EmitterRow), leaf);
    return [row, isWatched(row) ? (mark ?? watchedMark) : undefined];
  },
};

const watchedMark: RowValue = {};

const isWatched = (row: EmitterRow): boolean => missesAny(row) || (row.announced && row.stopped === undefined);

export const missesAny = ({ missing, unlisted }: EmitterRow): boolean => missing.length > 0 || unlisted !== undefined;

/** Another batch, by its first leaf. The log holds each batch once. */
function arrived(
  before: EmitterRow | undefined,
  { emitter, seq, server, key = "", receivedAtMs }: LogLeaf,
): EmitterRow {
  const row: EmitterRow = {
    ...(before ?? { missing: [], next: 0, announced: false }),
    emitter,
    server: server.id,
    key,
    batches: (before?.batches ?? 0) + 1,
    firstReceivedAt: Math.min(before?.firstReceivedAt ?? receivedAtMs, receivedAtMs),
    lastReceivedAt: Math.max(before?.lastReceivedAt ?? receivedAtMs, receivedAtMs),
  };
  return seq < row.next ? found(row, seq) : { ...skipped(row, seq, receivedAtMs), next: seq + 1 };
}

/** What the emitter says of itself. */
function said(row: EmitterRow, { record, seq, receivedAtMs }: LogLeaf): EmitterRow {
  if (record.kind !== "lifecycle") return row;
  if (record.event === "started" || record.event === "alive") return { ...row, announced: true };
  return record.event === "stopped" ? stopped(row, record, seq, receivedAtMs) : row;
}

function stopped(row: EmitterRow, { lastSeq, reason }: LifecycleRecord, seq: number, atMs: number): EmitterRow {
  const last = Math.min(Math.max(lastSeq ?? seq, seq), maxSeq);
  const complete = last < row.next ? row : { ...skipped(row, last + 1, atMs), next: last + 1 };
  return { ...complete, stopped: { lastSeq: last, ...(reason && { reason }) } };
}

/** Numbers from the next one up to `seq` have not come. */
function skipped(row: EmitterRow, seq: number, sinceMs: number): EmitterRow {
  if (seq <= row.next) return row;
  return listed(row, [...row.missing, { from: row.next, to: seq - 1, sinceMs }]);
}

/** A missing number has come after all. */
function found(row: EmitterRow, seq: number): EmitterRow {
  const left = without(row.missing, [{ from: seq, to: seq }]);
  const same = left.length === row.missing.length && left.every((range, i) => range === row.missing[i]);
  if (!same) return listed(row, left);
  const { unlisted, ...rest } = row;
  if (unlisted === undefined || unlisted.count <= 1) return rest;
  return { ...rest, unlisted: { ...unlisted, count: unlisted.count - 1 } };
}

function listed(row: EmitterRow, missing: readonly Missing[]): EmitterRow {
  const over = missing.slice(maxListed);
  if (over.length === 0) return { ...row, missing };
  const before = row.unlisted ? [row.unlisted] : [];
  const unlisted = {
    count: over.reduce((sum, { from, to }) => sum + to - from + 1, row.unlisted?.count ?? 0),
    from: Math.min(...[...before, ...over].map(({ from }) => from)),
    to: Math.max(...[...before, ...over].map(({ to }) => to)),
    sinceMs: Math.min(...[...before, ...over].map(({ sinceMs }) => sinceMs)),
  };
  return { ...row, missing: missing.slice(0, maxListed), unlisted };
}

export const emitterStates = ["live", "late", "gap", "silent", "stopped"] as const;
export type EmitterState = (typeof emitterStates)[number];

/**
 * What is to be said of an emitter now; where several are true, the worst. `gap`: numbers have been missing for 15 minutes; `late`: for less. `silent`: it has not said that it
 * stops, and has said nothing for 15 minutes.
 */
export function stateOf(row: EmitterRow, nowMs: number): EmitterState {
  if (gapsOf(row, nowMs).length > 0 || (row.unlisted && nowMs - row.unlisted.sinceMs >= lateMs)) return "gap";
  if (missesAny(row)) return "late";
  if (row.stopped) return "stopped";
  return isQuiet(row, nowMs) ? "silent" : "live";
}

/** The missing ranges that are late no more. */
export const gapsOf = ({ missing }: EmitterRow, nowMs: number): Missing[] =>
  missing.filter(({ sinceMs }) => nowMs - sinceMs >= lateMs);

export const isQuiet = ({ lastReceivedAt, stopped }: EmitterRow, nowMs: number): boolean =>
  stopped === undefined && nowMs - lastReceivedAt >= lateMs;
