import type { RowKey } from "../follow/ports.ts";
import { rowId } from "../follow/row-id.ts";
import { addCells, type Cell } from "./cell.ts";
import { cellAt, type Level, levels, slotOf } from "./time.ts";

/** Whose calls are counted together: those of a server in an environment, or of these those of a tool. One without an environment has the empty text. */
export type Series = {
  readonly environment: string;
  readonly server: string;
  readonly tool?: string;
};

/** As it is listed. `firstAt`: when its first record arrived, in milliseconds, whatever time that claims; of a server that of each version, too, and the day, since the epoch, on which it was heard of last. */
export type ListedSeries = Series & {
  readonly firstAt: number;
  readonly lastDay?: number;
  readonly versions?: { readonly [version: string]: number };
};

export type Scope = "servers" | "tools";
const scopeOf = ({ tool }: { readonly tool?: string | undefined }): Scope => (tool === undefined ? "servers" : "tools");

/** Where a series is listed, so that whoever asks for all of a scope finds it. */
export const listKey = (series: Series): RowKey => ({ collection: scopeOf(series), id: idOf(series) });

export const idOf = ({ environment, server, tool }: Series): string =>
  tool === undefined ? rowId(environment, server) : rowId(environment, server, tool);

/** Of a server, days are summed, too: its long windows are looked at all the time, those of a tool when somebody asks. */
export const levelsOf = (series: Series): readonly Level[] => (series.tool === undefined ? levels : levels.slice(0, 2));

/** What happened, by version of the server; the empty text is for a server that names none. */
export type Versions = { readonly [version: string]: Cell };

/** A row of cells. `span` tells which one it is of those that have had its place. */
export type SpanRow = {
  readonly span: number;
  readonly cells: { readonly [cell: string]: Versions };
};

/** Each series is a collection of its own: a store may keep collections apart, and none of them is busier than its calls. */
export const collectionOf = (series: Series): string => `c#${scopeOf(series)}#${idOf(series)}`;

export const rowKeyOf = (series: Series, level: Level, span: number): RowKey => ({
  collection: collectionOf(series),
  id: slotOf(level, span),
});

export const rowKeysAt = (series: Series, minute: number): RowKey[] =>
  levelsOf(series).map((level) => rowKeyOf(series, level, cellAt(level, minute).span));

/** Versions that a cell tells apart. Servers are replaced, not piled up; whoever makes versions up shall not make rows grow. */
const maxVersions = 8;
export const otherVersions = "…";

/**
 * A row with one more cell's worth of what happened at a minute.
 *
 * A newer span takes the place of the one that is there. What belongs to an older one comes too late to be kept at this level.
 */
export function addTo(
  row: SpanRow | undefined,
  level: Level,
  minute: number,
  version: string,
  added: Cell,
): SpanRow | undefined {
  const { span, cell } = cellAt(level, minute);
  if (row !== undefined && row.span > span) return row;
  const cells = row?.span === span ? row.cells : {};
  const versions = cells[cell] ?? {};
  const known = Object.hasOwn(versions, version) || Object.keys(versions).length < maxVersions;
  const name = known ? version : otherVersions;
  const before = Object.hasOwn(versions, name) ? versions[name] : undefined;
  return { span, cells: { ...cells, [cell]: { ...versions, [name]: addCells(before ?? {}, added) } } };
}
