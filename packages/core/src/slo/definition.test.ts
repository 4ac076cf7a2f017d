import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Note, parseDefinition } from "./definition.ts";
import { sentence } from "./document.ts";
import type { Slo } from "./slo.ts";

interface Fields {
  readonly [field: string]: unknown;
}

const source = (spec: Fields = { sli: "availability" }): Fields => ({ metricSource: { type: "tooltrail", spec } });
const indicator = (spec?: Fields): Fields => ({ spec: { ratioMetric: { total: source(spec) } } });

const document = (spec: Fields = {}, more: Fields = {}): Fields => ({
  apiVersion: "openslo/v1",
  kind: "SLO",
  metadata: { name: "billing" },
  spec: {
    indicator: indicator(),
    timeWindow: [{ duration: "30d", isRolling: true }],
    budgetingMethod: "Occurrences",
    objectives: [{ target: 0.999 }],
    ...spec,
  },
  ...more,
});

/** Without the fields that are given as undefined, as JSON has it. */
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function parsed(given: unknown, ...more: [ReadonlyMap<string, unknown>?]): { slo: Slo; notes: readonly string[] } {
  const answer = parseDefinition(given, ...more);
  if ("faults" in answer) throw new Error(answer.faults.map(sentence).join("\n"));
  return { slo: answer.slo, notes: answer.notes.map(sentence) };
}

const faultsOf = (given: unknown, ...more: [ReadonlyMap<string, unknown>?]): string[] => {
  const answer = parseDefinition(given, ...more);
  return "faults" in answer ? answer.faults.map(sentence) : [];
};

test("a definition is read whole", () => {
  const whole = document(
    {
      description: "What it is for.",
      service: "billing",
      indicator: { metadata: { name: "calls", displayName: "Calls" }, ...indicator({ sli: "schema", server: "b*" }) },
      budgetingMethod: "Timeslices",
      objectives: [{ displayName: "Good", target: 0.5, timeSliceTarget: 0.95, timeSliceWindow: "10m" }],
      alertPolicies: [],
    },
    {
      metadata: { name: "billing", displayName: "Billing", labels: { team: ["a", "b"] }, annotations: { "x/y": "z" } },
    },
  );
  expect(parsed(whole)).toEqual({
    slo: {
      name: "billing",
      displayName: "Billing",
      indicator: { sli: "schema", selector: { server: "b*" } },
      budget: { numerator: 1, denominator: 2 },
      period: { kind: "rolling", minutes: 43_200 },
      slices: { minutes: 10, target: { numerator: 19, denominator: 20 } },
      rules: [],
    },
    notes: ["alertPolicies: is empty: nobody will be alerted. Leave it out for the standard alerts."],
  });
});

describe("a budget is exactly what is left of the target", () => {
  test.each([
    [{ target: 0.999 }, 1, 1_000],
    [{ target: 0.9 }, 1, 10],
    [{ target: 0.9995 }, 1, 2_000],
    [{ target: 0.999999999 }, 1, 1_000_000_000],
    [{ target: 0.000000001 }, 999_999_999, 1_000_000_000],
    [{ target: 1e-7 }, 9_999_999, 10_000_000],
    [{ targetPercent: 99.9 }, 1, 1_000],
    [{ targetPercent: 99.95 }, 1, 2_000],
    [{ targetPercent: 99.9999999 }, 1, 1_000_000_000],
    [{ targetPercent: 50 }, 1, 2],
  ])("%o", (objective, numerator, denominator) => {
    expect(parsed(document({ objectives: [objective], alertPolicies: [] })).slo.budget).toEqual({
      numerator,
      denominator,
    });
  });

  test("whatever decimal it is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 }), (n) => {
        const target = Number(`0.${String(n).padStart(9, "0")}`);
        const { numerator, denominator } = parsed(document({ objectives: [{ target }], alertPolicies: [] })).slo.budget;
        return BigInt(numerator) * 1_000_000_000n === BigInt(1_000_000_000 - n) * BigInt(denominator);
      }),
    );
  });
});

