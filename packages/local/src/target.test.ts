import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createRules, type RuleEvent } from "./rules.ts";
import { createSchedule } from "./schedule.ts";
import { createTarget } from "./target.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const anEvent = (id: string, type = "log.advanced"): RuleEvent => ({
  version: "0",
  id,
  "detail-type": type,
  source: "tooltrail.pipeline",
  account: "000000000000",
  time: "2026-11-22T10:00:00Z",
  region: "local",
  resources: [],
  detail: {},
});
/** A function whose calls end when the test says so. */
function aFunction() {
  const calls: { readonly id: string; end(error?: Error): void }[] = [];
  const run = ({ id }: RuleEvent): Promise<void> =>
    new Promise((resolve, reject) => calls.push({ id, end: (error) => (error ? reject(error) : resolve()) }));
  return { calls, run };
}
const turn = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("one call at a time; what comes during a call becomes one more, with the last of them", async () => {
  const { calls, run } = aFunction();
  const target = createTarget("follow", run, vi.fn());
  for (const id of ["a", "b", "c"]) target.deliver(anEvent(id));
  expect(calls.map(({ id }) => id)).toEqual(["a"]);
  calls[0]?.end();
  await turn();
  expect(calls.map(({ id }) => id)).toEqual(["a", "c"]);
  calls[1]?.end();
  await turn(100_000);
  expect(calls).toHaveLength(2);
});

test("an event of the clock is not lost behind others that come during a call, nor they behind it", async () => {
  const { calls, run } = aFunction();
  const target = createTarget("follow", run, vi.fn());
  target.deliver(anEvent("a"));
  target.deliver(anEvent("tick", "Scheduled Event"));
  for (const id of ["b", "c"]) target.deliver(anEvent(id));
  for (let n = 0; n < calls.length; n += 1) {
    calls[n]?.end();
    await turn();
  }
  expect(calls.map(({ id }) => id)).toEqual(["a", "tick", "c"]);
});

test("a call that fails is made again, later and later, and events meanwhile do not hurry it", async () => {
  const { calls, run } = aFunction();
  const errors: Error[] = [];
  const target = createTarget("sign", run, (error) => errors.push(error as Error));
  target.deliver(anEvent("a"));
  calls[0]?.end(new Error("1"));
  await turn(999);
  target.deliver(anEvent("b"));
  expect(calls).toHaveLength(1);
  await turn(1);
  expect(calls.map(({ id }) => id)).toEqual(["a", "b"]);
  calls[1]?.end(new Error("2"));
  await turn(1_999);
  expect(calls).toHaveLength(2);
  await turn(1);
  expect(calls).toHaveLength(3);
  expect(errors.map(({ message }) => message)).toEqual(["1", "2"]);
});

test("a drain waits for the call that runs and the one behind it, and does not try again", async () => {
  const { calls, run } = aFunction();
  const target = createTarget("sign", run, vi.fn());
  target.deliver(anEvent("a"));
  target.deliver(anEvent("b"));
  let drained = false;
  const drain = target.drain(60_000).then(() => {
    drained = true;
  });
  calls[0]?.end();
  await turn();
  expect([drained, calls.length]).toEqual([false, 2]);
  calls[1]?.end(new Error("no"));
  await drain;
  await turn(100_000);
  expect(calls).toHaveLength(2);
});

test("a drain gives up at its deadline", async () => {
  const target = createTarget("sign", () => new Promise(() => undefined), vi.fn());
  target.deliver(anEvent("a"));
  const drain = target.drain(500);
  await turn(500);
  await drain;
});

test("a call is told how long it may take: minutes, and at a drain what is left of that", async () => {
  const remaining: number[] = [];
  const target = createTarget(
    "follow",
    async (_, { getRemainingTimeInMillis }) => {
      remaining.push(getRemainingTimeInMillis());
      await new Promise((resolve) => setTimeout(resolve, 100));
      remaining.push(getRemainingTimeInMillis());
    },
    vi.fn(),
  );
  target.deliver(anEvent("a"));
  const drain = target.drain(500);
  await turn(100);
  await drain;
  expect(remaining).toEqual([300_000, 400]);
});

test("a rule delivers what it asks for, and nothing else", () => {
  const rules = createRules();
  const got: string[] = [];
  rules.on("log.advanced", ({ id }) => got.push(id));
  rules.deliver(anEvent("a"));
  rules.deliver(anEvent("b", "log.sequenced"));
  expect(got).toEqual(["a"]);
});

test("a schedule calls at its times, and at once where it is told to, until it is stopped", async () => {
  const got: [string, string][] = [];
  const target = (name: string) => ({ deliver: (event: RuleEvent) => void got.push([name, event["detail-type"]]) });
  const schedule = createSchedule(
    [
      { target: target("sign"), everyMs: 60_000, atOnce: true },
      { target: target("reconcile"), everyMs: 90_000 },
    ],
    Date.now,
  );
  expect(got).toEqual([["sign", "Scheduled Event"]]);
  await turn(120_000);
  expect(got.map(([name]) => name)).toEqual(["sign", "sign", "reconcile", "sign"]);
  schedule.stop();
  await turn(1_000_000);
  expect(got).toHaveLength(4);
});
