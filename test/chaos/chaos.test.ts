import { expect, test } from "vitest";
import { runChaos } from "./run.ts";

test("of what was answered before a kill -9 nothing is lost and nothing is doubled, in the ledger, in the log and in the counters", async () => {
  const seed = Math.floor(Math.random() * 4_294_967_296);
  const say = (line: string): void => console.info(`chaos, seed ${seed}: ${line}`);
  const { problems, lost, doubled, calls, events, kills, found } = await runChaos({
    rounds: 50,
    seed,
    keep: false,
    say,
  });
  expect({ seed, problems, lost, doubled }).toEqual({ seed, problems: [], lost: 0, doubled: 0 });
  // An audit of nothing would find nothing.
  const { records, leaves, checkpoints, counted } = found;
  expect(
    Math.min(calls.answered, events.acknowledged, kills.proxy, kills.pipeline, checkpoints, counted),
  ).toBeGreaterThan(0);
  expect(leaves).toBe(records);
}, 240_000);
