/**
 * Upper edges of histogram buckets, the same for everybody and for ever, so that any two histograms add up: ten a decade, by the rounded preferred numbers (ISO 3, R'10), from
 * 100 to 1,000,000,000. For latency they are microseconds (0.1 ms to 1,000 s), for ages milliseconds (0.1 s to 11.5 days). A value is in the first bucket whose edge it does not exceed.
 */
const mantissas = [100, 125, 160, 200, 250, 315, 400, 500, 630, 800];
const decades = 7;
export const edges: readonly number[] = [
  ...Array.from({ length: decades }, (_, decade) => mantissas.map((mantissa) => mantissa * 10 ** decade)).flat(),
  100 * 10 ** decades,
];

/** The bucket of a value; above the last edge, the number after it. */
export function bucketOf(value: number): number {
  let from = 0;
  let to = edges.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((edges[middle] as number) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The edge nearest to a threshold, by ratio: what can be told from buckets. */
export function nearestEdge(threshold: number): number {
  const above = edges[bucketOf(threshold)] ?? (edges.at(-1) as number);
  const below = edges[bucketOf(threshold) - 1] ?? above;
  return threshold / below < above / threshold ? below : above;
}

/** Scores are thousandths, 0 to 1,000, in a hundred and one buckets from 0, 10, 20, … on. */
const scoreStep = 10;
export const scoreBucketOf = (permille: number): number => Math.floor(permille / scoreStep);
export const nearestScore = (permille: number): number => Math.round(permille / scoreStep) * scoreStep;
