import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqliteQueue } from "@tooltrail/local/sqlite-queue";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aStoredBatch } from "../support/batches.ts";

/** What only the SQLite adapters promise. */
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-sqlite-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("rows of the ledger can be neither changed nor deleted", async () => {
  const db = openDatabase(dir, false);
  await sqliteLedger(db).append(await aStoredBatch());
  expect(() => db.exec("UPDATE ledger SET body = ''")).toThrow(/append-only/);
  expect(() => db.exec("DELETE FROM ledger")).toThrow(/append-only/);
  expect(() =>
    db.exec(
      "INSERT OR REPLACE INTO ledger SELECT emitter, seq, server, last_at, headers, sig, 'x', identity, received_at, account FROM ledger",
    ),
  ).toThrow(/append-only/);
  db.close();
});

test("a full disk is a retryable error, nothing of the write is applied, and it works again when there is room", async () => {
  const db = openDatabase(dir, false);
  const ledger = sqliteLedger(db);
  const queue = sqliteQueue(db);
  const pages = (db.prepare("PRAGMA page_count").get() as { page_count: number }).page_count;
  db.exec(`PRAGMA max_page_count = ${pages + 1}`);
  const full = { code: "storage_full", retryable: true, outcome: "not-applied" };
  await expect(ledger.append({ ...(await aStoredBatch()), body: "x".repeat(50_000) })).rejects.toMatchObject(full);
  expect(() =>
    queue.send(
      [
        { messageId: "a", body: "small" },
        { messageId: "b", body: "x".repeat(50_000) },
      ],
      0,
    ),
  ).toThrow(expect.objectContaining(full));
  expect(queue.nextVisibleAtMs()).toBeUndefined();
  db.exec("PRAGMA max_page_count = 100000");
  expect(await ledger.append(await aStoredBatch())).toBe("appended");
  db.close();
});

describe("the queue", () => {
  const ids = (messages: readonly { messageId: string }[]): string[] => messages.map(({ messageId }) => messageId);

  test("hides what it hands out until its time, counts deliveries, and forgets what is deleted", () => {
    const queue = sqliteQueue(openDatabase(dir, false));
    queue.send(
      [
        { messageId: "a", body: "1" },
        { messageId: "b", body: "2" },
      ],
      10,
    );
    expect(queue.receive(10, 1_000, 9, 0)).toEqual([]);
    const first = queue.receive(10, 1_000, 10, 60);
    expect(first.map(({ messageId, receives }) => [messageId, receives])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
    expect(queue.receive(10, 1_000, 59, 100)).toEqual([]);
    queue.delete([first[0]?.id ?? -1]);
    queue.release(first[1]?.id ?? -1, 70);
    expect(queue.nextVisibleAtMs()).toBe(70);
    expect(queue.receive(10, 1_000, 70, 100).map(({ messageId, receives }) => [messageId, receives])).toEqual([
      ["b", 2],
    ]);
  });

  test("hands out no more than was asked for, in messages and in bytes, but always one", () => {
    const queue = sqliteQueue(openDatabase(dir, false));
    queue.send(
      [..."abcd"].map((messageId) => ({ messageId, body: "x".repeat(600) })),
      0,
    );
    expect(ids(queue.receive(3, 1_300, 0, 1))).toEqual(["a", "b"]);
    expect(ids(queue.receive(3, 1, 0, 1))).toEqual(["c"]);
  });

  test("shows everything again to the process that opens it next: whoever had it is dead", () => {
    const db = openDatabase(dir, false);
    sqliteQueue(db).send([{ messageId: "a", body: "1" }], 0);
    sqliteQueue(db).receive(1, 10, 0, 1_000_000);
    db.close();
    expect(ids(sqliteQueue(openDatabase(dir, false)).receive(1, 10, 0, 1))).toEqual(["a"]);
  });
});