describe("thresholds are in the unit of their SLI, at the nearest bucket edge", () => {
  test.each<[Fields, { asked: number; edge: number }, string[]]>([
    [{ sli: "latency", thresholdMs: 200 }, { asked: 200_000, edge: 200_000 }, []],
    [{ sli: "latency", thresholdMs: 220 }, { asked: 220_000, edge: 200_000 }, ["220 is counted as 200 ms"]],
    [{ sli: "latency", thresholdMs: 0.1 }, { asked: 100, edge: 100 }, []],
    [{ sli: "latency", thresholdMs: 1_000_000 }, { asked: 1_000_000_000, edge: 1_000_000_000 }, []],
    [{ sli: "freshness", thresholdMs: 63_000 }, { asked: 63_000, edge: 63_000 }, []],
    [{ sli: "freshness", thresholdMs: 60_000 }, { asked: 60_000, edge: 63_000 }, ["60000 is counted as 63000 ms"]],
    [{ sli: "quality", thresholdPermille: 900 }, { asked: 900, edge: 900 }, []],
    [{ sli: "quality", thresholdPermille: 903 }, { asked: 903, edge: 900 }, ["903 is counted as 900"]],
  ])("%o", (spec, threshold, notes) => {
    const { slo, notes: said } = parsed(document({ indicator: indicator(spec) }));
    expect(slo.indicator.threshold).toEqual(threshold);
    const field = "thresholdMs" in spec ? "thresholdMs" : "thresholdPermille";
    const path = `indicator.spec.ratioMetric.total.metricSource.spec.${field}`;
    expect(said).toEqual(notes.map((note) => `${path}: ${note}, the nearest bucket edge.`));
  });
});

describe("an indicator may be written in each of OpenSLO's ways", () => {
  const calls = source({ sli: "availability", server: "billing", environment: "", tool: "*" });
  test.each<[string, Fields]>([
    ["thresholdMetric", { thresholdMetric: calls }],
    ["good and total", { ratioMetric: { counter: true, good: calls, total: calls } }],
    ["bad and total", { ratioMetric: { counter: true, bad: calls, total: calls } }],
    ["raw", { ratioMetric: { rawType: "success", raw: calls } }],
  ])("%s", (_, spec) => {
    expect(parsed(document({ indicator: { spec } }))).toMatchObject({
      // A star is no condition; an empty text is one.
      slo: { indicator: { sli: "availability", selector: { server: "billing", environment: "" } } },
      notes: [],
    });
  });

  test("and bare, which is noted", () => {
    expect(parsed(document({ indicator: { spec: source() } })).notes).toEqual([
      "indicator.spec.metricSource: is read, but not strict OpenSLO. Write it within ratioMetric.total for other tools.",
    ]);
  });

  test("or in a document of its own", () => {
    const sli = (spec: Fields): Fields => ({
      apiVersion: "openslo/v1",
      kind: "SLI",
      metadata: { name: "quick" },
      spec: { thresholdMetric: source(spec) },
    });
    const referring = json(document({ indicator: undefined, indicatorRef: "quick" }));
    const { slo, notes } = parsed(referring, new Map([["quick", sli({ sli: "latency", thresholdMs: 220 })]]));
    expect(slo.indicator).toEqual({ sli: "latency", selector: {}, threshold: { asked: 220_000, edge: 200_000 } });
    expect(notes).toEqual([
      "indicatorRef: of the SLI quick: thresholdMetric.metricSource.spec.thresholdMs: 220 is counted as 200 ms, the nearest bucket edge.",
    ]);
    expect(faultsOf(referring, new Map([["quick", sli({ sli: "fast" })]]))).toEqual([
      'indicatorRef: the SLI quick has a fault: thresholdMetric.metricSource.spec.sli: "fast" is not known. Write availability, latency, freshness, quality or schema.',
    ]);
  });
});

test("who brings counts needs no indicator", () => {
  for (const spec of [
    { indicator: undefined },
    { indicator: { spec: { ratioMetric: { total: { metricSource: {} } } } } },
  ]) {
    const answer = parseDefinition(json(document(spec)), undefined, { indicator: "optional" });
    expect(answer).toMatchObject({ slo: { indicator: { sli: "availability", selector: {} } } });
    expect("notes" in answer && answer.notes.length > 0).toBe(true);
  }
  const latency = document({ indicator: indicator({ sli: "latency", thresholdMs: 200 }) });
  expect(parseDefinition(latency, undefined, { indicator: "optional" })).toMatchObject({
    slo: { indicator: { sli: "latency" } },
    notes: [],
  });
});

