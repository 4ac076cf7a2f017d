import { describe, expect, test } from "vitest";
import { reduced } from "./ratio.ts";
import { type MinuteCount, replay } from "./replay.ts";
import { standardRules } from "./rules.ts";
import type { Slo } from "./slo.ts";

const slo: Slo = {
  name: "payments",
  indicator: { sli: "availability", selector: {} },
  budget: reduced(1, 1_000),
  period: { kind: "rolling", minutes: 30 * 1_440 },
  rules: standardRules,
};

const healthyMinutes = 73 * 60;
const perMinute = 1_000;

/** 73 healthy hours, then what is given, minute by minute, as bad calls of a thousand. */
const afterHealth = (bad: readonly number[]): MinuteCount[] => [
  ...Array.from({ length: healthyMinutes }, (_, minute) => ({ minute, total: perMinute, bad: 0 })),
  ...bad.map((count, i) => ({ minute: healthyMinutes + i, total: perMinute, bad: count })),
];

/** In which bad minute, counted from 1, each rule begins to fire. */
function firstFiring(bad: readonly number[]): Record<string, number> {
  const transitions = [...replay(slo, afterHealth(bad), { plain: true })];
  return Object.fromEntries(
    transitions
      .filter(({ state }) => state === "firing")
      .map(({ rule, minute }) => [rule.name, minute - healthyMinutes + 1]),
  );
}

describe("the worked points: 99.9 % over 30 days, constant traffic, after 73 healthy hours", () => {
  test("100 % errors", () =>
    expect(firstFiring(Array(60).fill(1_000))).toEqual({ "page-1h": 1, "page-6h": 3, "ticket-1d": 5, "ticket-3d": 5 }));
  test("10 % errors", () =>
    expect(firstFiring(Array(60).fill(100))).toEqual({
      "page-1h": 9,
      "page-6h": 22,
      "ticket-1d": 44,
      "ticket-3d": 44,
    }));
  test("15 % errors for ten minutes: the first rule fires in the sixth and clears five minutes after the last", () => {
    const transitions = [...replay(slo, afterHealth([...Array(10).fill(150), ...Array(30).fill(0)]), { plain: true })];
    const [fired, cleared] = transitions.filter(({ rule }) => rule.name === "page-1h");
    expect(fired).toMatchObject({ state: "firing", minute: healthyMinutes + 5 });
    expect(cleared).toMatchObject({ state: "cleared", minute: healthyMinutes + 9 + 5 });
  });
  test("a tie, exactly 1.44 %, does not fire", () => {
    const exactly = Array.from({ length: 60 }, () => 14.4 * 10);
    const series = afterHealth(exactly).map(({ minute, total, bad }) => ({ minute, total: total * 10, bad }));
    expect([...replay(slo, series, { plain: true })].map(({ rule }) => rule.name)).not.toContain("page-1h");
  });
});
