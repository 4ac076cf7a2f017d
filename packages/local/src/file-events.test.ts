import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fileEvents } from "./file-events.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-events-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const change = { type: "integrity.conflict", what: "ledger_modified", emitter: "e", seq: 0 } as const;
const lines = (): string[] => readFileSync(join(dir, "events.ndjson"), "utf8").trimEnd().split("\n");

test("an event after one that was cut off by a full disk has a line of its own", async () => {
  const events = fileEvents(dir, () => 0);
  await events.publish(change);
  appendFileSync(join(dir, "events.ndjson"), '{"source":"toolt');
  await events.publish({ ...change, seq: 1 });
  await events.publish({ ...change, seq: 2 });
  const [first, cut, ...rest] = lines();
  expect(cut).toBe('{"source":"toolt');
  expect([first, ...rest].map((line) => JSON.parse(line ?? "").detail.seq)).toEqual([0, 1, 2]);
});

test("many at once are whole lines, in a file for this user alone", async () => {
  const events = fileEvents(dir, () => 0);
  await Promise.all(Array.from({ length: 50 }, (_, seq) => events.publish({ ...change, seq })));
  expect(
    lines()
      .map((line) => JSON.parse(line).detail.seq)
      .sort((a, b) => a - b),
  ).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(statSync(join(dir, "events.ndjson")).mode & 0o077).toBe(0);
});

test("a file that is full is set aside, and nothing of it is lost", async () => {
  const events = fileEvents(dir, () => 0);
  await events.publish(change);
  truncateSync(join(dir, "events.ndjson"), 67_108_865);
  await Promise.all([1, 2, 3].map((seq) => events.publish({ ...change, seq })));
  const former = readFileSync(join(dir, "events.1.ndjson"), "utf8").split("\n");
  expect([former[0], former.at(-2)].map((line) => JSON.parse(line ?? "").detail.seq)).toEqual([0, 1]);
  expect(lines().map((line) => JSON.parse(line).detail.seq)).toEqual([2, 3]);
});

test("a folder that cannot be written is an error to try again after", async () => {
  rmSync(dir, { recursive: true });
  await expect(fileEvents(dir, () => 0).publish(change)).rejects.toMatchObject({
    code: "unavailable",
    retryable: true,
  });
});