describe("time windows", () => {
  const calendar = (duration: string, calendar: Fields = { startTime: "2026-01-01 00:00:00" }): Fields => ({
    duration,
    calendar,
    isRolling: false,
  });
  test.each<[Fields, Slo["period"]]>([
    [
      { duration: "7d", isRolling: true },
      { kind: "rolling", minutes: 10_080 },
    ],
    [
      { duration: "4w", isRolling: true },
      { kind: "rolling", minutes: 40_320 },
    ],
    [
      { duration: "72h", isRolling: true },
      { kind: "rolling", minutes: 4_320 },
    ],
    [
      { duration: "30d", isRolling: true },
      { kind: "rolling", minutes: 43_200 },
    ],
    [calendar("1d"), { kind: "calendar", unit: "day", timeZone: "UTC" }],
    [calendar("1w"), { kind: "calendar", unit: "week", timeZone: "UTC" }],
    [
      calendar("1M", { startTime: "2026-02-01T00:00", timeZone: "Europe/Berlin" }),
      { kind: "calendar", unit: "month", timeZone: "Europe/Berlin" },
    ],
    [calendar("1Q"), { kind: "calendar", unit: "quarter", timeZone: "UTC" }],
    [
      { duration: "1Y", calendar: { startTime: "2026-01-01 00:00:00" } },
      { kind: "calendar", unit: "year", timeZone: "UTC" },
    ],
  ])("%o", (window, period) => {
    expect(parsed(document({ timeWindow: [window], alertPolicies: [] })).slo.period).toEqual(period);
  });

  test.each([
    ["1d", "2026-01-01 12:30:00", "each day begins at midnight"],
    ["1w", "2026-01-01 00:00:00", "each week begins on Monday at midnight"],
    ["1M", "2026-01-02 00:00:00", "each month begins at midnight of its first day"],
    ["1Q", "2026-02-01 00:00:00", "each quarter begins at midnight of its first day"],
    ["1Y", "2026-04-01 00:00:00", "each year begins at midnight of its first day"],
  ])("%s from %s: that is noted", (duration, startTime, note) => {
    const window = calendar(duration, { startTime });
    expect(
      parsed(document({ timeWindow: [window], objectives: [{ target: 0.999 }], alertPolicies: [] })).notes,
    ).toContain(`timeWindow[0].calendar.startTime: is not used: ${note}.`);
  });
});

const condition = (spec: Fields = {}, more: Fields = {}): Fields => ({
  kind: "AlertCondition",
  metadata: { name: "fast" },
  spec: {
    severity: "page",
    condition: { kind: "burnrate", op: "gt", threshold: 14.4, lookbackWindow: "1h", ...spec },
    ...more,
  },
});
const annotated = (shortWindow: string, spec: Fields = {}): Fields => ({
  ...condition(spec),
  metadata: { name: "fast", annotations: { "tooltrail/shortWindow": shortWindow } },
});
const policy = (conditions: unknown, spec: Fields = {}): Fields => ({
  kind: "AlertPolicy",
  metadata: { name: "p" },
  spec: { conditions, ...spec },
});
const alerting = (...conditions: unknown[]): Fields => document({ alertPolicies: [policy(conditions)] });

describe("alerts", () => {
  test.each([
    [condition(), "page-1h", 60, 5],
    [condition({ lookbackWindow: "90m" }), "page-90m", 90, 7],
    [condition({ lookbackWindow: "5m" }), "page-5m", 5, 1],
    [condition({ lookbackWindow: "3d", alertAfter: "0m" }), "page-3d", 4_320, 360],
    [annotated("59m"), "page-1h", 60, 59],
    [annotated("6h", { lookbackWindow: "1d" }), "page-1d", 1_440, 360],
  ])("%o is %s, over %i and %i minutes", (one, name, longMinutes, shortMinutes) => {
    expect(parsed(alerting(one)).slo.rules).toEqual([
      { name, severity: "page", longMinutes, shortMinutes, burn: { factor: { numerator: 72, denominator: 5 } } },
    ]);
  });

  test("are the standard ones where none are written, and none where the list is empty", () => {
    expect(parsed(document()).slo.rules.map(({ name }) => name)).toEqual([
      "page-1h",
      "page-6h",
      "ticket-1d",
      "ticket-3d",
    ]);
    const { slo, notes } = parsed(document({ alertPolicies: [] }));
    expect(slo.rules).toEqual([]);
    expect(notes).toEqual(["alertPolicies: is empty: nobody will be alerted. Leave it out for the standard alerts."]);
  });

  test("that can never fire are left out of the standard ones, and refused elsewhere", () => {
    const objectives = [{ target: 0.9 }];
    const { slo, notes } = parsed(document({ objectives }));
    expect(slo.rules.map(({ name }) => name)).toEqual(["page-6h", "ticket-1d", "ticket-3d"]);
    expect(notes).toEqual([
      "alertPolicies: page-1h is left out: 14.4 times a budget of 10 % is over 100 %, it could never fire.",
    ]);
    expect(faultsOf(document({ objectives, alertPolicies: [policy([condition({ threshold: 10 })])] }))).toEqual([
      "alertPolicies[0].spec.conditions[0].spec.condition.threshold: 10 times a budget of 10 % is 100 %, it could never fire. Write a lower threshold.",
    ]);
  });

  test("of a short period that fire long before it is in danger are noted", () => {
    const week = document({ timeWindow: [{ duration: "7d", isRolling: true }] });
    expect(parsed(week).notes).toEqual([
      "alertPolicies: ticket-3d fires at 0.233 times the pace that would last to the period's end. Write alertPolicies, if that is too early.",
    ]);
  });

  test("may have what is not read here, and that is noted", () => {
    const one = policy([condition(), condition({}, { severity: "ticket" })], {
      alertWhenBreaching: true,
      alertWhenNoData: false,
      alertWhenResolved: true,
      notificationTargets: [{ targetRef: "x" }],
    });
    const { slo, notes } = parsed(document({ alertPolicies: [one] }));
    expect(slo.rules.map(({ name }) => name)).toEqual(["page-1h", "ticket-1h"]);
    expect(notes).toEqual([
      "alertPolicies[0].spec.notificationTargets: is not read: where alerts go is told to tooltrail itself.",
      "alertPolicies[0].spec.conditions: is read, but strict OpenSLO has one condition in a policy.",
    ]);
  });
});

