import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aSloView, figuresOf, fullFigures } from "../../../test/support/slo-views.ts";
import { openMetrics } from "./open-metrics.ts";
import type { SloView } from "./types.ts";

test("an SLO is told family by family, each with what it means", () => {
  const rule = { severity: "page", burnLong: 2, burnShort: null, firing: false } as const;
  const view = aSloView({
    name: "refunds",
    origin: "defined",
    sli: "latency",
    selector: { environment: "production", server: "billing", version: "2.*", tool: 'say "hi"\\\n' },
    target: 0.99,
    budget: { total: 12_345_678_901, bad: 150_000_000, spent: 1.25, remaining: -0.25, exhaustedAt: 1_800_000_000_500 },
    rules: [
      { ...rule, name: "page-6h", longMinutes: 360, shortMinutes: 30, burnShort: 0 },
      { ...rule, name: "page-1h", longMinutes: 60, shortMinutes: 5, burnLong: 14.5, firing: true },
      { ...rule, name: "ticket-3d", severity: "ticket", longMinutes: 4_320, shortMinutes: 360, burnShort: 2 },
    ],
    degraded: [
      { what: "behind", since: 1 },
      { what: "records_lost", since: 2 },
    ],
  });
  const other = aSloView({ rules: [] });
  const labels = String.raw`slo="refunds",sli="latency",origin="defined",environment="production",server="billing",version="2.*",tool="say \"hi\"\\\n"`;
  const others = `slo="availability:files",sli="availability",origin="default",server="files"`;
  expect(openMetrics(figuresOf([view, other]))).toBe(`\
# TYPE tooltrail_slo_objective_ratio gauge
# UNIT tooltrail_slo_objective_ratio ratio
# HELP tooltrail_slo_objective_ratio The part of the calls (or slices, where the SLO counts those) that shall be good.
tooltrail_slo_objective_ratio{${labels}} 0.99
tooltrail_slo_objective_ratio{${others}} 0.995
# TYPE tooltrail_slo_period_calls gauge
# HELP tooltrail_slo_period_calls Calls (or slices) of the period so far that count.
tooltrail_slo_period_calls{${labels}} 12345678901
tooltrail_slo_period_calls{${others}} 40000
# TYPE tooltrail_slo_period_bad_calls gauge
# HELP tooltrail_slo_period_bad_calls Those of them that are bad.
tooltrail_slo_period_bad_calls{${labels}} 150000000
tooltrail_slo_period_bad_calls{${others}} 50
# TYPE tooltrail_slo_error_budget_spent_ratio gauge
# UNIT tooltrail_slo_error_budget_spent_ratio ratio
# HELP tooltrail_slo_error_budget_spent_ratio The part of the period's error budget that is spent; over 1 where more is.
tooltrail_slo_error_budget_spent_ratio{${labels}} 1.25
tooltrail_slo_error_budget_spent_ratio{${others}} 0.25
# TYPE tooltrail_slo_error_budget_remaining_ratio gauge
# UNIT tooltrail_slo_error_budget_remaining_ratio ratio
# HELP tooltrail_slo_error_budget_remaining_ratio The part of the period's error budget that is left; below 0 where more is spent.
tooltrail_slo_error_budget_remaining_ratio{${labels}} -0.25
tooltrail_slo_error_budget_remaining_ratio{${others}} 0.75
# TYPE tooltrail_slo_burn_rate gauge
# HELP tooltrail_slo_burn_rate Times as fast as would spend the budget just at the period's end, over a window of an alert; absent where it has no data.
tooltrail_slo_burn_rate{${labels},window="30m"} 0
tooltrail_slo_burn_rate{${labels},window="1h"} 14.5
tooltrail_slo_burn_rate{${labels},window="6h"} 2
tooltrail_slo_burn_rate{${labels},window="3d"} 2
# TYPE tooltrail_slo_alert_firing gauge
# HELP tooltrail_slo_alert_firing Whether an alert fires: 1 or 0.
tooltrail_slo_alert_firing{${labels},rule="page-6h",severity="page"} 0
tooltrail_slo_alert_firing{${labels},rule="page-1h",severity="page"} 1
tooltrail_slo_alert_firing{${labels},rule="ticket-3d",severity="ticket"} 0
# TYPE tooltrail_slo_budget_exhaustion_timestamp_seconds gauge
# UNIT tooltrail_slo_budget_exhaustion_timestamp_seconds seconds
# HELP tooltrail_slo_budget_exhaustion_timestamp_seconds When nothing of the budget is left, at the burn of the last six hours; absent where that does not spend it. Now, where nothing is left.
tooltrail_slo_budget_exhaustion_timestamp_seconds{${labels}} 1800000000.5
# TYPE tooltrail_slo_data_degraded gauge
# HELP tooltrail_slo_data_degraded 1 for each reason for which the figures of the SLO cannot be relied on.
tooltrail_slo_data_degraded{${labels},what="behind"} 1
tooltrail_slo_data_degraded{${labels},what="records_lost"} 1
# TYPE tooltrail_incidents_live gauge
# HELP tooltrail_incidents_live Incidents that have not ended; of more than a thousand, the latest thousand.
# TYPE tooltrail_incident_undelivered gauge
# HELP tooltrail_incident_undelivered What was to be done because of incidents and was given up: told, run, drafted or filed. Kept for a month, until somebody retries it.
# EOF
`);
});

