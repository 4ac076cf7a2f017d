import type { BatchIndex, BatchPlace } from "@tooltrail/core/log/ports";
import type { Dynamo } from "./dynamo.ts";
import { type Key, keyItem, number, text } from "./item.ts";
import { ledgerKey } from "./ledger-key.ts";

/**
 * Which leaf a batch begins at: an item a batch, with the number as text as in the ledger.
 *
 * Killed in between, a `put` has written some of its entries; the sequencer puts all of them again.
 */
export function dynamoBatchIndex(db: Dynamo, table: string): BatchIndex {
  return {
    async put(entries) {
      // DynamoDB takes no two writes of one item in one go. The last one counts.
      const items = new Map(
        entries.map(({ firstLeaf, ...place }) => {
          const key = indexKey(place);
          return [key.pk + key.sk, { ...keyItem(key), leaf: { N: String(firstLeaf) } }];
        }),
      );
      await db.writeAll(
        table,
        [...items.values()].map((Item) => ({ PutRequest: { Item } })),
      );
    },
    async firstLeaves(batches) {
      const keys = batches.map(indexKey);
      const distinct = new Map(keys.map((key) => [key.pk + key.sk, key]));
      const items = await db.getAll(table, [...distinct.values()]);
      const leaves = new Map(items.map((item) => [text(item, "pk") + text(item, "sk"), number(item, "leaf")]));
      return keys.map(({ pk, sk }) => leaves.get(pk + sk));
    },
  };
}

const indexKey = ({ emitter, seq }: BatchPlace): Key => {
  const { sk } = ledgerKey(emitter, seq);
  return { pk: `LEAF#${emitter}`, sk };
};
