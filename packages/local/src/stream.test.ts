import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { StoredBatch } from "@tooltrail/core/ports";
import type { DynamoDBStreamEvent } from "aws-lambda";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openDatabase } from "./sqlite.ts";
import { sqliteLedger } from "./sqlite-ledger.ts";
import { createStream, type StreamFunction } from "./stream.ts";

let dir: string;
let db: DatabaseSync;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-stream-"));
  db = openDatabase(dir, false);
});
afterEach(() => {
  vi.useRealTimers();
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

const aBatch = (seq: number, body = "H4sI"): StoredBatch => ({
  headers: {
    schema: "tooltrail.batch/1",
    emitter: "a",
    nonce: "",
    key: "",
    seq,
    prev: "",
    server: { id: "billing" },
    count: 1,
    firstAt: 1,
    lastAt: 1,
    bodySha256: "",
    sidesSha256: "",
  },
  body,
  identity: `identity ${seq}`,
  receivedAtMs: 1_000 + seq,
  account: "000000000000",
});
const append = async (...seqs: number[]): Promise<void> => {
  for (const seq of seqs) await sqliteLedger(db).append(aBatch(seq));
};
const streamFor = (run: StreamFunction, onError: (error: unknown) => void = vi.fn(), on = db) =>
  createStream({
    db: on,
    name: "sequence",
    imageOf: ({ headers }) => ({ keys: { sk: { S: String(headers.seq) } }, item: { seq: { N: String(headers.seq) } } }),
    run,
    onError,
    now: Date.now,
    windowMs: 1_000,
  });
const seqsOf = ({ Records }: DynamoDBStreamEvent): number[] =>
  Records.map(({ dynamodb }) => Number(dynamodb?.NewImage?.seq?.N));
/** Remembers what it was given, and fails on what it is told to. */
function aFunction(fails: (seqs: readonly number[]) => number | undefined = () => undefined) {
  const given: number[][] = [];
  const run: StreamFunction = async (event) => {
    const seqs = seqsOf(event);
    given.push(seqs);
    const failed = fails(seqs);
    const itemIdentifier = event.Records[seqs.indexOf(failed ?? -1)]?.dynamodb?.SequenceNumber;
    return { batchItemFailures: itemIdentifier === undefined ? [] : [{ itemIdentifier }] };
  };
  return { given, run };
}

test("every row is delivered in the order of arrival, in DynamoDB's own shape, and once where all goes well", async () => {
  await append(2, 0, 1);
  const events: DynamoDBStreamEvent[] = [];
  const run: StreamFunction = async (event) => {
    events.push(event);
    return { batchItemFailures: [] };
  };
  await streamFor(run).drain(1_000);
  await streamFor(run).drain(1_000);
  expect(events.map(seqsOf)).toEqual([[2, 0, 1]]);
  expect(events[0]?.Records[0]).toMatchObject({
    eventName: "INSERT",
    eventSource: "aws:dynamodb",
    dynamodb: { Keys: { sk: { S: "2" } }, SequenceNumber: "1", StreamViewType: "NEW_AND_OLD_IMAGES" },
  });
});

test("from the first that failed everything comes again, also after a restart", async () => {
  await append(0, 1, 2, 3);
  const first = aFunction((seqs) => seqs.find((seq) => seq === 2));
  await streamFor(first.run).drain(1_000);
  const second = aFunction();
  await streamFor(second.run).drain(1_000);
  expect([first.given, second.given]).toEqual([[[0, 1, 2, 3]], [[2, 3]]]);
});

test("a function that throws, or names what it was not given, has failed on all of them", async () => {
  await append(0, 1);
  const errors: unknown[] = [];
  const thrown = new Error("no");
  await streamFor(
    async () => {
      throw thrown;
    },
    (error) => errors.push(error),
  ).drain(1_000);
  await streamFor(async () => ({ batchItemFailures: [{ itemIdentifier: "" }] })).drain(1_000);
  const last = aFunction();
  await streamFor(last.run).drain(1_000);
  expect([errors, last.given]).toEqual([[thrown], [[0, 1]]]);
});

test("a call holds at most a thousand rows and 5 MB, and a row that is larger alone", async () => {
  const ledger = sqliteLedger(db);
  for (const [seq, bytes] of [3_000_000, 3_000_000, 6_000_000, 1].entries())
    await ledger.append(aBatch(seq, "x".repeat(bytes)));
  await append(...Array.from({ length: 1_001 }, (_, i) => i + 4));
  const { given, run } = aFunction();
  await streamFor(run).drain(10_000);
  expect(given.map(({ length }) => length)).toEqual([1, 1, 1, 1_000, 2]);
});

test("the first row after a pause does not wait; those within a window go together", async () => {
  vi.useFakeTimers();
  const { given, run } = aFunction();
  const stream = streamFor(run);
  await append(0);
  stream.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect(given).toEqual([[0]]);
  for (const seq of [1, 2, 3]) {
    await append(seq);
    stream.wake();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(given).toEqual([[0]]);
  await vi.advanceTimersByTimeAsync(800);
  expect(given).toEqual([[0], [1, 2, 3]]);
});

test("what fails is tried again after 1 s, 2 s and so on up to a minute, without being woken", async () => {
  vi.useFakeTimers();
  await append(0);
  const at: number[] = [];
  const begun = Date.now();
  const stream = streamFor(async () => {
    at.push(Date.now() - begun);
    return { batchItemFailures: at.length < 9 ? [{ itemIdentifier: "1" }] : [] };
  });
  stream.wake();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(at.map((ms, i) => Math.round((ms - (at[i - 1] ?? 0)) / 1_000))).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60]);
});

test("a drain gives up at its deadline, and at what fails", async () => {
  await append(0);
  const { given, run } = aFunction((seqs) => seqs[0]);
  await streamFor(run).drain(0);
  expect(given).toEqual([]);
  await streamFor(run).drain(1_000);
  expect(given).toEqual([[0]]);
});

test("a drain gives up at its deadline, also on a call that runs and on all that it would go on to", async () => {
  vi.useFakeTimers();
  await append(...Array.from({ length: 3_500 }, (_, seq) => seq));
  let calls = 0;
  const stream = streamFor(async () => {
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, calls === 3 ? 1_000_000 : 300));
    return { batchItemFailures: [] };
  });
  stream.wake();
  await vi.advanceTimersByTimeAsync(1);
  let drained = false;
  const drain = stream.drain(1_000).then(() => {
    drained = true;
  });
  await vi.advanceTimersByTimeAsync(999);
  expect([drained, calls]).toEqual([false, 3]);
  await vi.advanceTimersByTimeAsync(2);
  expect(drained).toBe(true);
  await drain;
});