const at = "indicator.spec.ratioMetric.total.metricSource.spec";
const rule = "alertPolicies[0].spec.conditions[0]";
const calendarWindow = (calendar: Fields, more: Fields = {}): Fields =>
  document({ timeWindow: [{ duration: "1M", calendar, isRolling: false, ...more }] });
const objective = (more: Fields): Fields => document({ objectives: [more] });
const slices = (more: Fields): Fields =>
  document({
    budgetingMethod: "Timeslices",
    objectives: [{ target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: "5m", ...more }],
  });
const window = (duration: unknown): Fields => document({ timeWindow: [{ duration, isRolling: true }] });
const measuring = (spec: Fields): Fields => document({ indicator: indicator(spec) });

describe("a fault says what, where, and what to do", () => {
  const cases: readonly [unknown, string][] = [
    [undefined, "is missing. Write a document of kind: SLO."],
    [null, "null is not a mapping. Known in it are apiVersion, kind, metadata, spec."],
    [document({}, { apiVersion: "openslo/v2" }), 'apiVersion: "openslo/v2" is not known. Write openslo/v1.'],
    [document({}, { apiVersion: undefined }), "apiVersion: is missing. Write apiVersion: openslo/v1."],
    [document({}, { kind: "Slo" }), 'kind: "Slo" is not known. Write SLO.'],
    [document({}, { metadata: undefined }), "metadata: is missing. Write metadata: {name: …}."],
    [document({}, { metadata: {} }), "metadata.name: is missing. Write one, such as name: payments-availability."],
    [
      document({}, { metadata: { name: "Billing" } }),
      'metadata.name: "Billing" is not a name. Write lower-case letters, digits and inner hyphens.',
    ],
    [
      document({}, { metadata: { name: "a".repeat(64) } }),
      "metadata.name: 64 characters are too many. Write at most 63.",
    ],
    [
      document({}, { metadata: { name: "b", displayName: 1 } }),
      "metadata.displayName: 1 is a number, not a text. Put it in quotation marks.",
    ],
    [document({}, { metadata: { name: "b", labels: [] } }), "metadata.labels: a list is not a mapping."],
    [
      document({}, { metadata: { name: "b", label: {} } }),
      "metadata.label: is not known here. Known are name, displayName, labels, annotations.",
    ],
    [document({}, { spec: undefined }), "spec: is missing. Write spec: {…}."],
    [
      document({}, { spec: [] }),
      "spec: a list is not a mapping. Known in it are description, service, indicator, indicatorRef, timeWindow, budgetingMethod, objectives, alertPolicies.",
    ],
    [
      document({ timeWindows: [] }),
      "timeWindows: is not known here. Known are description, service, indicator, indicatorRef, timeWindow, budgetingMethod, objectives, alertPolicies.",
    ],
    [document({ description: "x".repeat(1_051) }), "description: 1051 characters are too many. Write at most 1050."],

    [
      document({ indicator: undefined }),
      "indicator: is missing. Write indicator: {spec: …}, or indicatorRef: the name of a document of kind: SLI.",
    ],
    [document({ indicatorRef: "a" }), "indicator: stands beside indicatorRef. Keep one of the two."],
    [
      document({ indicator: undefined, indicatorRef: "gone" }),
      'indicatorRef: "gone" is not there. Write a document of kind: SLI with that name, or an indicator.',
    ],
    [document({ indicator: {} }), "indicator.spec: is missing. Write spec: {ratioMetric: …}."],
    [
      document({ indicator: { spec: {} } }),
      "indicator.spec: has no metric. Write ratioMetric or thresholdMetric, with a metricSource.",
    ],
    [
      document({ indicator: { spec: { thresholdMetric: source(), ratioMetric: { total: source() } } } }),
      "indicator.spec: has several metrics. Keep one of ratioMetric and thresholdMetric.",
    ],
    [
      document({ indicator: { spec: { ratioMetric: { counter: true } } } }),
      "indicator.spec.ratioMetric: has no source. Write good and total, each with a metricSource.",
    ],
    [
      document({ indicator: { spec: { ratioMetric: { good: source(), total: source({ sli: "schema" }) } } } }),
      "indicator.spec.ratioMetric.total: differs from good. Write the same metricSource: tooltrail counts both by itself.",
    ],
    [
      document({ indicator: { spec: { ratioMetric: { counter: 1, total: source() } } } }),
      "indicator.spec.ratioMetric.counter: 1 is neither true nor false.",
    ],
    [
      document({ indicator: { spec: { thresholdMetric: {} } } }),
      "indicator.spec.thresholdMetric.metricSource: is missing. Write metricSource: {type: tooltrail, spec: {sli: availability}}.",
    ],
    [
      document({
        indicator: { spec: { thresholdMetric: { metricSource: { type: "Prometheus", spec: { sli: "schema" } } } } },
      }),
      'indicator.spec.thresholdMetric.metricSource.type: "Prometheus" is not known. Write tooltrail.',
    ],
    [measuring({}), `${at}.sli: is missing. Write sli: availability.`],
    [
      measuring({ sli: "uptime" }),
      `${at}.sli: "uptime" is not known. Write availability, latency, freshness, quality or schema.`,
    ],
    [
      measuring({ sli: "latency" }),
      `${at}.thresholdMs: is missing. Write the last good value, such as thresholdMs: 200.`,
    ],
    [
      measuring({ sli: "quality" }),
      `${at}.thresholdPermille: is missing. Write the last good value, such as thresholdPermille: 900.`,
    ],
    [
      measuring({ sli: "availability", thresholdMs: 1 }),
      `${at}.thresholdMs: is nothing of availability. Leave it out.`,
    ],
    [
      measuring({ sli: "latency", thresholdMs: 1, thresholdPermille: 1 }),
      `${at}.thresholdPermille: is nothing of latency. Leave it out.`,
    ],
    [
      measuring({ sli: "latency", thresholdMs: 0.05 }),
      `${at}.thresholdMs: 0.05 is not between 0.1 and 1000000 ms, where calls can be told apart.`,
    ],
    [
      measuring({ sli: "freshness", thresholdMs: 50 }),
      `${at}.thresholdMs: 50 is not between 100 and 1000000000 ms, where calls can be told apart.`,
    ],
    [
      measuring({ sli: "quality", thresholdPermille: 1_001 }),
      `${at}.thresholdPermille: 1001 is not between 0 and 1000, where calls can be told apart.`,
    ],
    [
      measuring({ sli: "latency", thresholdMs: "200" }),
      `${at}.thresholdMs: "200" is not a number. Write thresholdMs: 200.`,
    ],
    [
      measuring({ sli: "schema", version: 1.2 }),
      `${at}.version: 1.2 is a number, not a text. Put it in quotation marks.`,
    ],
    [
      measuring({ sli: "schema", tool: "x".repeat(257) }),
      `${at}.tool: 257 characters are too many. Write at most 256.`,
    ],
    [
      measuring({ sli: "schema", tools: "x" }),
      `${at}.tools: is not known here. Known are sli, thresholdMs, thresholdPermille, environment, server, version, tool.`,
    ],

    [
      document({ timeWindow: undefined }),
      "timeWindow: is missing. Write timeWindow: [{duration: 30d, isRolling: true}].",
    ],
    [document({ timeWindow: {} }), "timeWindow: a mapping is not a list. Begin each item with a dash."],
    [document({ timeWindow: [] }), "timeWindow: has 0 items. Write one: {duration: 30d, isRolling: true}."],
    [document({ timeWindow: [{}, {}] }), "timeWindow: has 2 items. Write one: {duration: 30d, isRolling: true}."],
    [window(undefined), "timeWindow[0].duration: is missing. Write one, such as duration: 30d."],
    [window("1M"), 'timeWindow[0].duration: "1M" is not a whole number of days. Write it like 30d or 4w.'],
    [window("73h"), 'timeWindow[0].duration: "73h" is not a whole number of days. Write it like 30d or 4w.'],
    [window("2d"), "timeWindow[0].duration: 2d is shorter than the longest alert window. Write at least 3d."],
    [
      window("31d"),
      "timeWindow[0].duration: 31d is too long: minutes are kept for 34 days. Write at most 30d, or a calendar window.",
    ],
    [
      document({ timeWindow: [{ duration: "30d" }] }),
      "timeWindow[0].isRolling: is missing. Write isRolling: true, or a calendar.",
    ],
    [
      document({ timeWindow: [{ duration: "1M", isRolling: false }] }),
      "timeWindow[0].calendar: is missing. Write calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}.",
    ],
    [
      document({ timeWindow: [{ duration: "30d", isRolling: true, calendar: {} }] }),
      "timeWindow[0].calendar: belongs to isRolling: false. Keep one of the two.",
    ],
    [
      calendarWindow({ startTime: "2026-01-01 00:00:00" }, { duration: "2M" }),
      'timeWindow[0].duration: "2M" is not a calendar unit. Write 1d, 1w, 1M, 1Q or 1Y.',
    ],
    [
      calendarWindow({}),
      "timeWindow[0].calendar.startTime: is missing. Write one, such as startTime: 2026-01-01 00:00:00.",
    ],
    ...["2026-02-30 00:00:00", "2026-01-01", "yesterday", "2026-01-01 25:00:00"].map((startTime): [unknown, string] => [
      calendarWindow({ startTime }),
      `timeWindow[0].calendar.startTime: "${startTime}" is not a date with a time. Write it like 2026-01-01 00:00:00.`,
    ]),
    ...["Europe/Atlantis", "+02:00", ""].map((timeZone): [unknown, string] => [
      calendarWindow({ startTime: "2026-01-01 00:00:00", timeZone }),
      `timeWindow[0].calendar.timeZone: "${timeZone}" is not a time zone of IANA's. Write one like Europe/Berlin.`,
    ]),

    [document({ budgetingMethod: undefined }), "budgetingMethod: is missing. Write budgetingMethod: Occurrences."],
    [
      document({ budgetingMethod: "occurrences" }),
      'budgetingMethod: "occurrences" is not known. Write Occurrences or Timeslices.',
    ],
    [
      document({ budgetingMethod: "RatioTimeslices" }),
      "budgetingMethod: RatioTimeslices is not supported yet; use Timeslices.",
    ],
    [document({ objectives: undefined }), "objectives: is missing. Write objectives: [{target: 0.999}]."],
    [
      document({ objectives: [{ target: 0.9 }, { target: 0.99 }] }),
      "objectives: has 2 items. Write one objective, and one SLO per objective.",
    ],
    [objective({}), "objectives[0].target: is missing. Write target: 0.999, or targetPercent: 99.9."],
    [
      objective({ target: 0.9, targetPercent: 90 }),
      "objectives[0].targetPercent: stands beside target. Keep one of the two.",
    ],
    [
      objective({ target: 99.9 }),
      "objectives[0].target: 99.9 is not a fraction between 0 and 1. Write target: 0.999, or targetPercent: 99.9.",
    ],
    [
      objective({ target: 99.95 }),
      "objectives[0].target: 99.95 is not a fraction between 0 and 1. Write target: 0.9995, or targetPercent: 99.95.",
    ],
    ...[0, -0.5, 100, 999].map((target): [unknown, string] => [
      objective({ target }),
      `objectives[0].target: ${target} is not a fraction between 0 and 1. Write target: 0.999, or targetPercent: 99.9.`,
    ]),
    [
      objective({ target: 1 }),
      "objectives[0].target: 1 leaves no budget. Write a fraction below it, such as target: 0.999.",
    ],
    [objective({ target: "0.999" }), 'objectives[0].target: "0.999" is not a number. Write target: 0.999.'],
    [objective({ target: "99.9%" }), 'objectives[0].target: "99.9%" is not a number.'],
    [
      objective({ target: 0.9999999999 }),
      "objectives[0].target: 0.9999999999 has more than 9 digits after the point. Write fewer.",
    ],
    [
      objective({ targetPercent: 99.99999999 }),
      "objectives[0].targetPercent: 99.99999999 has more than 7 digits after the point. Write fewer.",
    ],
    [
      objective({ targetPercent: 100 }),
      "objectives[0].targetPercent: 100 leaves no budget. Write less, such as targetPercent: 99.9.",
    ],
    [
      objective({ targetPercent: 0 }),
      "objectives[0].targetPercent: 0 is not between 0 and 100. Write it like targetPercent: 99.9.",
    ],
    [
      objective({ target: 0.9, compositeWeight: 1 }),
      "objectives[0].compositeWeight: is not supported. Write one SLO per indicator, with the indicator in its spec.",
    ],
    [
      objective({ target: 0.9, timeSliceWindow: "5m" }),
      "objectives[0].timeSliceWindow: belongs to budgetingMethod: Timeslices. Write that, or leave this out.",
    ],
    [
      slices({ timeSliceTarget: undefined }),
      "objectives[0].timeSliceTarget: is missing. Write the good part of a good slice, such as 0.95.",
    ],
    [
      slices({ timeSliceTarget: 95 }),
      "objectives[0].timeSliceTarget: 95 is not a fraction above 0 and up to 1. Write it like timeSliceTarget: 0.95.",
    ],
    [
      slices({ timeSliceWindow: undefined }),
      "objectives[0].timeSliceWindow: is missing. Write how long a slice is, such as 5m.",
    ],
    [slices({ timeSliceWindow: 5 }), "objectives[0].timeSliceWindow: 5 has no unit. Write timeSliceWindow: 5m."],
    ...["7m", "2h", "1d", "30s"].map((timeSliceWindow): [unknown, string] => [
      slices({ timeSliceWindow }),
      `objectives[0].timeSliceWindow: "${timeSliceWindow}" does not divide an hour evenly. Write 1m, 5m, 10m, 30m or 1h, for example.`,
    ]),

    [
      document({
        budgetingMethod: "Timeslices",
        objectives: [{ target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: "5m" }],
        timeWindow: [{ duration: "1Q", calendar: { startTime: "2026-01-01 00:00:00" }, isRolling: false }],
      }),
      "timeWindow: is too long for Timeslices, which are told from minutes. Write a month or less, or Occurrences.",
    ],

    [document({ alertPolicies: {} }), "alertPolicies: a mapping is not a list. Begin each item with a dash."],
    [
      document({ alertPolicies: [{ alertPolicyRef: "x" }] }),
      "alertPolicies[0].alertPolicyRef: is not supported. Write the AlertPolicy here.",
    ],
    [
      document({ alertPolicies: [{ ...policy([condition()]), kind: "Alert" }] }),
      'alertPolicies[0].kind: "Alert" is not known. Write AlertPolicy.',
    ],
    [
      document({ alertPolicies: [policy(undefined)] }),
      "alertPolicies[0].spec.conditions: is missing. Write at least one AlertCondition.",
    ],
    [
      document({ alertPolicies: [policy([])] }),
      "alertPolicies[0].spec.conditions: is empty. Write at least one AlertCondition.",
    ],
    [
      document({ alertPolicies: [policy([condition()], { alertWhenNoData: true })] }),
      "alertPolicies[0].spec.alertWhenNoData: true is not supported: without data, alerts stay as they are. Write false.",
    ],
    [
      document({ alertPolicies: [policy([condition()], { alertWhenBreaching: false })] }),
      "alertPolicies[0].spec.alertWhenBreaching: false would never alert. Leave the policy out, or write true.",
    ],
    [alerting({ conditionRef: "x" }), `${rule}.conditionRef: is not supported. Write the AlertCondition here.`],
    [
      alerting(condition({}, { severity: undefined })),
      `${rule}.spec.severity: is missing. Write severity: page, or ticket.`,
    ],
    [
      alerting(condition({}, { severity: "sev1" })),
      `${rule}.spec.severity: "sev1" is not known. Write page or ticket.`,
    ],
    [alerting(condition({ op: undefined })), `${rule}.spec.condition.op: is missing. Write op: gt.`],
    [alerting(condition({ op: "gte" })), `${rule}.spec.condition.op: "gte" is not known. Write gt.`],
    [alerting(condition({ kind: "budget" })), `${rule}.spec.condition.kind: "budget" is not known. Write burnrate.`],
    [
      alerting(condition({ threshold: 0 })),
      `${rule}.spec.condition.threshold: 0 is not between 0 and 999999, with at most 9 digits after the point.`,
    ],
    [
      alerting(condition({ threshold: 1_000 })),
      `${rule}.spec.condition.threshold: 1000 times a budget of 0.1 % is 100 %, it could never fire. Write a lower threshold.`,
    ],
    ...["4m", "4d", "1M", "hour"].map((lookbackWindow): [unknown, string] => [
      alerting(condition({ lookbackWindow })),
      `${rule}.spec.condition.lookbackWindow: "${lookbackWindow}" is not a window from 5m to 3d. Write it like 90m, 6h or 3d.`,
    ]),
    [
      alerting(condition({ alertAfter: "5m" })),
      `${rule}.spec.condition.alertAfter: "5m" is not supported: the annotation tooltrail/shortWindow keeps short bursts from alerting. Write 0m.`,
    ],
    [
      alerting(annotated("1h")),
      `${rule}.metadata.annotations["tooltrail/shortWindow"]: 1h is not shorter than lookbackWindow: 1h.`,
    ],
    [
      alerting(annotated("7h", { lookbackWindow: "1d" })),
      `${rule}.metadata.annotations["tooltrail/shortWindow"]: "7h" is not a window from 1m to 6h. Write it like 90m, 6h or 3d.`,
    ],
    [
      alerting({ ...condition(), metadata: { name: "x", annotations: { "tooltrail/shortwindow": "5m" } } }),
      `${rule}.metadata.annotations["tooltrail/shortwindow"]: is not known. tooltrail reads tooltrail/shortWindow alone.`,
    ],
    [
      alerting(condition(), condition({ lookbackWindow: "60m" })),
      "alertPolicies[0].spec.conditions[1]: is the second page-1h. Keep one, or write another lookbackWindow.",
    ],
  ];
  test.each(cases.map(([given, fault]) => ({ given, fault })))("$fault", ({ given, fault }) => {
    expect(faultsOf(given === undefined ? given : json(given))).toEqual([fault]);
  });

  test("and all faults of a document are told at once", () => {
    const faults = parseDefinition({
      kind: "SLO",
      metadata: { name: "A" },
      spec: {
        timeWindow: [{ duration: "90d", isRolling: true }],
        objectives: [{ target: 2, x: 1 }],
        alertPolicies: [1],
      },
    });
    expect("faults" in faults && faults.faults.map(({ path }: Note) => path.join("."))).toEqual([
      "apiVersion",
      "metadata.name",
      "spec.indicator",
      "spec.timeWindow.0.duration",
      "spec.budgetingMethod",
      "spec.objectives.0.x",
      "spec.objectives.0.target",
      "spec.alertPolicies.0",
    ]);
  });
});

