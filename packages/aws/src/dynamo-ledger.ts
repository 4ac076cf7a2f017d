import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { AppError } from "@tooltrail/core/errors";
import type { BatchPosition, Ledger, StoredBatch } from "@tooltrail/core/ports";
import { concurrently } from "./concurrently.ts";
import { type Dynamo, decoded, encoded, fitsKey, type Item, type Key, keyItem, number, text } from "./dynamo.ts";
import { dayOf, ledgerKey, serverDay, timeKey } from "./ledger-key.ts";
import { oncePerKey } from "./once-per-key.ts";
import { ledgerTable as schema } from "./tables.ts";

/**
 * The ledger as a table in which an item is put once, on the condition that none is there.
 *
 * Which servers have batches on which days stands in State: two rows, written before the first batch of a server's day. Killed in between, a
 * day without batches is listed, which costs a reader one empty query.
 */
export function dynamoLedger(
  db: Dynamo,
  tables: { readonly ledgerTable: string; readonly stateTable: string },
): Ledger {
  const { ledgerTable, stateTable } = tables;
  const listed = oncePerKey(10_000);

  const list = ({ server, lastAt }: StoredBatch["headers"]): Promise<unknown> => {
    const day = dayOf(lastAt);
    const rows: Key[] = [
      { pk: allDays, sk: serverDayText(day, server.id) },
      { pk: daysOf(server.id), sk: day },
    ];
    return listed(serverDay(server.id, day), () =>
      Promise.all(
        rows.map((row) =>
          db.call((client) => client.send(new PutItemCommand({ TableName: stateTable, Item: keyItem(row) }))),
        ),
      ),
    );
  };

  /** Days with batches, newest first, each with its servers. */
  async function* days(server: string | undefined, newest: string): AsyncGenerator<ServerDay[]> {
    const ofOne = server !== undefined;
    const rows = db.pages({
      TableName: stateTable,
      KeyConditionExpression: "pk = :pk AND sk <= :newest",
      ExpressionAttributeValues: {
        ":pk": { S: ofOne ? daysOf(server) : allDays },
        ":newest": { S: ofOne ? newest : serverDayText(newest, "\u{10ffff}") },
      },
      ScanIndexForward: false,
      Limit: 256,
    });
    let same: ServerDay[] = [];
    for await (const page of rows) {
      for (const row of page) {
        const day = text(row, "sk").slice(0, dayLength);
        if (same.length > 0 && same[0]?.day !== day) {
          yield same;
          same = [];
        }
        same.push({ day, server: server ?? text(row, "sk").slice(dayLength + 1) });
      }
    }
    if (same.length > 0) yield same;
  }

  /** The newest keys of one server's day. */
  async function newestKeys({ server, day }: ServerDay, from: string, limit: number): Promise<IndexRow[]> {
    const found: IndexRow[] = [];
    const rows = db.pages({
      TableName: ledgerTable,
      IndexName: schema.index.name,
      KeyConditionExpression: "gpk = :gpk AND gsk <= :from",
      ExpressionAttributeValues: { ":gpk": { S: serverDay(server, day) }, ":from": { S: from } },
      ScanIndexForward: false,
      Limit: limit,
    });
    for await (const page of rows) {
      found.push(...page.map((item) => ({ gsk: text(item, "gsk"), pk: text(item, "pk"), sk: text(item, "sk") })));
      if (found.length >= limit) break;
    }
    return found;
  }

  /**
   * Whole days, newest first, are asked for their newest keys until there are enough: what any of the servers' newest is, is among its own newest. One
   * day first, since that is mostly enough, then twice as many each time, so that a server with a batch a week is not asked day by day.
   */
  async function keysFrom(server: string | undefined, from: BatchPosition, limit: number): Promise<IndexRow[]> {
    const keys: IndexRow[] = [];
    const bound = timeKey(from);
    let asked = 0;
    let waiting: ServerDay[] = [];
    let wave = 1;
    const ask = async (): Promise<void> => {
      asked += waiting.length;
      if (asked > maxServerDays)
        throw new AppError(
          "invalid",
          `Too many servers to look through (${maxServerDays} server-days): name one, or another time.`,
        );
      const missing = limit - keys.length;
      const found = await concurrently(32, waiting, (one) => newestKeys(one, bound, missing));
      keys.push(...found.flat().sort(byNewest).slice(0, missing));
      waiting = [];
      wave = Math.min(wave * 2, 64);
    };
    for await (const day of days(server, dayOf(from.lastAt))) {
      waiting.push(...day);
      if (waiting.length >= wave) await ask();
      if (keys.length >= limit) return keys;
    }
    if (waiting.length > 0) await ask();
    return keys;
  }

  return {
    async append(batch) {
      await list(batch.headers);
      try {
        await db.call((client) =>
          client.send(
            new PutItemCommand({
              TableName: ledgerTable,
              Item: itemOf(batch),
              ConditionExpression: "attribute_not_exists(pk)",
              ReturnValuesOnConditionCheckFailure: "ALL_OLD",
            }),
          ),
        );
        return "appended";
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        const there = decoded(error.Item?.identity, "hex");
        if (there === undefined)
          throw new AppError("internal", "DynamoDB did not say what is there.", { cause: error });
        return there === batch.identity ? "duplicate" : { conflict: there };
      }
    },
    async read(emitter, seq) {
      const { Item } = await db.call((client) =>
        client.send(
          new GetItemCommand({ TableName: ledgerTable, Key: keyItem(ledgerKey(emitter, seq)), ConsistentRead: true }),
        ),
      );
      return Item && batchOf(Item);
    },
    async newestFirst({ server, from = end, limit }) {
      if (server !== undefined && !fitsKey(server)) return [];
      const keys = await keysFrom(server, from, limit);
      const items = await db.getAll(ledgerTable, keys);
      const byKey = new Map(items.map((item) => [text(item, "pk") + text(item, "sk"), item]));
      return keys.map(({ pk, sk }) => {
        const item = byKey.get(pk + sk);
        // Short answers mean "no more", so a hole must not pass for the end. The index forgets what was removed within moments.
        if (item === undefined) throw new AppError("unavailable", `The index names ${pk} ${sk}, and it is not there.`);
        return batchOf(item);
      });
    },
  };
}