test("what was running at a drain's deadline goes on to nothing more", async () => {
  vi.useFakeTimers();
  await append(...Array.from({ length: 2_500 }, (_, seq) => seq));
  let calls = 0;
  const stream = streamFor(async () => {
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { batchItemFailures: [] };
  });
  stream.wake();
  await vi.advanceTimersByTimeAsync(1);
  const drain = stream.drain(100);
  await vi.advanceTimersByTimeAsync(10_000);
  await drain;
  expect(calls).toBe(1);
});

test("no row is read that does not go into a call", async () => {
  for (const seq of [0, 1, 2, 3]) await sqliteLedger(db).append(aBatch(seq, "x".repeat(3_000_000)));
  let read = 0;
  const prepare = (sql: string) => {
    const statement = db.prepare(sql);
    function* iterate(...bounds: number[]) {
      for (const row of statement.iterate(...bounds)) {
        read += 1;
        yield row;
      }
    }
    return {
      get: statement.get.bind(statement),
      run: statement.run.bind(statement),
      iterate,
      all: (...bounds: number[]) => [...iterate(...bounds)],
    };
  };
  const counting = { exec: (sql: string) => db.exec(sql), prepare } as unknown as DatabaseSync;
  const { given, run } = aFunction();
  await streamFor(run, vi.fn(), counting).drain(1_000);
  expect(given).toEqual([[0], [1], [2], [3]]);
  expect(read).toBeLessThanOrEqual(4 + 3); // each once, and once as the one too many
});
