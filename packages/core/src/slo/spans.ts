import type { RowKey } from "../follow/ports.ts";
import { addCells, type Cell, countOf, emptyCell } from "./cell.ts";
import { fits, type Selection } from "./selection.ts";
import { levelsOf, rowKeyOf, type Series, type SpanRow, type Versions } from "./series.ts";
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
export function piecesOf({ from, to }: Span, [level, ...coarser]: readonly Level[] = levels): Piece[] {
  if (level === undefined || from >= to) return [];
  const cells = (a: number, b: number): Piece[] =>
    a < b ? [{ level, from: a / level.cellMinutes, to: b / level.cellMinutes }] : [];
  const above = coarser[0]?.cellMinutes;
  if (above === undefined) return cells(from, to);
  const first = Math.ceil(from / above) * above;
  const last = Math.floor(to / above) * above;
  if (first >= last) return cells(from, to);
  return [...cells(from, first), ...piecesOf({ from: first, to: last }, coarser), ...cells(last, to)];
}

const piecesFor = (series: Series, span: Span): Piece[] => piecesOf(span, levelsOf(series));

/** The rows of a series that hold spans, each once. Their number depends on the spans, never on how many calls there were. */
export function rowsOfSpans(series: Series, spans: readonly Span[]): RowKey[] {
  const keys = new Map<string, RowKey>();
  for (const { level, from, to } of spans.flatMap((span) => piecesFor(series, span)))
    for (let span = Math.floor(from / level.cells); span * level.cells < to; span += 1) {
      const key = rowKeyOf(series, level, span);
      keys.set(key.id, key);
    }
  return [...keys.values()];
}

/** The rows that hold the minutes of a span. */
export function minuteRows(series: Series, { from, to }: Span): RowKey[] {
  const [level] = levels;
  const first = cellAt(level, from).span;
  return from >= to
    ? []
    : Array.from({ length: cellAt(level, to - 1).span - first + 1 }, (_, i) => rowKeyOf(series, level, first + i));
}

/** Rows that were read. */
export interface SpanRows {
  row(series: Series, level: Level, span: number): SpanRow | undefined;
}

/** The cells of a span in the versions that are meant, in no order that could be relied on; what nobody has counted is left out. */
function* cellsOf(rows: SpanRows, { series, version }: Selection, span: Span): Generator<Cell> {
  for (const one of series)
    for (const { level, from, to } of piecesFor(one, span))
      for (let number = from; number < to; number += 1) {
        const place = Math.floor(number / level.cells);
        const row = rows.row(one, level, place);
        // Another lap's row: nothing of this span is kept.
        if (row?.span === place) yield* versionsOf(row.cells[number % level.cells], version);
        else number = (place + 1) * level.cells - 1;
      }
}

function* versionsOf(versions: Versions | undefined, version: string | undefined): Generator<Cell> {
  for (const name in versions) {
    const cell = versions[name];
    if (cell !== undefined && (version === undefined || fits(version, name))) yield cell;
  }
}

/** Everything in a span. */
export function cellIn(rows: SpanRows, selection: Selection, span: Span): Cell {
  let sum = emptyCell;
  for (const cell of cellsOf(rows, selection, span)) sum = addCells(sum, cell);
  return sum;
}

/** How many count in a span. */
export function countIn(
  rows: SpanRows,
  selection: Selection,
  indicator: Pick<Indicator, "sli" | "threshold">,
  span: Span,
): Count {
  let total = 0;
  let bad = 0;
  for (const cell of cellsOf(rows, selection, span)) {
    const count = countOf(indicator, cell);
    total += count.total;
    bad += count.bad;
  }
  return { total, bad };
}

/** The minutes of a span that have a count, ascending. Wants the rows of its minutes. */
export function minutesIn(
  rows: SpanRows,
  { series, version }: Selection,
  indicator: Pick<Indicator, "sli" | "threshold">,
  { from, to }: Span,
): (Count & { readonly minute: number })[] {
  const [level] = levels;
  const minutes: (Count & { minute: number })[] = [];
  for (let minute = from; minute < to; minute += 1) {
    const { span, cell } = cellAt(level, minute);
    let [total, bad] = [0, 0];
    for (const one of series) {
      const row = rows.row(one, level, span);
      for (const found of versionsOf(row?.span === span ? row.cells[cell] : undefined, version)) {
        const count = countOf(indicator, found);
        [total, bad] = [total + count.total, bad + count.bad];
      }
    }
    if (total > 0) minutes.push({ minute, total, bad });
  }
  return minutes;
}
