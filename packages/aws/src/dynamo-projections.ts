import { createHash, randomUUID } from "node:crypto";
import {
  GetItemCommand,
  type QueryCommandInput,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import type { Cursor, Projections, Row, RowKey } from "@tooltrail/core/follow/ports";
import { jsonRows, maxRowKeyBytes } from "@tooltrail/core/follow/row-limits";
import { canonical } from "@tooltrail/format";
import { concurrently } from "./concurrently.ts";
import type { Dynamo } from "./dynamo.ts";
import { type Item, type Key, keyItem, text } from "./item.ts";

/**
 * The rows of projections and their cursors.
 *
 * A generation lies in sixteen partitions, and a collection whole in one of them, by its name's hash: so a collection can be read in order, and all of a generation
 * can be found, and dropped, without a list of its collections. A cursor is canonical JSON: two that are equal are the same text.
 */
export function dynamoProjections(db: Dynamo, table: string): Projections {
  return {
    async cursor(projection) {
      const { Item } = await db.call((client) =>
        client.send(
          new GetItemCommand({ TableName: table, Key: keyItem(cursorKey(projection)), ConsistentRead: true }),
        ),
      );
      return Item && (JSON.parse(text(Item, "cursor")) as Cursor);
    },
    async commit(projection, { from, to, generation, rows }) {
      const cursor: TransactWriteItem = {
        Put: {
          TableName: table,
          Item: { ...keyItem(cursorKey(projection)), cursor: { S: canonical(to) } },
          ...(from === undefined
            ? { ConditionExpression: "attribute_not_exists(pk)" }
            : {
                ConditionExpression: "#cursor = :from",
                ExpressionAttributeNames: { "#cursor": "cursor" },
                ExpressionAttributeValues: { ":from": { S: canonical(from) } },
              }),
        },
      };
      const writes = jsonRows(rows).map(({ json, ...key }): TransactWriteItem => {
        const Key = keyItem(rowKey(projection, generation, key));
        if (json === undefined) return { Delete: { TableName: table, Key } };
        return { Put: { TableName: table, Item: { ...Key, collection: { S: key.collection }, value: { S: json } } } };
      });
      const transaction = new TransactWriteItemsCommand({
        TransactItems: [cursor, ...writes],
        // The same for every attempt: one that was carried out, and whose answer was lost, is not met as a rival.
        ClientRequestToken: randomUUID(),
      });
      try {
        await db.call((client) => client.send(transaction));
        return true;
      } catch (error) {
        if (error instanceof TransactionCanceledException) return false; // only the cursor has a condition
        throw error;
      }
    },
    async read(projection, generation, keys) {
      const wanted = keys.map((key) => rowKey(projection, generation, key));
      const distinct = new Map(wanted.map((key) => [key.pk + key.sk, key]));
      const items = await db.getAll(table, [...distinct.values()]);
      const found = new Map(items.map((item) => [text(item, "pk") + text(item, "sk"), item]));
      return keys.map(({ collection, id }, i) => {
        const { pk, sk } = wanted[i] as Key;
        const item = found.get(pk + sk);
        return item && { collection, id, value: rowValue(item) };
      });
    },
    async list(projection, generation, { collection, after, upTo, newestFirst = false, limit }) {
      const place = placeOf(projection, generation, collection);
      const begin = `${place.prefix}${newestFirst || after === undefined ? "" : `${cutToKey(after)}\0`}`;
      const end =
        newestFirst && upTo !== undefined ? `${place.prefix}${cutToKey(upTo)}` : `${place.prefix.slice(0, -1)}$`;
      const rows: Row[] = [];
      const query: QueryCommandInput = {
        TableName: table,
        KeyConditionExpression: "pk = :pk AND sk BETWEEN :begin AND :end",
        ExpressionAttributeValues: { ":pk": { S: place.pk }, ":begin": { S: begin }, ":end": { S: end } },
        ConsistentRead: true,
        ScanIndexForward: !newestFirst,
        Limit: limit,
      };
      for await (const page of db.pages(query)) {
        for (const item of page)
          rows.push({ collection, id: text(item, "sk").slice(place.prefix.length), value: rowValue(item) });
        if (rows.length >= limit) break;
      }
      return rows.slice(0, limit);
    },
    async drop(projection, generation) {
      await concurrently(4, partitions, async (partition) => {
        const pages = db.pages({
          TableName: table,
          KeyConditionExpression: "pk = :pk",
          ExpressionAttributeValues: { ":pk": { S: partitionOf(projection, generation, partition) } },
          ProjectionExpression: "pk, sk",
          ConsistentRead: true,
        });
        for await (const page of pages)
          await db.writeAll(
            table,
            page.map(({ pk, sk }) => ({ DeleteRequest: { Key: { pk, sk } as Item } })),
          );
      });
    },
  };
}

const cursorKey = (projection: string): Key => ({ pk: "CURSOR", sk: projection });

const partitions = [..."0123456789abcdef"];
const partitionOf = (projection: string, generation: number, partition: string): string =>
  `P#${projection}#${generation}#${partition}`;

/**
 * 128 bits of the name's hash stand for the collection: collection and id may each be as long as a key nearly is. "$" is the character after "#",
 * so what lies between the two is the collection.
 */
function placeOf(projection: string, generation: number, collection: string): { pk: string; prefix: string } {
  const digest = createHash("sha256").update(collection).digest();
  const partition = partitions[(digest.at(-1) ?? 0) % partitions.length] ?? "";
  const name = digest.subarray(0, 16).toString("base64url");
  return { pk: partitionOf(projection, generation, partition), prefix: `${name}#` };
}

function rowKey(projection: string, generation: number, { collection, id }: RowKey): Key {
  const { pk, prefix } = placeOf(projection, generation, collection);
  return { pk, sk: `${prefix}${id}` };
}

/** What a reader made up may be longer than any id; what it begins with stands at the same place among them. */
const cutToKey = (id: string): string => {
  const bytes = Buffer.from(id.toWellFormed());
  return bytes.length <= maxRowKeyBytes
    ? bytes.toString()
    : bytes
        .subarray(0, maxRowKeyBytes)
        .toString()
        .replace(/\ufffd+$/, "");
};

const rowValue = (item: Item): Row["value"] => JSON.parse(text(item, "value")) as Row["value"];
