import { counters } from "../follow/counters.ts";
import { maxRowsPerCommit, type Projections, type RowKey } from "../follow/ports.ts";
import { ownServer } from "../own-server.ts";
import { collectionOf, type Series, type SpanRow } from "./series.ts";
import type { SpanRows } from "./spans.ts";
import { type Level, slotOf } from "./time.ts";

/** What tooltrail measures of itself by the clock, beside what is counted from the log. Rows as those of `counters`, in a generation that is never made anew. */
export const ownFigures = { name: "own-figures", generation: 1 } as const;

/** Figures that are measured, not counted: tools of tooltrail's own, by name. */
export const measured = ["ledger-to-log", "log-to-counters", "quarantine"] as const;

const isMeasured = ({ server, tool }: Series): boolean =>
  server === ownServer && measured.some((name) => name === tool);

/** Rows that one read takes. */
const rowsPerRead = maxRowsPerCommit;

/**
 * Reads rows of cells, each once, some at a time.
 *
 * @param wanted rows by series. A row that is not there is none.
 */
export async function readSpans(
  projections: Pick<Projections, "read">,
  generation: number,
  wanted: readonly { readonly series: Series; readonly keys: readonly RowKey[] }[],
): Promise<SpanRows> {
  const rows = new Map<string, SpanRow>();
  for (const own of [false, true]) {
    const keys = new Map<string, RowKey>();
    for (const { series, keys: some } of wanted)
      if (isMeasured(series) === own) for (const key of some) keys.set(textOf(key), key);
    const all = [...keys];
    const [name, number] = own ? [ownFigures.name, ownFigures.generation] : [counters.name, generation];
    for (let from = 0; from < all.length; from += rowsPerRead) {
      const some = all.slice(from, from + rowsPerRead);
      const found = await projections.read(
        name,
        number,
        some.map(([, key]) => key),
      );
      for (const [i, [text]] of some.entries()) {
        const row = found[i];
        if (row !== undefined) rows.set(text, row.value as SpanRow);
      }
    }
  }
  const collections = new Map<Series, string>();
  return {
    row(series: Series, level: Level, span: number) {
      let collection = collections.get(series);
      if (collection === undefined) {
        collection = collectionOf(series);
        collections.set(series, collection);
      }
      return rows.get(`${collection}\n${slotOf(level, span)}`);
    },
  };
}

const textOf = ({ collection, id }: RowKey): string => `${collection}\n${id}`;
