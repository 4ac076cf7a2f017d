import type { ServerRef } from "@tooltrail/format";
import type { RowKey } from "../follow/ports.ts";
import { rowId } from "../follow/row-id.ts";
import { addCells, type Cell } from "./cell.ts";
import { cellAt, type Level, levels, slotOf } from "./time.ts";

/** Whose calls are counted together: those of a server in an environment, and of these those of a version, of a tool, or of both. */
export type Series = {
  readonly environment: string;
  readonly server: string;
  readonly version?: string;
  readonly tool?: string;
};

/** As it is listed. `firstAt`: when its first record was, in the log's order, in milliseconds. */
export type ListedSeries = Series & { readonly firstAt: number };

export type Scope = "server" | "version" | "tool" | "both";

export function scopeOf({ version, tool }: { readonly version?: string; readonly tool?: string }): Scope {
  if (version === undefined) return tool === undefined ? "server" : "tool";
  return tool === undefined ? "version" : "both";
}

/** Collections of rows: the series that there are of each scope. */
export const seriesList = (scope: Scope): string => `series#${scope}`;
export const idOf = ({ environment, server, version = "", tool = "" }: Series): string =>
  rowId(environment, server, version, tool);

/** The rows that a record about a server touches at a minute: those of its series, at each level. */
export function seriesOf(server: ServerRef, tool: string | undefined): Series[] {
  const whole = { environment: server.environment ?? "", server: server.id };
  const { version } = server;
  return [
    whole,
    ...(version === undefined ? [] : [{ ...whole, version }]),
    ...(tool === undefined ? [] : [{ ...whole, tool }]),
    ...(version === undefined || tool === undefined ? [] : [{ ...whole, version, tool }]),
  ];
}

/** A row of cells. Its members are numbers of cells; `span` tells which one it is of those that have had its place. */
export type SpanRow = {
  readonly span: number;
  readonly cells: { readonly [cell: string]: Cell };
};

/** Each series is a collection of its own: a store may keep collections apart, and none of them is busier than its calls. */
export const collectionOf = (series: Series): string => `c#${scopeOf(series)}#${idOf(series)}`;

export const rowKeyOf = (series: Series, level: Level, span: number): RowKey => ({
  collection: collectionOf(series),
  id: slotOf(level, span),
});

export const rowKeysAt = (series: Series, minute: number): RowKey[] =>
  levels.map((level) => rowKeyOf(series, level, cellAt(level, minute).span));

/**
 * A row with one more cell's worth of what happened at a minute.
 *
 * A newer span takes the place of the one that is there. What belongs to an older one comes too late to be kept at this level.
 */
export function addTo(row: SpanRow | undefined, level: Level, minute: number, added: Cell): SpanRow | undefined {
  const { span, cell } = cellAt(level, minute);
  if (row !== undefined && row.span > span) return row;
  const cells = row?.span === span ? row.cells : {};
  return { span, cells: { ...cells, [cell]: addCells(cells[cell] ?? {}, added) } };
}
