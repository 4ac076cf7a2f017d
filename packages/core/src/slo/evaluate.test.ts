import { describe, expect, test } from "vitest";
import { type AlertState, type Circumstances, type Counts, evaluate } from "./evaluate.ts";
import { reduced } from "./ratio.ts";
import { standardRules } from "./rules.ts";
import type { Count, Slo } from "./slo.ts";

const slo: Slo = {
  name: "payments",
  indicator: { sli: "availability", selector: {} },
  budget: reduced(1, 1_000),
  period: { kind: "rolling", minutes: 30 * 1_440 },
  rules: standardRules.filter(({ name }) => name === "page-1h"),
};

/** Counts of minutes that are given; all others have none. */
const counting =
  (minutes: ReadonlyMap<number, Count>): Counts =>
  ({ from, to }) => {
    let [total, bad] = [0, 0];
    for (const [minute, count] of minutes)
      if (minute >= from && minute < to) [total, bad] = [total + count.total, bad + count.bad];
    return { total, bad };
  };

/** Walks through minutes, a word a minute: `bad` (all of 1,000), `good`, or `none`. @returns what changed, by minute. */
function walk(words: readonly string[], circumstances: (minute: number) => Circumstances = () => ({})): string[] {
  const minutes = new Map<number, Count>();
  let state: AlertState = {};
  return words.flatMap((word, minute) => {
    if (word !== "none") minutes.set(minute, { total: 1_000, bad: word === "bad" ? 1_000 : 0 });
    const evaluated = evaluate(slo, counting(minutes), state, minute, circumstances(minute));
    state = evaluated.state;
    return evaluated.transitions.filter((one) => one.state !== "updated").map((one) => `${minute}: ${one.state}`);
  });
}

const times = (count: number, word: string): string[] => Array.from({ length: count }, () => word);

describe("an alert", () => {
  test("clears after three evaluations in a row that do not burn", () => {
    // The short window is clean five minutes after the last bad one.
    expect(walk(["bad", ...times(12, "good")])).toEqual(["0: firing", "7: cleared"]);
    expect(walk(["bad", ...times(12, "good")], () => ({ plain: true }))).toEqual(["0: firing", "5: cleared"]);
  });

  test("does not clear where one of the three burns", () => {
    expect(walk(["bad", ...times(6, "good"), "bad", ...times(12, "good")])).toEqual(["0: firing", "14: cleared"]);
  });

  test("stays as it is while there is no data, however long", () => {
    expect(walk(["bad", ...times(300, "none")])).toEqual(["0: firing"]);
    expect(walk(["bad", ...times(300, "none"), ...times(10, "good")])).toEqual(["0: firing", "303: cleared"]);
  });

  test("that comes and goes is held open until it is steady", () => {
    // Each bad minute burns for five; a pause of nine lets it be quiet for long enough to clear, were it not held.
    const flapping = times(5, "").flatMap(() => ["bad", ...times(8, "good")]);
    const transitions = walk([...flapping, ...times(60, "good")]);
    expect(transitions.filter((text) => text.endsWith("firing")).length).toBeLessThan(5);
    const last = Number(transitions.at(-1)?.split(":")[0]);
    expect(transitions.at(-1)).toMatch(/cleared$/);
    expect(last).toBeGreaterThan(36 + 5 + 3); // later than hysteresis alone would have it
    expect(last).toBeLessThanOrEqual(36 + 5 + 21);
  });

  test("does not open under maintenance, opens after it, and clears in it", () => {
    const during = (from: number, to: number) => (minute: number) => ({ maintenance: minute >= from && minute < to });
    expect(walk(times(8, "bad"), during(0, 5))).toEqual(["5: firing"]);
    expect(walk(["bad", ...times(12, "good")], during(1, 100))).toEqual(["0: firing", "7: cleared"]);
  });
});

describe("evaluated again in the same minute", () => {
  const bad = new Map([[0, { total: 10, bad: 10 }]]);
  test("it may begin to fire, and says so once", () => {
    const before = evaluate(slo, counting(new Map([[0, { total: 5, bad: 0 }]])), {}, 0);
    expect(before.transitions).toEqual([]);
    const first = evaluate(slo, counting(bad), before.state, 0);
    expect(first.transitions).toMatchObject([{ state: "firing", minute: 0 }]);
    const second = evaluate(slo, counting(bad), first.state, 0);
    expect(second.transitions).toEqual([]);
    expect(second.state).toEqual(first.state);
  });

  test("quiet evaluations count once a minute", () => {
    let { state } = evaluate(slo, counting(bad), {}, 0);
    const healthy = new Map([...bad, [10, { total: 1_000, bad: 0 }], [11, { total: 1_000, bad: 0 }]]);
    for (const minute of [10, 10, 10, 11, 11, 11]) {
      const evaluated = evaluate(slo, counting(healthy), state, minute);
      expect(evaluated.transitions).toEqual([]);
      state = evaluated.state;
    }
  });
});

test("what has not burnt in its history is not remembered", () => {
  let { state } = evaluate(slo, counting(new Map([[0, { total: 10, bad: 10 }]])), {}, 0);
  expect(Object.keys(state)).toEqual(["page-1h"]);
  const healthy = counting(new Map(Array.from({ length: 100 }, (_, i) => [60 + i, { total: 10, bad: 0 }])));
  for (let minute = 65; minute < 65 + 21; minute += 1) ({ state } = evaluate(slo, healthy, state, minute));
  expect(state).toEqual({});
});

describe("figures", () => {
  test("a burn of one spends the budget just in time", () => {
    const counts = counting(new Map([[100, { total: 10_000, bad: 10 }]]));
    const { rules, budget } = evaluate(slo, counts, {}, 100);
    expect(rules[0]).toMatchObject({ burnLong: 1, burnShort: 1, burns: false, firing: false });
    expect(budget).toEqual({ total: 10_000, bad: 10, spent: 1 });
  });

  test("counts of billions are compared exactly", () => {
    const total = 9_000_000_000_000;
    const tie = (144 * total) / 10_000;
    const firing = (bad: number) =>
      evaluate(slo, counting(new Map([[0, { total, bad }]])), {}, 0, { plain: true }).rules[0]?.firing;
    expect([firing(tie), firing(tie + 1)]).toEqual([false, true]);
  });
});

describe("few calls", () => {
  const fires = (total: number, bad: number): boolean | undefined =>
    evaluate(slo, counting(new Map([[0, { total, bad }]])), {}, 0).rules[0]?.firing;
  test.each([
    [1, 1, false], // chance 1.4 %, and one call is no trend
    [2, 2, true],
    [10, 2, true], // P(X >= 2 | 10, 1.44 %) = 0.85 %
    [12, 2, false], // 1.2 %
    [100, 4, false], // 5.7 %
    [100, 6, true], // 0.35 %
    [694, 10, false], // at the threshold, where the ratio is a tie or below
    [700, 11, true], // enough calls for their ratio alone
  ])("of %i calls %i that fail: fires %s", (total, bad, expected) => expect(fires(total, bad)).toBe(expected));
});
