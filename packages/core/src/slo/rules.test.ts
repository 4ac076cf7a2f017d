import { expect, test } from "vitest";
import { ratioOf } from "./ratio.ts";
import { canFire, factorOf, periodMinutes, ruleName, standardRules } from "./rules.ts";
import type { Rule } from "./slo.ts";
import { minutesPerDay } from "./time.ts";

const ratio = (numerator: number, denominator: number) => ({ numerator, denominator });

test.each([
  [30, [ratio(72, 5), ratio(6, 1), ratio(3, 1), ratio(1, 1)]],
  [28, [ratio(336, 25), ratio(28, 5), ratio(14, 5), ratio(14, 15)]],
])("over %i days, the standard rules burn by these factors, exactly", (days, factors) => {
  expect(standardRules.map((rule) => factorOf(rule, days * minutesPerDay))).toEqual(factors);
});

test("the standard rules are those of the SRE Workbook, and one of a day", () => {
  expect(standardRules.map(({ name, longMinutes, shortMinutes }) => [name, longMinutes, shortMinutes])).toEqual([
    ["page-1h", 60, 5],
    ["page-6h", 360, 30],
    ["ticket-1d", 1_440, 120],
    ["ticket-3d", 4_320, 360],
  ]);
});

test.each([
  [5, "page-5m"],
  [60, "page-1h"],
  [90, "page-90m"],
  [360, "page-6h"],
  [1_440, "page-1d"],
  [1_500, "page-25h"],
  [4_320, "page-3d"],
])("a rule of %i minutes is called %s's way", (minutes, name) => {
  expect(ruleName("page", minutes)).toBe(name);
});

const factor = (decimal: string): Rule => ({
  name: "page-1h",
  severity: "page",
  longMinutes: 60,
  shortMinutes: 5,
  burn: { factor: ratioOf(decimal) ?? ratio(0, 1) },
});

test.each([
  ["9.999999999", ratio(1, 10), true],
  ["10", ratio(1, 10), false],
  ["10.000000001", ratio(1, 10), false],
  ["999999.999999999", ratio(1, 1_000_000_000), true],
  // As floats both products are exactly 1.
  ["1.000000001", ratio(999_999_999, 1_000_000_000), true],
  ["1.000000002", ratio(999_999_999, 1_000_000_000), false],
])("%s times a budget of %o can be exceeded: %s", (decimal, budget, possible) => {
  expect(canFire(factor(decimal), budget, 30 * minutesPerDay)).toBe(possible);
});

test.each([
  ["day", 1],
  ["week", 7],
  ["month", 28],
  ["quarter", 90],
  ["year", 365],
] as const)("a %s counts as %i days", (unit, days) => {
  expect(periodMinutes({ kind: "calendar", unit, timeZone: "UTC" })).toBe(days * minutesPerDay);
});
