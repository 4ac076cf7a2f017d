import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  QueryCommand,
  type QueryCommandInput,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import { AppError, type WriteOutcome } from "@tooltrail/core/errors";
import { concurrently } from "./concurrently.ts";
import { type Item, type Key, keyItem } from "./item.ts";
import { clientOptions, jitter, maxAttempts, type Pause, request } from "./request.ts";

/** DynamoDB with timeouts and retries; region, credentials and endpoint come from the environment, as with every AWS client. */
export interface Dynamo {
  /** @throws as `request` does. */
  call<T>(send: (client: DynamoDBClient) => Promise<T>): Promise<T>;
  /** The items that exist, consistently, in any order; as many keys as one likes. @throws as `request` does. */
  getAll(table: string, keys: readonly Key[]): Promise<Item[]>;
  /** Puts and deletes, of each item one at most, as many as one likes. Killed or failed in between, some of them are done. @throws as `request` does. */
  writeAll(table: string, writes: readonly WriteRequest[]): Promise<void>;
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

  /** Sends what is left until nothing is. A service that does nothing of it again and again is throttled. */
  async function untilDone<T>(
    outcome: WriteOutcome,
    all: readonly T[],
    send: (left: readonly T[]) => Promise<readonly T[]>,
  ): Promise<void> {
    let left = all;
    for (let idle = 0; left.length > 0; ) {
      const before = left.length;
      left = await send(left);
      if (left.length === 0) return;
      idle = left.length < before ? 0 : idle + 1;
      if (idle === maxAttempts)
        throw new AppError("unavailable", `DynamoDB left items undone, ${maxAttempts} times.`, { outcome });
      await pause(idle + 1);
    }
  }

  async function getChunk(table: string, wanted: readonly Key[]): Promise<Item[]> {
    const found: Item[] = [];
    await untilDone("not-applied", wanted.map(keyItem), async (Keys) => {
      const RequestItems = { [table]: { Keys: [...Keys], ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await call((c) => c.send(new BatchGetItemCommand({ RequestItems })));
      found.push(...(Responses?.[table] ?? []));
      return UnprocessedKeys?.[table]?.Keys ?? [];
    });
    return found;
  }

  const writeChunk = (table: string, writes: readonly WriteRequest[]): Promise<void> =>
    untilDone("unknown", writes, async (left) => {
      const RequestItems = { [table]: [...left] };
      const { UnprocessedItems } = await call((c) => c.send(new BatchWriteItemCommand({ RequestItems })));
      return UnprocessedItems?.[table] ?? [];
    });

  return {
    call,
    async getAll(table, keys) {
      return (await concurrently(4, chunksOf(maxKeys, keys), (chunk) => getChunk(table, chunk))).flat();
    },
    async writeAll(table, writes) {
      await concurrently(8, chunksOf(maxWrites, writes), (chunk) => writeChunk(table, chunk));
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
/** Of one BatchWriteItem. */
const maxWrites = 25;

const chunksOf = <T>(size: number, all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
