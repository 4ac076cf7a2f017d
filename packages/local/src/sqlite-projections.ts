import type { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import type { Cursor, Projections, Row } from "@tooltrail/core/follow/ports";
import { jsonRows } from "@tooltrail/core/follow/row-limits";
import { canonical } from "@tooltrail/format";
import { guarded, transaction } from "./sqlite.ts";

/** How many rows go away in one transaction, with nothing else running. */
const rowsPerDrop = 2_000;

/**
 * The rows of projections and their cursors. SQLite compares texts by their UTF-8, as DynamoDB does, so both list in the same order.
 *
 * A cursor lies there as canonical JSON: two that are equal are the same text.
 */
export function sqliteProjections(db: DatabaseSync): Projections {
  const cursorOf = db.prepare("SELECT cursor FROM cursors WHERE projection = ?");
  const move = db.prepare(
    "INSERT INTO cursors (projection, cursor) VALUES (?, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
  );
  const put = db.prepare(
    `INSERT INTO projection_rows (projection, generation, collection, id, value) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET value = excluded.value`,
  );
  const one = "projection = ? AND generation = ? AND collection = ?";
  const remove = db.prepare(`DELETE FROM projection_rows WHERE ${one} AND id = ?`);
  const read = db.prepare(`SELECT value FROM projection_rows WHERE ${one} AND id = ?`);
  const listed = "SELECT id, value FROM projection_rows";
  const ascending = db.prepare(`${listed} WHERE ${one} AND id > ? ORDER BY id LIMIT ?`);
  const newest = db.prepare(`${listed} WHERE ${one} ORDER BY id DESC LIMIT ?`);
  const descending = db.prepare(`${listed} WHERE ${one} AND id <= ? ORDER BY id DESC LIMIT ?`);
  const drop = db.prepare(
    `DELETE FROM projection_rows WHERE (projection, generation, collection, id) IN
     (SELECT projection, generation, collection, id FROM projection_rows WHERE projection = ? AND generation = ? LIMIT ?)`,
  );
  const cursorText = (projection: string): string | undefined =>
    (cursorOf.get(projection) as { cursor: string } | undefined)?.cursor;

  return {
    async cursor(projection) {
      const text = guarded(() => cursorText(projection));
      return text === undefined ? undefined : (JSON.parse(text) as Cursor);
    },
    async commit(projection, { from, to, generation, rows }) {
      const changes = jsonRows(rows);
      const fromText = from && canonical(from);
      return transaction(db, () => {
        if (cursorText(projection) !== fromText) return false;
        for (const { collection, id, json } of changes) {
          if (json === undefined) remove.run(projection, generation, collection, id);
          else put.run(projection, generation, collection, id, json);
        }
        move.run(projection, canonical(to));
        return true;
      });
    },
    async read(projection, generation, keys) {
      return guarded(() =>
        keys.map(({ collection, id }) => {
          const row = read.get(projection, generation, collection, id) as { value: string } | undefined;
          return row && { collection, id, value: JSON.parse(row.value) as Row["value"] };
        }),
      );
    },
    async list(projection, generation, { collection, after = "", upTo, newestFirst = false, limit }) {
      const rows = guarded(() => {
        if (!newestFirst) return ascending.all(projection, generation, collection, after, limit);
        if (upTo === undefined) return newest.all(projection, generation, collection, limit);
        return descending.all(projection, generation, collection, upTo, limit);
      });
      return (rows as unknown as { id: string; value: string }[]).map(({ id, value }) => ({
        collection,
        id,
        value: JSON.parse(value) as Row["value"],
      }));
    },
    async drop(projection, generation) {
      while (guarded(() => drop.run(projection, generation, rowsPerDrop)).changes === rowsPerDrop) await turn();
    },
  };
}
