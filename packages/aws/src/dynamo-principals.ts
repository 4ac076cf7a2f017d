import { GetItemCommand, TransactionCanceledException, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import type { Principals } from "@tooltrail/core/ports";
import { type PrincipalName, sha256 } from "@tooltrail/format";
import { concurrently } from "./concurrently.ts";
import type { Dynamo } from "./dynamo.ts";
import { type Key, keyItem, text } from "./item.ts";
import { oncePerKey } from "./once-per-key.ts";

/**
 * Names by pseudonym: a row with the name, and a pointer from the subject, in one transaction on the condition that there is no name yet. So the
 * first name stays, and there is no pointer without its name.
 */
export function dynamoPrincipals(db: Dynamo, table: string): Principals {
  const known = oncePerKey(10_000);

  async function putOne(ref: string, { issuer, subject }: PrincipalName): Promise<void> {
    // A condition that fails is billed like the write, twenty times a read, and after a cold start nearly every name is there.
    if (await exists(ref)) return;
    const name = { ...keyItem(nameKey(ref)), issuer: { S: issuer }, subject: { S: subject } };
    const pointer = keyItem({ pk: subjectKey(subject), sk: ref });
    try {
      await db.call((client) =>
        client.send(
          new TransactWriteItemsCommand({
            TransactItems: [
              { Put: { TableName: table, Item: name, ConditionExpression: "attribute_not_exists(pk)" } },
              { Put: { TableName: table, Item: pointer } },
            ],
          }),
        ),
      );
    } catch (error) {
      // Only the name has a condition: somebody was first, with the pointer that belongs to it.
      if (!(error instanceof TransactionCanceledException)) throw error;
    }
  }

  async function exists(ref: string): Promise<boolean> {
    const { Item } = await db.call((client) =>
      client.send(new GetItemCommand({ TableName: table, Key: keyItem(nameKey(ref)), ProjectionExpression: "pk" })),
    );
    return Item !== undefined;
  }

  return {
    async put(principals) {
      await concurrently(16, Object.entries(principals), ([ref, name]) => known(ref, () => putOne(ref, name)));
    },
    async names(refs) {
      const items = await db.getAll(table, [...new Set(refs)].map(nameKey));
      return new Map(
        items.map((item) => [
          text(item, "pk").slice(namePrefix.length),
          { issuer: text(item, "issuer"), subject: text(item, "subject") },
        ]),
      );
    },
    async refsOf(subject) {
      const refs: string[] = [];
      const pages = db.pages({
        TableName: table,
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: { ":pk": { S: subjectKey(subject) } },
        ConsistentRead: true,
      });
      for await (const page of pages) refs.push(...page.map((item) => text(item, "sk")));
      return refs;
    },
  };
}

const namePrefix = "NAME#";
const nameKey = (ref: string): Key => ({ pk: `${namePrefix}${ref}`, sk: "name" });
/** A hash, since keys turn up in CloudTrail and in metrics, where no name belongs. */
const subjectKey = (subject: string): string => `SUBJECT#${sha256(subject)}`;
