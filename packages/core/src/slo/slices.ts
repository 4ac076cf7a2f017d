import type { Count, Slo } from "./slo.ts";

type MinuteCount = Count & { readonly minute: number };
type Slices = NonNullable<Slo["slices"]>;

/**
 * Minutes as slices, each counted at its last minute, when it is over: one that has calls counts, and is bad where fewer of them were good than its target.
 *
 * @param minutes ascending.
 */
export function slicesOf(minutes: readonly MinuteCount[], { minutes: length, target }: Slices): MinuteCount[] {
  const sums = new Map<number, { total: number; bad: number }>();
  for (const { minute, total, bad } of minutes) {
    const start = minute - (minute % length);
    const sum = sums.get(start) ?? { total: 0, bad: 0 };
    sums.set(start, { total: sum.total + total, bad: sum.bad + bad });
  }
  return [...sums]
    .filter(([, { total }]) => total > 0)
    .map(([start, { total, bad }]) => ({
      minute: start + length - 1,
      total: 1,
      bad: BigInt(total - bad) * BigInt(target.denominator) < BigInt(target.numerator) * BigInt(total) ? 1 : 0,
    }));
}
