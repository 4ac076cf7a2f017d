import type { Counts } from "./evaluate.ts";
import { type AlertState, type Circumstances, evaluate, type Transition } from "./evaluate.ts";
import { slicesOf } from "./slices.ts";
import type { Count, Slo } from "./slo.ts";

/** What was counted in a minute. */
export interface MinuteCount extends Count {
  readonly minute: number;
}

/** Minutes from the first to the last, at most: more than a year of them. */
export const maxReplayMinutes = 600_000;

/**
 * Walks a definition through recorded minutes, each of them the last complete one when it is its turn. Minutes that are absent are walked through, too: their calls are none.
 *
 * @param series ascending by minute, each at most once, over at most `maxReplayMinutes`.
 */
export function* replay(
  slo: Slo,
  series: readonly MinuteCount[],
  circumstances: Circumstances = {},
): Generator<Transition> {
  const [first] = series;
  const last = series.at(-1);
  if (first === undefined || last === undefined) return;
  const counts = countsOf(slo, series, first.minute, last.minute);
  let state: AlertState = {};
  for (let { minute } = first; minute <= last.minute; minute += 1) {
    const evaluated = evaluate(slo, counts, state, minute, circumstances);
    yield* evaluated.transitions.filter((transition) => transition.state !== "updated");
    state = evaluated.state;
  }
}

/** Sums up to each minute, so that any span is one subtraction. */
function countsOf({ slices }: Slo, series: readonly MinuteCount[], first: number, last: number): Counts {
  const total = new Float64Array(last - first + 2);
  const bad = new Float64Array(last - first + 2);
  for (const { minute, ...count } of slices ? slicesOf(series, slices) : series) {
    total[minute - first + 1] = count.total;
    bad[minute - first + 1] = count.bad;
  }
  for (let i = 1; i < total.length; i += 1) {
    total[i] = (total[i] ?? 0) + (total[i - 1] ?? 0);
    bad[i] = (bad[i] ?? 0) + (bad[i - 1] ?? 0);
  }
  const within = (minute: number): number => Math.min(Math.max(minute, first), last + 1) - first;
  return ({ from, to }) => {
    const [a, b] = [within(from), within(to)];
    return { total: (total[b] ?? 0) - (total[a] ?? 0), bad: (bad[b] ?? 0) - (bad[a] ?? 0) };
  };
}
