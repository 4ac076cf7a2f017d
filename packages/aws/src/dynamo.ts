import {
  type AttributeValue,
  BatchGetItemCommand,
  DynamoDBClient,
  QueryCommand,
  type QueryCommandInput,
} from "@aws-sdk/client-dynamodb";
import { AppError } from "@tooltrail/core/errors";
import { concurrently } from "./concurrently.ts";
import { clientOptions, jitter, maxAttempts, type Pause, request } from "./request.ts";

export type Item = Record<string, AttributeValue>;
export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** DynamoDB with timeouts and retries; region, credentials and endpoint come from the environment, as with every AWS client. */
export interface Dynamo {
  /** @throws as `request` does. */
  call<T>(send: (client: DynamoDBClient) => Promise<T>): Promise<T>;
  /** The items that exist, consistently, in any order; as many keys as one likes. @throws as `request` does. */
  getAll(table: string, keys: readonly Key[]): Promise<Item[]>;
  /** Every page of a query, read as far as it is consumed. @throws as `request` does. */
  pages(query: QueryCommandInput): AsyncGenerator<Item[]>;
}

/** @param options what a test sets: how long a request may take, and how to wait between attempts. */
export function dynamo({
  requestTimeoutMs,
  pause = jitter,
}: {
  requestTimeoutMs?: number;
  pause?: Pause;
} = {}): Dynamo {
  const client = new DynamoDBClient(clientOptions(requestTimeoutMs));
  const call: Dynamo["call"] = (send) => request("DynamoDB", pause, () => send(client));

  async function getChunk(table: string, wanted: readonly Key[]): Promise<Item[]> {
    const found: Item[] = [];
    let keys: Item[] = wanted.map(keyItem);
    for (let idle = 0; keys.length > 0; ) {
      const RequestItems = { [table]: { Keys: keys, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await call((c) => c.send(new BatchGetItemCommand({ RequestItems })));
      const items = Responses?.[table] ?? [];
      found.push(...items);
      keys = UnprocessedKeys?.[table]?.Keys ?? [];
      if (keys.length === 0) break;
      // What is left over is either throttled or beyond 16 MB; only the former comes back without anything.
      idle = items.length > 0 ? 0 : idle + 1;
      if (idle === maxAttempts)
        throw new AppError("unavailable", `DynamoDB left keys unread, ${maxAttempts} times.`, {
          outcome: "not-applied",
        });
      await pause(idle + 1);
    }
    return found;
  }

  return {
    call,
    async getAll(table, keys) {
      const chunks = Array.from({ length: Math.ceil(keys.length / maxKeys) }, (_, i) =>
        keys.slice(i * maxKeys, (i + 1) * maxKeys),
      );
      return (await concurrently(4, chunks, (chunk) => getChunk(table, chunk))).flat();
    },
    async *pages(query) {
      let start: Item | undefined;
      do {
        const { Items, LastEvaluatedKey } = await call((c) =>
          c.send(new QueryCommand({ ...query, ...(start && { ExclusiveStartKey: start }) })),
        );
        start = LastEvaluatedKey;
        yield Items ?? [];
      } while (start !== undefined);
    },
  };
}

/** Of one BatchGetItem. */
const maxKeys = 100;

/** Whether DynamoDB takes the text for a key at all. What a reader made up may be too long; then nothing is there. */
export const fitsKey = (key: string): boolean => key !== "" && Buffer.byteLength(key) <= 1_024;

export const keyItem = ({ pk, sk }: Key): Item => ({ pk: { S: pk }, sk: { S: sk } });
export const text = (item: Item, name: string): string => item[name]?.S ?? "";
export const number = (item: Item, name: string): number => Number(item[name]?.N);

/**
 * Text that is bytes in disguise, as those bytes: they are what is paid for. Where the way back would not give exactly the same text, the text.
 */
export function encoded(value: string, encoding: "base64" | "hex"): AttributeValue {
  const bytes = Buffer.from(value, encoding);
  return bytes.toString(encoding) === value ? { B: bytes } : { S: value };
}

/** The way back from `encoded`. */
export const decoded = (attribute: AttributeValue | undefined, encoding: "base64" | "hex"): string | undefined =>
  attribute?.B === undefined ? attribute?.S : Buffer.from(attribute.B).toString(encoding);