test("incidents are counted by what tells them apart, and what was given up by where it was to go", () => {
  const told = parse(openMetrics(fullFigures));
  const labels = { server: "billing", signal: "availability", severity: "page", status: "open" };
  expect(told.get("tooltrail_incidents_live")?.samples).toEqual([
    { labels: { ...labels, environment: "production" }, value: 2 },
    { labels: { ...labels, server: "files", severity: "ticket", status: "mitigated" }, value: 1 },
  ]);
  expect(told.get("tooltrail_incident_undelivered")?.samples).toEqual([
    { labels: { kind: "tell", destination: "pager" }, value: 1 },
    { labels: { kind: "draft" }, value: 1 },
  ]);
});

test("each of the standard windows has one burn", () => {
  const told = parse(openMetrics(figuresOf([aSloView()]))).get("tooltrail_slo_burn_rate");
  expect(told?.samples.map(({ labels }) => labels.window)).toEqual(["5m", "30m", "1h", "2h", "6h", "1d", "3d"]);
});

test("without SLOs there are the families, and nothing of them", () => {
  const families = [...parse(openMetrics(figuresOf([]))).values()];
  expect(families.flatMap(({ samples }) => samples)).toEqual([]);
  expect(families.map(({ name }) => name)).toEqual([...parse(openMetrics(fullFigures)).keys()]);
});

test("a family's name ends with its unit, and no other name with one", () => {
  for (const { name, unit } of parse(openMetrics(fullFigures)).values())
    expect(/_(ratio|seconds)$/.exec(name)?.[1]).toBe(unit);
});

