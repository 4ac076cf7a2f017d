import type { Transition } from "@tooltrail/core/slo/evaluate";
import { standardRules } from "@tooltrail/core/slo/rules";
import { expect, test } from "vitest";
import { check, chosen, jsonOf, textOf } from "./slo-replay.ts";

const [rule] = standardRules;
if (rule === undefined) throw new Error("There are standard rules.");
const minute = Date.parse("2026-01-31T12:05:00Z") / 60_000;
const transition: Transition = {
  minute,
  rule,
  state: "firing",
  since: minute,
  burnLong: 100 / 6,
  burnShort: 100,
  budgetSpent: 0.0321,
};

test("a transition is a line", () => {
  expect([...textOf("time", [transition])]).toEqual([
    "2026-01-31T12:05:00Z page-1h firing burn 16.7x over 1h, 100.0x over 5m, 3.2 % of the budget spent\n",
  ]);
  expect([...textOf("number", [{ ...transition, state: "cleared", burnShort: 0 }])]).toEqual([
    `${minute} page-1h cleared burn 16.7x over 1h, 0.0x over 5m, 3.2 % of the budget spent\n`,
  ]);
});

test("as JSON, transitions are one array, minutes in the form that they had", () => {
  const { state, burnLong, burnShort, budgetSpent } = transition;
  const figures = { rule: "page-1h", state, burnLong, burnShort, budgetSpent };
  expect(JSON.parse([...jsonOf("time", [transition, transition])].join(""))).toEqual([
    { minute: "2026-01-31T12:05:00Z", ...figures },
    { minute: "2026-01-31T12:05:00Z", ...figures },
  ]);
  expect(JSON.parse([...jsonOf("number", [transition])].join(""))).toEqual([{ minute, ...figures }]);
  expect([...jsonOf("number", [])].join("")).toBe("[]\n");
});

const flags = { fromLog: false, plain: false, json: false };
test.each([
  [flags, "a.yaml", /^--series, or --from-log: /],
  [{ ...flags, fromLog: true, series: "a.csv" }, "a.yaml", /^--series, or --from-log: /],
  [{ ...flags, series: "a.csv", since: "1h" }, "a.yaml", /^--since and --until go with --from-log/],
  [{ ...flags, series: "-" }, "-", /^--series: stdin is the definition already/],
])("flags that do not go together are refused", (some, file, why) =>
  expect(() => check(some, file)).toThrow(
    expect.objectContaining({ status: 400, message: expect.stringMatching(why) }),
  ),
);

const [a, b] = ["a", "b"].map((name) => ({ slo: { name } }));
test("of several SLOs one must be named", () => {
  if (a === undefined || b === undefined) throw new Error("There are two.");
  expect(chosen([a], "f.yaml", undefined)).toBe(a);
  expect(chosen([a, b], "f.yaml", "b")).toBe(b);
  expect(() => chosen([a, b], "f.yaml", undefined)).toThrow("--slo: f.yaml has a, b. Name one of them.");
  expect(() => chosen([a, b], "f.yaml", "c")).toThrow("--slo: f.yaml has a, b, and no c.");
  expect(() => chosen([], "f.yaml", undefined)).toThrow("f.yaml: no SLO is in it.");
});
