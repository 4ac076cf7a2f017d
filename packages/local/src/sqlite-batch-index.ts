import type { DatabaseSync } from "node:sqlite";
import type { BatchIndex } from "@tooltrail/core/log/ports";
import { guarded, transaction } from "./sqlite.ts";

/** Which leaf a batch begins at: a row a batch. */
export function sqliteBatchIndex(db: DatabaseSync): BatchIndex {
  const put = db.prepare(
    `INSERT INTO batch_index (emitter, seq, first_leaf) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET first_leaf = excluded.first_leaf`,
  );
  const one = db.prepare("SELECT first_leaf FROM batch_index WHERE emitter = ? AND seq = ?");
  return {
    async put(entries) {
      transaction(db, () => {
        for (const { emitter, seq, firstLeaf } of entries) put.run(emitter, seq, firstLeaf);
      });
    },
    async firstLeaves(batches) {
      const rows = guarded(() => batches.map(({ emitter, seq }) => one.get(emitter, seq)));
      return (rows as ({ first_leaf: number } | undefined)[]).map((row) => row?.first_leaf);
    },
  };
}
