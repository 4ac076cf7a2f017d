import type { Projections, RowKey } from "../follow/ports.ts";
import type { Counts } from "./evaluate.ts";
import { spansOf } from "./evaluate.ts";
import { readSpans } from "./read-spans.ts";
import type { Series } from "./series.ts";
import { slicesOf } from "./slices.ts";
import type { Slo } from "./slo.ts";
import { countIn, minuteRows, minutesIn, rowsOfSpans, type Span, type SpanRows } from "./spans.ts";

/** An SLO, and whose calls it is about. */
export interface Selected {
  readonly slo: Slo;
  readonly series: readonly Series[];
}

/** The rows that an evaluation of it reads: as many for a thousand calls as for ten million. Where slices count, all minutes of its period are among them. */
export function keysOf(
  { slo, series }: Selected,
  minute: number,
  more: readonly Span[] = [],
): { series: Series; keys: RowKey[] }[] {
  const spans = spansOf(slo, minute);
  const { slices } = slo;
  return series.map((one) => ({
    series: one,
    keys: slices
      ? [...minuteRows(one, wholeSlices(slices, around([...spans, ...more]))), ...rowsOfSpans(one, more)]
      : rowsOfSpans(one, [...spans, ...more]),
  }));
}

export function countsFrom({ slo, series }: Selected, rows: SpanRows): Counts {
  const { slices, indicator } = slo;
  if (slices === undefined) return (span) => countIn(rows, series, indicator, span);
  let sliced: { readonly around: Span; readonly minutes: ReturnType<typeof slicesOf> } | undefined;
  return (span) => {
    // The first that is asked for is the period, which holds all others.
    if (sliced === undefined || span.from < sliced.around.from || span.to > sliced.around.to)
      sliced = {
        around: span,
        minutes: slicesOf(minutesIn(rows, series, indicator, wholeSlices(slices, span)), slices),
      };
    let total = 0;
    let bad = 0;
    for (const slice of sliced.minutes)
      if (slice.minute >= span.from && slice.minute < span.to) {
        total += slice.total;
        bad += slice.bad;
      }
    return { total, bad };
  };
}

/** From the beginning of the slice that a span begins in. */
const wholeSlices = ({ minutes }: NonNullable<Slo["slices"]>, { from, to }: Span): Span => ({
  from: from - (from % minutes),
  to,
});

const around = (spans: readonly Span[]): Span => ({
  from: Math.min(...spans.map(({ from }) => from)),
  to: Math.max(...spans.map(({ to }) => to)),
});

/** Rows for several at once, each row read once. */
export const readFor = (
  projections: Pick<Projections, "read">,
  generation: number,
  selected: readonly Selected[],
  minute: number,
  more: readonly Span[] = [],
): Promise<SpanRows> =>
  readSpans(
    projections,
    generation,
    selected.flatMap((one) => keysOf(one, minute, more)),
  );

/** The minutes of a span that have calls, ascending. */
export async function readMinutes(
  projections: Pick<Projections, "read">,
  generation: number,
  { slo, series }: Selected,
  span: Span,
): Promise<ReturnType<typeof minutesIn>> {
  const rows = await readSpans(
    projections,
    generation,
    series.map((one) => ({ series: one, keys: minuteRows(one, span) })),
  );
  return minutesIn(rows, series, slo.indicator, span);
}
