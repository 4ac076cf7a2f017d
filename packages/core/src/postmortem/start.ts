import { wantedOf } from "../incidents/cause.ts";
import type { Cause } from "../incidents/incident.ts";
import { readSelection } from "../slo/counting.ts";
import { complement, type Ratio } from "../slo/ratio.ts";
import type { Count, Slo } from "../slo/slo.ts";
import { cellIn } from "../slo/spans.ts";
import { minuteMs, minuteOf } from "../slo/time.ts";
import type { Failing } from "./failing.ts";
import type { Counted } from "./impact.ts";
import type { Judge } from "./judge.ts";

/** So many minutes in a row that are as they should be end a run of bad ones: what was before them was something else. */
const calmMinutes = 5;

/**
 * The first minute of the run of bad ones that an alert ended, by the counters. They are walked back from the alert: a lone failure long before an outage is no part of it, however far back the alert's window reaches.
 *
 * A minute without calls tells nothing, for good or ill. One is calm where nothing in it is bad, or no more than the objective allows: much traffic always has something bad in it.
 *
 * @param startedAt when the alert began to fire. @param lookbackMs how far before that one looks.
 * @returns undefined where no minute is bad.
 */
export async function findFirstMinute(
  { projections, known }: Counted,
  { cause, judge, slo }: { readonly cause: Cause; readonly judge: Judge; readonly slo: Slo | undefined },
  startedAt: number,
  lookbackMs: number,
): Promise<number | undefined> {
  const [from, last] = [minuteOf(startedAt - lookbackMs), minuteOf(startedAt)];
  const spans = Array.from({ length: last + 1 - from }, (_, i) => ({ from: last - i, to: last - i + 1 }));
  const selection = await known.catalogue.select(wantedOf(cause));
  const rows = await readSelection(projections, known.generation, selection, spans);
  let first: number | undefined;
  let calm = 0;
  for (const span of spans) {
    const count = judge.count(cellIn(rows, selection, span));
    if (isBad(count, slo)) [first, calm] = [span.from, 0];
    // Where the run ends nobody knows before it has been found: an alert of a long window may come after its last bad minute.
    else if (count.total > 0 && first !== undefined) calm += 1;
    if (calm >= calmMinutes) break;
  }
  return first;
}

function isBad({ total, bad }: Count, slo: Slo | undefined): boolean {
  if (slo === undefined) return bad > 0;
  const { numerator, denominator } = allowedBy(slo);
  return BigInt(bad) * BigInt(denominator) > BigInt(total) * BigInt(numerator);
}

/** The part of calls that may be bad. The budget of slices is one of slices, not of calls. */
const allowedBy = ({ budget, slices }: Slo): Ratio => (slices === undefined ? budget : complement(slices.target));

/**
 * When it began to hurt: the first bad record of the run's first minute. Where none of that minute was seen, since there is too much to look at, or no record is bad by itself, the minute is what is known.
 *
 * @param alertedAt where the counters tell nothing, and no record does.
 */
export function startOf(firstMinute: number | undefined, { records: [first] }: Failing, alertedAt: number): number {
  if (firstMinute === undefined) return first?.record.at ?? alertedAt;
  return first !== undefined && minuteOf(first.record.at) === firstMinute ? first.record.at : firstMinute * minuteMs;
}
