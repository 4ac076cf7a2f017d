import type { Projections, RowKey } from "../follow/ports.ts";
import { type Counts, spansOf } from "./evaluate.ts";
import { readSpans } from "./read-spans.ts";
import type { Selection } from "./selection.ts";
import type { Series } from "./series.ts";
import { slicesOf } from "./slices.ts";
import type { Slo } from "./slo.ts";
import { countIn, minuteRows, minutesIn, rowsOfSpans, type Span, type SpanRows } from "./spans.ts";

/** An SLO, and whose calls it is about. */
export interface Selected {
  readonly slo: Slo;
  readonly selection: Selection;
}

/** The rows that an evaluation of it reads: as many for a thousand calls as for ten million. Where slices count, all minutes of its period are among them. */
export function keysOf(
  { slo, selection }: Selected,
  minute: number,
  more: readonly Span[] = [],
): { readonly series: Series; readonly keys: RowKey[] }[] {
  const spans = spansOf(slo, minute);
  const { slices } = slo;
  return selection.series.map((series) => ({
    series,
    keys: slices
      ? [...minuteRows(series, wholeSlices(slices, around([...spans, ...more]))), ...rowsOfSpans(series, more)]
      : rowsOfSpans(series, [...spans, ...more]),
  }));
}

export function countsFrom({ slo, selection }: Selected, rows: SpanRows): Counts {
  const { slices, indicator } = slo;
  if (slices === undefined) return (span) => countIn(rows, selection, indicator, span);
  let known: { readonly around: Span; readonly slices: ReturnType<typeof slicesOf> } | undefined;
  return (span) => {
    // The first that is asked for is the period, which holds nearly all others.
    if (known === undefined || span.from < known.around.from || span.to > known.around.to) {
      const minutes = minutesIn(rows, selection, indicator, wholeSlices(slices, span));
      known = { around: span, slices: slicesOf(minutes, slices) };
    }
    const within = known.slices.filter(({ minute }) => minute >= span.from && minute < span.to);
    return { total: within.length, bad: within.filter(({ bad }) => bad > 0).length };
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

/** Rows of what a selection counts in spans. */
export const readSelection = (
  projections: Pick<Projections, "read">,
  generation: number,
  { series }: Selection,
  spans: readonly Span[],
): Promise<SpanRows> =>
  readSpans(
    projections,
    generation,
    series.map((one) => ({ series: one, keys: rowsOfSpans(one, spans) })),
  );

/** The minutes of a span that have calls, ascending. */
export async function readMinutes(
  projections: Pick<Projections, "read">,
  generation: number,
  { slo, selection }: Selected,
  span: Span,
): Promise<ReturnType<typeof minutesIn>> {
  const rows = await readSpans(
    projections,
    generation,
    selection.series.map((series) => ({ series, keys: minuteRows(series, span) })),
  );
  return minutesIn(rows, selection, slo.indicator, span);
}
