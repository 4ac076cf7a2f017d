import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { measureRoom } from "./room.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-room-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("what was sent makes room again while more is written, without waiting for the next look after the spool", async () => {
  const room = measureRoom(dir, 16_000);
  let turns = 0;
  for (let written = 0; written < 160_000; written += 1_000)
    for (; !room.reserve(1_000); turns += 1) {
      if (turns > 10_000) throw new Error(`No room after ${written} bytes, all of them sent.`);
      await setImmediate();
    }
});

test("a spool that is full stays full, until something leaves it", async () => {
  const room = measureRoom(dir, 16_000);
  writeFileSync(join(dir, "batch"), "x".repeat(15_500));
  await room.measure();
  expect([room.reserve(400), room.reserve(400)]).toEqual([true, false]);
  await room.measure();
  expect(room.reserve(600)).toBe(false);
  rmSync(join(dir, "batch"));
  await room.measure();
  expect(room.reserve(600)).toBe(true);
});
