import { bucketOf, scoreBucketOf } from "./buckets.ts";
import type { Count, Indicator } from "./slo.ts";

/** Counts by bucket number. */
export type Histogram = { readonly [bucket: string]: number };

/**
 * What happened in a span of time in one series. A member that is absent is zero. Cells add up, so that hours and days are sums of minutes.
 *
 * `valid`, `failed`: calls that tell something of the server, and those that failed by its fault.
 * `answered`, `misfits`: calls that were answered, and those where arguments or answer did not fit their schema.
 * `attempts`, `retries`, `rejected`: all attempts, those that came after a failure, and those that failed by the server's fault.
 * `refused`, `refusedBy`: callers whose calls ended in 401 or 403, each at most once a minute however often it tries, and who: two of them at most, which is enough to tell one from several.
 * `drifted`: calls that were executed although the decision was another than "allow".
 * `unknown`, `lost`: calls whose end nobody knows, and records that an emitter could not write.
 * `latency`, `ages`: of calls that went well, by microseconds; how old answers were, by milliseconds.
 * `scores`: by thousandths, and for means and deviations their sum and the sum of their squares.
 */
export interface Cell {
  readonly valid?: number;
  readonly failed?: number;
  readonly answered?: number;
  readonly misfits?: number;
  readonly attempts?: number;
  readonly retries?: number;
  readonly rejected?: number;
  readonly refused?: number;
  readonly refusedBy?: readonly string[];
  readonly drifted?: number;
  readonly unknown?: number;
  readonly lost?: number;
  readonly latency?: Histogram;
  readonly ages?: Histogram;
  readonly scores?: Histogram;
  readonly scoreSum?: number;
  readonly scoreSquares?: number;
}

export const emptyCell: Cell = {};

/** Distinct principals that a cell names. */
const maxNamed = 2;

type Mutable = { -readonly [name in keyof Cell]: Cell[name] };

export function addCells(a: Cell, b: Cell): Cell {
  const sum: Mutable = { ...a };
  for (const [name, value] of Object.entries(b) as [keyof Cell, Cell[keyof Cell]][]) {
    const before = sum[name];
    if (before === undefined) (sum as { [name: string]: unknown })[name] = value;
    else if (typeof value === "number") (sum as { [name: string]: unknown })[name] = (before as number) + value;
    else if (Array.isArray(value))
      sum.refusedBy = [...new Set([...(before as readonly string[]), ...value])].slice(0, maxNamed);
    else (sum as { [name: string]: unknown })[name] = addHistograms(before as Histogram, value as Histogram);
  }
  return sum;
}

function addHistograms(a: Histogram, b: Histogram): Histogram {
  const sum: { [bucket: string]: number } = { ...a };
  for (const [bucket, count] of Object.entries(b)) sum[bucket] = (sum[bucket] ?? 0) + count;
  return sum;
}

/** What an indicator makes of a cell: how many count, and how many of them are bad. */
export function countOf({ sli, threshold }: Pick<Indicator, "sli" | "threshold">, cell: Cell): Count {
  switch (sli) {
    case "availability":
      return { total: cell.valid ?? 0, bad: cell.failed ?? 0 };
    case "schema":
      return { total: cell.answered ?? 0, bad: cell.misfits ?? 0 };
    case "latency":
      return split(cell.latency, (bucket) => bucket > bucketOf(threshold?.edge ?? 0));
    case "freshness":
      return split(cell.ages, (bucket) => bucket > bucketOf(threshold?.edge ?? 0));
    case "quality":
      return split(cell.scores, (bucket) => bucket < scoreBucketOf(threshold?.edge ?? 0));
  }
}

function split(histogram: Histogram | undefined, isBad: (bucket: number) => boolean): Count {
  let total = 0;
  let bad = 0;
  for (const bucket in histogram) {
    const count = histogram[bucket] ?? 0;
    total += count;
    if (isBad(Number(bucket))) bad += count;
  }
  return { total, bad };
}
