import type { RowKey } from "../follow/ports.ts";
import { addCells, type Cell, countOf, emptyCell } from "./cell.ts";
import { rowKeyOf, type Series, type SpanRow } from "./series.ts";
import type { Count, Indicator } from "./slo.ts";
import { cellAt, type Level, levels } from "./time.ts";

/** Minutes from `from` on, up to and without `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The last so many minutes, the given one included. */
export const lastMinutes = (minute: number, minutes: number): Span => ({ from: minute + 1 - minutes, to: minute + 1 });

/** Cells of one level, next to each other; `from` and `to` are numbers of cells. */
interface Piece extends Span {
  readonly level: Level;
}

/** A span as few cells: minutes up to the first full hour, hours up to the first full day, days, and back. */
export function piecesOf({ from, to }: Span, depth = 0): Piece[] {
  const level = levels[depth];
  const above = levels[depth + 1];
  if (level === undefined || from >= to) return [];
  const unit = level.cellMinutes;
  const cells = (a: number, b: number): Piece[] => (a < b ? [{ level, from: a / unit, to: b / unit }] : []);
  if (above === undefined) return cells(from, to);
  const first = Math.ceil(from / above.cellMinutes) * above.cellMinutes;
  const last = Math.floor(to / above.cellMinutes) * above.cellMinutes;
  if (first >= last) return cells(from, to);
  return [...cells(from, first), ...piecesOf({ from: first, to: last }, depth + 1), ...cells(last, to)];
}

/** The rows of a series that hold a span, each once. Their number depends on the span, never on how many calls there were. */
export function rowsOfSpans(series: Series, spans: readonly Span[]): RowKey[] {
  const keys = new Map<string, RowKey>();
  for (const { level, from, to } of spans.flatMap((span) => piecesOf(span)))
    for (let span = Math.floor(from / level.cells); span * level.cells < to; span += 1) {
      const key = rowKeyOf(series, level, span);
      keys.set(key.id, key);
    }
  return [...keys.values()];
}

/** Where rows of cells lie: what the log is counted into, and what tooltrail measures of itself. */
export interface SpanRows {
  row(series: Series, level: Level, span: number): SpanRow | undefined;
}

/** The cells of a span, in no order that could be relied on; what nobody has counted is left out. */
function* cellsOf(rows: SpanRows, series: Series, pieces: readonly Piece[]): Generator<Cell> {
  for (const { level, from, to } of pieces)
    for (let number = from; number < to; number += 1) {
      const span = Math.floor(number / level.cells);
      const row = rows.row(series, level, span);
      // Another lap's row: nothing of this span is kept.
      if (row === undefined || row.span !== span) {
        number = (span + 1) * level.cells - 1;
        continue;
      }
      const cell = row.cells[number % level.cells];
      if (cell !== undefined) yield cell;
    }
}

/** Everything in a span, of several series together. */
export function cellIn(rows: SpanRows, series: readonly Series[], span: Span): Cell {
  let sum = emptyCell;
  for (const one of series) for (const cell of cellsOf(rows, one, piecesOf(span))) sum = addCells(sum, cell);
  return sum;
}

/** How many count in a span, of several series together. */
export function countIn(
  rows: SpanRows,
  series: readonly Series[],
  indicator: Pick<Indicator, "sli" | "threshold">,
  span: Span,
): Count {
  let total = 0;
  let bad = 0;
  const pieces = piecesOf(span);
  for (const one of series)
    for (const cell of cellsOf(rows, one, pieces)) {
      const count = countOf(indicator, cell);
      total += count.total;
      bad += count.bad;
    }
  return { total, bad };
}

/** The minutes of a span that have a count, ascending. */
export function minutesIn(
  rows: SpanRows,
  series: readonly Series[],
  indicator: Pick<Indicator, "sli" | "threshold">,
  { from, to }: Span,
): (Count & { readonly minute: number })[] {
  const minutes: (Count & { minute: number })[] = [];
  for (let minute = from; minute < to; minute += 1) {
    const count = series
      .map((one) => countOf(indicator, cellOfMinute(rows, one, minute)))
      .reduce((a, b) => ({ total: a.total + b.total, bad: a.bad + b.bad }));
    if (count.total > 0) minutes.push({ minute, ...count });
  }
  return minutes;
}

function cellOfMinute(rows: SpanRows, series: Series, minute: number): Cell {
  const [level] = levels;
  const { span, cell } = cellAt(level, minute);
  const row = rows.row(series, level, span);
  return (row?.span === span ? row.cells[cell] : undefined) ?? emptyCell;
}

/** The rows that hold the minutes of a span. */
export const minuteRows = (series: Series, { from, to }: Span): RowKey[] => {
  const [level] = levels;
  const first = cellAt(level, from).span;
  return from >= to
    ? []
    : Array.from({ length: cellAt(level, to - 1).span - first + 1 }, (_, i) => rowKeyOf(series, level, first + i));
};
