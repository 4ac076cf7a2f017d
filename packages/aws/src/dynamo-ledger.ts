import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { AppError } from "@tooltrail/core/errors";
import type { BatchPosition, Ledger, ListedBatch, StoredBatch } from "@tooltrail/core/ports";
import { concurrently } from "./concurrently.ts";
import type { Dynamo } from "./dynamo.ts";
import { decoded, fitsKey, type Key, keyItem, text } from "./item.ts";
import { batchOf, itemOf } from "./ledger-item.ts";
import { dayOf, ledgerKey, positionOf, serverDay, timeKey } from "./ledger-key.ts";
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
    async positions({ sinceMs, cursor, limit }) {
      const oldest = dayOf(sinceMs);
      const begin = cursor === undefined ? { row: serverDayText(dayOf(end.lastAt), "\u{10ffff}") } : placeOf(cursor);
      if (begin.row < oldest) return { positions: [] };
      // One more than is looked through: it is where the next page begins. All of them are fewer than 1 MB, hence one answer.
      const { value: rows = [] } = await db
        .pages({
          TableName: stateTable,
          KeyConditionExpression: "pk = :pk AND sk BETWEEN :oldest AND :row",
          ExpressionAttributeValues: { ":pk": { S: allDays }, ":oldest": { S: oldest }, ":row": { S: begin.row } },
          ScanIndexForward: false,
          Limit: serverDaysPerPage + 1,
        })
        .next();
      const since = timeKey({ lastAt: sinceMs, emitter: "", seq: 0 });
      const positions: ListedBatch[] = [];
      for (const item of rows.slice(0, serverDaysPerPage)) {
        const row = text(item, "sk");
        const from = row === begin.row ? begin.from : undefined;
        const room = limit - positions.length;
        const serverDay = serverDayOf(row);
        const keys = await newestKeys(serverDay, from ?? timeKey(end), room + 1);
        const young = keys.filter(({ gsk }) => gsk >= since);
        positions.push(...young.slice(0, room).map(({ gsk }) => ({ ...positionOf(gsk), server: serverDay.server })));
        const next = young[room];
        if (next) return { positions, next: cursorOf({ row, from: next.gsk }) };
      }
      const next = rows[serverDaysPerPage];
      return { positions, ...(next && { next: cursorOf({ row: text(next, "sk") }) }) };
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

/** Of one search: beyond it a reader is told to ask for less, rather than kept waiting. */
const maxServerDays = 5_000;
/** Of one page of positions, one query each: some of a second, one after the other. */
const serverDaysPerPage = 256;

const allDays = "DAYS";
const daysOf = (server: string): string => `DAYS#${server}`;
const serverDayText = (day: string, server: string): string => `${day}#${server}`;
const dayLength = 10;
const serverDayOf = (row: string): ServerDay => ({ day: row.slice(0, dayLength), server: row.slice(dayLength + 1) });

/** Where a page of positions begins: a row of the list of days, and in that server's day a key of the index, or its newest. */
interface Place {
  readonly row: string;
  readonly from?: string;
}

const cursorOf = ({ row, from = "" }: Place): string => Buffer.from(`${from}\n${row}`).toString("base64url");

function placeOf(cursor: string): Place {
  const [, from, row = ""] =
    /^(\d{16}#[^\n]{0,27}#\d{15})?\n(\d{4}-\d\d-\d\d#.*)$/s.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  if (!fitsKey(row)) throw new AppError("invalid", "cursor: not one that this ledger gave out.");
  return { row, ...(from !== undefined && { from }) };
}

const end: BatchPosition = { lastAt: Number.MAX_SAFE_INTEGER, emitter: "~", seq: Number.MAX_SAFE_INTEGER };
const byNewest = (a: IndexRow, b: IndexRow): number => (a.gsk < b.gsk ? 1 : a.gsk > b.gsk ? -1 : 0);