test("a rule whose long window does not hold two slices is left out, or refused where it was written", () => {
  const hourly = slices({ timeSliceWindow: "1h" });
  const { slo, notes } = parsed(hourly);
  expect(slo.rules.map(({ name }) => name)).not.toContain("page-1h");
  expect(notes).toContain(
    "alertPolicies: page-1h is left out: it needs two bad slices, and its long window does not hold two of 1h.",
  );
});

test("what OpenSLO wants beside a thresholdMetric is not looked at, and that is said", () => {
  const { notes } = parsed(objective({ target: 0.9, op: "lte", value: 500 }));
  expect(notes.filter((text) => text.startsWith("objectives"))).toEqual([
    "objectives[0].op: is not looked at: what counts is thresholdMs or thresholdPermille of the metricSource.",
    "objectives[0].value: is not looked at: what counts is thresholdMs or thresholdPermille of the metricSource.",
  ]);
});

describe("garbage", () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, maxDepth: 4 });
  /** A sound document in which one thing, somewhere, is something else. */
  const damaged = fc.tuple(fc.nat(), anything).map(([nth, value]) => {
    const whole = json(
      document({
        budgetingMethod: "Timeslices",
        objectives: [{ target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: "5m" }],
        alertPolicies: [policy([annotated("5m")])],
      }),
    ) as Fields;
    const places: [{ [field: string]: unknown }, string][] = [];
    const walk = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      for (const name of Object.keys(node)) {
        places.push([node as { [field: string]: unknown }, name]);
        walk((node as Fields)[name]);
      }
    };
    walk(whole);
    const [node, name] = places[nth % places.length] ?? [];
    if (node !== undefined && name !== undefined) node[name] = value;
    return whole;
  });

  test("gives an objective or faults, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(anything, damaged), (given) => {
        const answer = parseDefinition(given, new Map([["a", given]]));
        return "slo" in answer || answer.faults.length > 0;
      }),
      { numRuns: 2_000 },
    );
  });
});