interface ServerDay {
  readonly server: string;
  readonly day: string;
}

interface IndexRow extends Key {
  readonly gsk: string;
}

/** Of one call: beyond it a reader is told to ask for less, rather than kept waiting. */
const maxServerDays = 5_000;

const allDays = "DAYS";
const daysOf = (server: string): string => `DAYS#${server}`;
const serverDayText = (day: string, server: string): string => `${day}#${server}`;
const dayLength = 10;

const end: BatchPosition = { lastAt: Number.MAX_SAFE_INTEGER, emitter: "~", seq: Number.MAX_SAFE_INTEGER };
const byNewest = (a: IndexRow, b: IndexRow): number => (a.gsk < b.gsk ? 1 : a.gsk > b.gsk ? -1 : 0);

/** Bytes as bytes: body, signature and identity are a third smaller so, and DynamoDB bills each KB. */
const itemOf = ({ headers, sig, body, identity, receivedAtMs, account }: StoredBatch): Item => ({
  ...keyItem(ledgerKey(headers.emitter, headers.seq)),
  gpk: { S: serverDay(headers.server.id, dayOf(headers.lastAt)) },
  gsk: { S: timeKey(headers) },
  headers: { S: JSON.stringify(headers) },
  ...(sig !== undefined && { sig: encoded(sig, "base64") }),
  body: encoded(body, "base64"),
  identity: encoded(identity, "hex"),
  receivedAtMs: { N: String(receivedAtMs) },
  account: { S: account },
});

function batchOf(item: Item): StoredBatch {
  const sig = decoded(item.sig, "base64");
  return {
    headers: JSON.parse(text(item, "headers")),
    ...(sig !== undefined && { sig }),
    body: decoded(item.body, "base64") ?? "",
    identity: decoded(item.identity, "hex") ?? "",
    receivedAtMs: number(item, "receivedAtMs"),
    account: text(item, "account"),
  };
}