describe("whatever SLOs are called", () => {
  /** Any characters, and those often that mean something. */
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('"', "\\", "\n", "n", "{", "}", ",", "=", "#", " ", "\r"),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    ),
  });
  const selector = fc.record({ environment: text, server: text, version: text, tool: text }, { requiredKeys: [] });
  const ratio = fc.double({ noNaN: true, noDefaultInfinity: true });
  const count = fc.maxSafeNat();
  const budget = fc.record({
    total: count,
    bad: count,
    spent: ratio,
    remaining: ratio,
    exhaustedAt: fc.option(fc.maxSafeNat()),
  });
  const views = fc.array(
    fc
      .record({ name: text, selector, target: ratio, budget, what: text })
      .map(({ what, ...more }) => aSloView({ ...more, degraded: [{ what, since: 0 }] })),
    { maxLength: 4 },
  );

  test("a strict reader gets the same names and figures back", () => {
    fc.assert(
      fc.property(views, (some) => {
        const told = parse(openMetrics(figuresOf(some)));
        const expected = (
          figure: (view: SloView) => number | undefined,
          more: (view: SloView) => object = () => ({}),
        ) =>
          some.flatMap((view) => {
            const value = figure(view);
            const { name, sli, origin, selector } = view;
            const labels = Object.entries({ slo: name, sli, origin, ...selector, ...more(view) });
            return value === undefined
              ? []
              : [{ labels: Object.fromEntries(labels.filter(([, said]) => said !== "")), value: value + 0 }];
          });
        const samples = (family: string) => told.get(`tooltrail_slo_${family}`)?.samples;
        expect(samples("objective_ratio")).toEqual(expected(({ target }) => target));
        expect(samples("period_calls")).toEqual(expected(({ budget }) => budget.total));
        expect(samples("period_bad_calls")).toEqual(expected(({ budget }) => budget.bad));
        expect(samples("error_budget_spent_ratio")).toEqual(expected(({ budget }) => budget.spent));
        expect(samples("error_budget_remaining_ratio")).toEqual(expected(({ budget }) => budget.remaining));
        expect(samples("budget_exhaustion_timestamp_seconds")).toEqual(
          expected(({ budget: { exhaustedAt } }) => (exhaustedAt === null ? undefined : exhaustedAt / 1_000)),
        );
        expect(samples("data_degraded")).toEqual(
          expected(
            () => 1,
            ({ degraded }) => ({ what: degraded[0]?.what }),
          ),
        );
      }),
    );
  });

  test("integers are written as such", () => {
    fc.assert(
      fc.property(count, (total) => {
        const budget = { total, bad: 0, spent: 0, remaining: 1, exhaustedAt: null };
        const told = openMetrics(figuresOf([aSloView({ budget })]));
        expect(told).toMatch(new RegExp(`^tooltrail_slo_period_calls{.*} ${BigInt(total)}$`, "m"));
      }),
    );
  });
});

interface Told {
  readonly name: string;
  readonly unit: string | undefined;
  readonly samples: { readonly labels: { readonly [name: string]: string }; readonly value: number }[];
}

/** OpenMetrics' grammar, as far as gauges go. @throws Error at the first line that it does not allow, a family told in two places, or a label said twice. */
function parse(text: string): Map<string, Told> {
  const told = new Map<string, Told>();
  if (!text.endsWith("\n# EOF\n")) throw new Error("The end is missing.");
  const header = /^# TYPE ([a-z_]+) gauge\n(?:# UNIT \1 ([a-z]+)\n)?# HELP \1 [^"\\\n]+\n/;
  const sample = /^([a-z_]+)\{([a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*)\} (\S+)\n/;
  const label = /([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"/g;
  let rest = text.slice(0, -"# EOF\n".length);
  let family: Told | undefined;
  while (rest !== "") {
    const begins = header.exec(rest);
    const [line = "", name = "", second, value = ""] = begins ?? sample.exec(rest) ?? [];
    if (line === "") throw new Error(`Not understood: ${JSON.stringify(rest.slice(0, 200))}`);
    rest = rest.slice(line.length);
    if (begins) {
      if (told.has(name)) throw new Error(`${name} is told twice.`);
      family = { name, unit: second, samples: [] };
      told.set(name, family);
      continue;
    }
    if (family?.name !== name) throw new Error(`${name} is told among others.`);
    if (!/^-?\d+(\.\d+)?(e[-+]\d+)?$/.test(value)) throw new Error(`${value} is no number.`);
    const labels = [...(second ?? "").matchAll(label)].map(
      ([, key = "", said = ""]) => [key, unescaped(said)] as const,
    );
    if (new Set(labels.map(([key]) => key)).size < labels.length) throw new Error(`A label is said twice: ${line}`);
    family.samples.push({ labels: Object.fromEntries(labels), value: Number(value) });
  }
  return told;
}

const unescaped = (said: string): string =>
  said.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
