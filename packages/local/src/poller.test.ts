import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SQSEvent } from "aws-lambda";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPoller, type QueueFunction } from "./poller.ts";
import { openDatabase } from "./sqlite.ts";
import { type Queue, sqliteQueue } from "./sqlite-queue.ts";

let dir: string;
let queue: Queue;
const clock = { nowMs: 1_000 };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-poller-"));
  queue = sqliteQueue(openDatabase(dir, false));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function pollerFor(
  run: QueueFunction,
  more: { onPoison?: (body: string, receives: number) => Promise<void>; onError?: (error: unknown) => void } = {},
) {
  return createPoller({
    name: "ingest",
    queue,
    run,
    onPoison: more.onPoison ?? vi.fn(),
    onError: more.onError ?? vi.fn(),
    now: () => clock.nowMs,
    maxReceives: 3,
  });
}
const send = (...ids: string[]): void =>
  queue.send(
    ids.map((id) => ({ messageId: id, body: `body ${id}` })),
    clock.nowMs,
  );
const failing =
  (...ids: string[]): QueueFunction =>
  async () => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });

test("the function gets SQS's own event, and what it does not name as failed is gone", async () => {
  const events: SQSEvent[] = [];
  send("a", "b");
  await pollerFor(async (event) => {
    events.push(event);
    return { batchItemFailures: [{ itemIdentifier: "b" }] };
  }).drain(1);
  expect(
    events.flatMap(({ Records }) => Records.map(({ messageId, body, eventSource }) => [messageId, body, eventSource])),
  ).toEqual([
    ["a", "body a", "aws:sqs"],
    ["b", "body b", "aws:sqs"],
  ]);
  expect(queue.receive(10, 1_000, clock.nowMs + 100_000, 0).map(({ messageId }) => messageId)).toEqual(["b"]);
});

test("a function that throws has failed on all of them, and each is shown again later", async () => {
  const errors: unknown[] = [];
  send("a", "b");
  await pollerFor(async () => Promise.reject(new Error("boom")), { onError: (error) => errors.push(error) }).drain(1);
  expect(errors).toHaveLength(1);
  const at = queue.nextVisibleAtMs() ?? 0;
  expect(at).toBeGreaterThan(clock.nowMs);
  expect(queue.receive(10, 1_000, at, 0)).toHaveLength(2);
});

test("a queue that fails, as on a full disk, is left alone for a while and then tried again", async () => {
  vi.useFakeTimers();
  let tries = 0;
  const sound = queue;
  queue = {
    ...sound,
    receive(...args) {
      tries += 1;
      if (tries < 3) throw new Error("disk full");
      return sound.receive(...args);
    },
  };
  send("a");
  const poller = pollerFor(failing());
  poller.wake();
  await vi.advanceTimersByTimeAsync(900);
  expect(tries).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  vi.useRealTimers();
  await poller.drain(1);
  expect(tries).toBeGreaterThanOrEqual(3);
  expect(sound.nextVisibleAtMs()).toBeUndefined();
});

test("a message that fails again and again is handed over as poison, and is not lost when that fails too", async () => {
  const poison: string[] = [];
  let refuse = true;
  send("a");
  for (let i = 0; i < 6; i += 1) {
    clock.nowMs = (queue.nextVisibleAtMs() ?? clock.nowMs) + 1;
    await pollerFor(failing("a"), {
      onPoison: async (body, receives) => {
        if (refuse) {
          refuse = false;
          throw new Error("quarantine is down");
        }
        poison.push(`${body} after ${receives}`);
      },
    }).drain(1);
  }
  expect(poison).toEqual(["body a after 4"]);
  expect(queue.nextVisibleAtMs()).toBeUndefined();
});
