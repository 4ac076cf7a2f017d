import { randomBytes } from "node:crypto";
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { AppError } from "@tooltrail/core/errors";
import type { Register } from "@tooltrail/core/log/ports";
import type { Dynamo } from "./dynamo.ts";
import { type Item, type Key, keyItem, number, text } from "./item.ts";

/** Where the sequencer's head lies, and what the signer has promised. Partitions of their own, since a role is kept to partitions. */
export const headKey: Key = { pk: "LOG", sk: "head" };
export const promisedKey: Key = { pk: "SIGNER", sk: "promised" };

/**
 * A register as an item: its value as JSON, its version, and who wrote it.
 *
 * A write whose answer was lost is sent again, and then meets itself: by `writer` it knows that, and does not take itself for a rival.
 */
export function dynamoRegister<Value>(db: Dynamo, table: string, key: Key): Register<Value> {
  return {
    async read() {
      const { Item } = await db.call((client) =>
        client.send(new GetItemCommand({ TableName: table, Key: keyItem(key), ConsistentRead: true })),
      );
      return Item && { value: parsed<Value>(key, Item), version: number(Item, "version") };
    },
    async write(value, expected) {
      const writer = randomBytes(12).toString("base64url");
      const put = new PutItemCommand({
        TableName: table,
        Item: {
          ...keyItem(key),
          value: { S: JSON.stringify(value) },
          version: { N: String((expected ?? 0) + 1) },
          writer: { S: writer },
        },
        ConditionExpression: expected === undefined ? "attribute_not_exists(pk)" : "version = :expected",
        ...(expected !== undefined && { ExpressionAttributeValues: { ":expected": { N: String(expected) } } }),
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      });
      try {
        await db.call((client) => client.send(put));
        return true;
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        return error.Item?.writer?.S === writer;
      }
    },
  };
}

function parsed<Value>({ pk, sk }: Key, item: Item): Value {
  try {
    return JSON.parse(text(item, "value")) as Value;
  } catch (cause) {
    throw new AppError("internal", `What lies under ${pk} ${sk} is no register of ours.`, { cause });
  }
}
