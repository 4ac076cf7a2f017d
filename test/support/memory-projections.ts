import type { Cursor, Projections, Row, RowKey } from "@tooltrail/core/follow/ports";
import { jsonRows } from "@tooltrail/core/follow/row-limits";
import { canonical } from "@tooltrail/format";

export interface MemoryProjections extends Projections {
  /** Every row that was written, in order; without JSON it went away. Where nothing was written, it is as long as before. */
  readonly written: readonly Written[];
}
export interface Written extends RowKey {
  readonly projection: string;
  readonly json: string | undefined;
}

/**
 * Projections in memory, as strict as a real store: compare-and-set, no more in a commit than it takes, and nothing shared with whoever wrote it.
 *
 * @param turn awaited before each call: whoever gives the turns out lets callers meet in any order.
 */
export function memoryProjections(turn: () => Promise<void> = async () => undefined): MemoryProjections {
  const cursors = new Map<string, string>();
  const collections = new Map<string, Map<string, string>>();
  const written: Written[] = [];
  const nameOf = (projection: string, generation: number, collection: string): string =>
    [projection, generation, collection].join("\n");
  const rowOf = (collection: string, id: string, json: string): Row => ({
    collection,
    id,
    value: JSON.parse(json) as Row["value"],
  });
  return {
    written,
    async cursor(projection) {
      await turn();
      const text = cursors.get(projection);
      return text === undefined ? undefined : (JSON.parse(text) as Cursor);
    },
    async commit(projection, { from, to, generation, rows }) {
      await turn();
      const changes = jsonRows(rows);
      if (cursors.get(projection) !== (from && canonical(from))) return false;
      for (const { collection, id, json } of changes) {
        const name = nameOf(projection, generation, collection);
        const stored = collections.get(name) ?? new Map<string, string>();
        collections.set(name, stored);
        if (json === undefined) stored.delete(id);
        else stored.set(id, json);
        written.push({ projection, collection, id, json });
      }
      cursors.set(projection, canonical(to));
      return true;
    },
    async read(projection, generation, keys) {
      await turn();
      return keys.map(({ collection, id }) => {
        const json = collections.get(nameOf(projection, generation, collection))?.get(id);
        return json === undefined ? undefined : rowOf(collection, id, json);
      });
    },
    async list(projection, generation, { collection, after = "", upTo, newestFirst = false, limit }) {
      await turn();
      const stored = collections.get(nameOf(projection, generation, collection)) ?? new Map<string, string>();
      const ids = [...stored.keys()]
        .filter((id) => (newestFirst ? upTo === undefined || id <= upTo : id > after))
        .sort();
      return (newestFirst ? ids.reverse() : ids)
        .slice(0, limit)
        .map((id) => rowOf(collection, id, stored.get(id) ?? "null"));
    },
    async drop(projection, generation) {
      for (const name of collections.keys())
        if (name.startsWith(nameOf(projection, generation, ""))) collections.delete(name);
    },
  };
}
