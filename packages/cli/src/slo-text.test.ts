import type { RuleView } from "@tooltrail/api/types";
import { describe, expect, test } from "vitest";
import { budgetText, burnText, indicatorText, painterFor, sparkline, stateText } from "./slo-text.ts";

test.each([
  [1, "██████████ 100.0 %", "green"],
  [0.9999, "█████████░ 100.0 %", "green"],
  [0.5, "█████░░░░░ 50.0 %", "green"],
  [0.24, "██░░░░░░░░ 24.0 %", "yellow"],
  [0.001, "█░░░░░░░░░ 0.1 %", "yellow"],
  [0, "░░░░░░░░░░ 0.0 %", "red"],
  [-0.352, "░░░░░░░░░░ -35.2 %", "red"],
  [-999, "░░░░░░░░░░ -99900 %", "red"],
])("of a budget, %d is left: %s", (remaining, text, colour) => expect(budgetText(remaining)).toEqual({ text, colour }));

test.each([
  [null, "-"],
  [0, "0.0x"],
  [16.66, "16.7x"],
  [99.95, "100.0x"],
  [1000, "1000x"],
])("a burn of %s is %s", (burn, text) => expect(burnText(burn)).toBe(text));

describe("a sparkline", () => {
  const hours = (...counts: [total: number, bad: number][]) => counts.map(([total, bad]) => ({ total, bad }));
  test("is flat within the budget, and full where an hour pages", () =>
    expect(
      sparkline(
        hours([10_000, 0], [10_000, 9], [10_000, 10], [10_000, 30], [10_000, 60], [10_000, 143], [10_000, 144], [1, 1]),
        0.999,
      ),
    ).toBe("▁▁▂▄▆▇██"));
  test("is blank where there is no data", () => expect(sparkline(hours([1, 0], [0, 0], [1, 0]), 0.999)).toBe("▁ ▁"));
  test.each([0.1, 0.5, 0.9, 0.95])("is full where all is bad, also for a target of %d", (target) =>
    expect(sparkline(hours([9, 9], [9, 0]), target)).toBe("█▁"),
  );
});

const now = Date.parse("2026-01-31T12:30:00Z");
const rule = (name: string, firing: boolean, since = now, burnLong: number | null = 1): RuleView => ({
  name,
  severity: name.startsWith("page") ? "page" : "ticket",
  longMinutes: 60,
  shortMinutes: 5,
  burnLong,
  burnShort: null,
  firing,
  ...(firing && { since }),
});
const budget = (total: number) => ({ total, bad: 0, spent: 0, remaining: 1, exhaustedAt: null });
const lost = [{ what: "records_lost", since: now }];

test.each([
  ["ok", "green", budget(1), [rule("page-1h", false)], []],
  ["ok", "green", budget(0), [rule("page-1h", false)], []],
  ["no data", "gray", budget(0), [rule("page-1h", false, now, null)], []],
  ["page-1h since 12:03Z", "red", budget(1), [rule("page-1h", true, Date.parse("2026-01-31T12:03:59Z"))], []],
  [
    "ticket-1d ticket-3d since 2026-01-29T12:03Z",
    "yellow",
    budget(1),
    [
      rule("page-1h", false),
      rule("ticket-1d", true, now - 48.45 * 3_600_000),
      rule("ticket-3d", true, now - 48.45 * 3_600_000),
    ],
    [],
  ],
  ["page-1h since 12:30Z, degraded: records lost", "red", budget(1), [rule("page-1h", true)], lost],
  ["degraded: records lost", "yellow", budget(0), [], lost],
])("is %s", (text, colour, budget, rules, degraded) =>
  expect(stateText({ budget, rules, degraded }, now)).toEqual({ text, colour }),
);

test.each([
  ["availability of everything", { sli: "availability", selector: {} }],
  [
    "schema of tool a? of b version 1 without an environment",
    { sli: "schema", selector: { tool: "a\u001b", server: "b", version: "1", environment: "" } },
  ],
  ["latency up to 250 ms of b", { sli: "latency", selector: { server: "b" }, threshold: { asked: 1, edge: 250_000 } }],
  ["quality from 0.9 of b", { sli: "quality", selector: { server: "b" }, threshold: { asked: 900, edge: 900 } }],
] as const)("%s", (text, indicator) => expect(indicatorText(indicator)).toBe(text));

test.each([
  ["on a terminal", true, undefined, "\u001b[31mx\u001b[39m"],
  ["on a terminal with NO_COLOR= (empty)", true, "", "\u001b[31mx\u001b[39m"],
  ["with NO_COLOR=1", true, "1", "x"],
  ["in a pipe", false, undefined, "x"],
])("colours %s", (_, terminal, noColor, text) => expect(painterFor(terminal, noColor)("red", "x")).toBe(text));
