import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { GetItemCommand, TransactionCanceledException, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { AppError } from "@tooltrail/core/errors";
import type { Quarantine, Quarantined } from "@tooltrail/core/ports";
import { concurrently } from "./concurrently.ts";
import type { Dynamo } from "./dynamo.ts";
import { fitsKey, type Item, type Key, keyItem, number, text } from "./item.ts";

/**
 * What was refused: a small row, listed by id, and the event itself in as many parts as it takes, all put and removed in one transaction. So
 * there is never a row without its parts, nor a part without its row, whoever is killed or comes twice.
 *
 * Everything goes away 400 days after it came: what was refused was not looked through, and may hold what should not have been sent.
 */
export function dynamoQuarantine(db: Dynamo, table: string): Quarantine {
  async function rowOf(id: string): Promise<Item | undefined> {
    if (!fitsKey(id)) return undefined;
    const { Item } = await db.call((client) =>
      client.send(new GetItemCommand({ TableName: table, Key: keyItem(rowKey(id)), ConsistentRead: true })),
    );
    return Item;
  }

  /** @returns undefined where the entry was removed meanwhile. */
  async function entryOf(row: Item): Promise<Quarantined | undefined> {
    const id = text(row, "sk");
    const keys = partKeys(id, number(row, "parts"));
    const parts = new Map((await db.getAll(table, keys)).map((part) => [text(part, "sk"), part.bytes?.B]));
    const bytes = keys.map(({ sk }) => parts.get(sk));
    if (bytes.includes(undefined)) {
      if ((await rowOf(id)) === undefined) return undefined;
      throw new AppError("internal", `Parts of ${id} are missing.`);
    }
    const packed = Buffer.concat(bytes as Uint8Array[]);
    return {
      id,
      reason: text(row, "reason"),
      detail: text(row, "detail"),
      body: JSON.parse((await gunzipAsync(packed)).toString()),
      receivedAtMs: number(row, "receivedAtMs"),
    };
  }

  return {
    async put({ id, reason, detail, body, receivedAtMs }) {
      if ((await rowOf(id)) !== undefined) return; // a transaction that fails is billed like one that does not
      const parts = cut(await gzipAsync(JSON.stringify(body)));
      const expiresAt = (afterDays: number) => ({ N: String(Math.floor(receivedAtMs / 1_000) + afterDays * 86_400) });
      const row: Item = {
        ...keyItem(rowKey(id)),
        reason: { S: reason },
        detail: { S: detail },
        receivedAtMs: { N: String(receivedAtMs) },
        parts: { N: String(parts.length) },
        expiresAt: expiresAt(keptDays),
      };
      const items = partKeys(id, parts.length).map(
        // DynamoDB deletes what has expired when it comes to it, in any order: the row is to be the first.
        (key, i): Item => ({ ...keyItem(key), bytes: { B: parts[i] as Buffer }, expiresAt: expiresAt(keptDays + 7) }),
      );
      const TransactItems = [
        { Put: { TableName: table, Item: row, ConditionExpression: "attribute_not_exists(pk)" } },
        ...items.map((Item) => ({ Put: { TableName: table, Item } })),
      ];
      await db.call((client) => client.send(new TransactWriteItemsCommand({ TransactItems }))).catch(unlessChanged);
    },
    async read(id) {
      const row = await rowOf(id);
      return row && entryOf(row);
    },
    async list({ after = "", limit }) {
      const entries: Quarantined[] = [];
      const rows = db.pages({
        TableName: table,
        KeyConditionExpression: "pk = :pk AND sk > :after",
        // A key is never empty; no id is as short as this one.
        ExpressionAttributeValues: {
          ":pk": { S: rowsKey },
          ":after": { S: after.slice(0, 256).toWellFormed() || " " },
        },
        ConsistentRead: true,
        Limit: limit,
      });
      for await (const page of rows) {
        const found = await concurrently(8, page, entryOf);
        entries.push(...found.filter((entry) => entry !== undefined));
        if (entries.length >= limit) break;
      }
      return entries.slice(0, limit);
    },
    // The rows are small, and few: it reads them all, without their events.
    async count({ sinceMs, untilMs }) {
      let count = 0;
      const rows = db.pages({
        TableName: table,
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: { ":pk": { S: rowsKey } },
        ProjectionExpression: "receivedAtMs",
      });
      for await (const page of rows)
        count += page.filter((row) => {
          const at = number(row, "receivedAtMs");
          return sinceMs <= at && at < untilMs;
        }).length;
      return count;
    },
    async remove(id) {
      const row = await rowOf(id);
      if (row === undefined) return;
      const TransactItems = [rowKey(id), ...partKeys(id, number(row, "parts"))].map((key) => ({
        Delete: { TableName: table, Key: keyItem(key) },
      }));
      await db.call((client) => client.send(new TransactWriteItemsCommand({ TransactItems })));
    },
  };
}

/** The condition did not hold: what was to be put is there. */
function unlessChanged(error: unknown): void {
  if (!(error instanceof TransactionCanceledException)) throw error;
}

const keptDays = 400;
/** An item has at most 400 KB. */
const maxPartBytes = 350_000;

const rowsKey = "QUARANTINE";
const rowKey = (id: string): Key => ({ pk: rowsKey, sk: id });
const partKeys = (id: string, count: number): Key[] =>
  Array.from({ length: count }, (_, i) => ({ pk: `${rowsKey}#${id}`, sk: String(i).padStart(3, "0") }));

const cut = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / maxPartBytes) }, (_, i) =>
    bytes.subarray(i * maxPartBytes, (i + 1) * maxPartBytes),
  );

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);
