import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reduced } from "@tooltrail/core/slo/ratio";
import { type MinuteCount, replay } from "@tooltrail/core/slo/replay";
import { standardRules } from "@tooltrail/core/slo/rules";
import type { Count, Slo } from "@tooltrail/core/slo/slo";
import { afterAll, describe, expect, test } from "vitest";
import { type Random, seeded } from "../chaos/random.ts";
import { needs } from "../support/requirements.ts";

const there = needs("promtool (Debian's package prometheus)", spawnSync("promtool", ["--version"]).status === 0);
const seed = Number(process.env.TOOLTRAIL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const scratch = mkdtempSync(join(tmpdir(), "tooltrail-promtool-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** It takes about 10 s of one core for each process. */
const timeoutMs = 180_000;

/** Google SRE Workbook, table 5-8, and a day with two hours between: written down anew, since ours are on trial. */
const windows = [
  { rule: "page-1h", percent: 2, long: 60, short: 5 },
  { rule: "page-6h", percent: 5, long: 360, short: 30 },
  { rule: "ticket-1d", percent: 10, long: 1_440, short: 120 },
  { rule: "ticket-3d", percent: 10, long: 4_320, short: 360 },
] as const;
type Window = (typeof windows)[number];

/** Of 10,000 calls, `budget` may be bad. */
interface Objective {
  readonly name: string;
  readonly budget: number;
  readonly days: number;
}
const objectives: readonly Objective[] = [9_900, 9_950, 9_990, 9_999].flatMap((target) =>
  [7, 28, 30].map((days) => ({ name: `${target}-${days}d`, budget: 10_000 - target, days })),
);

/** bad / total > percent / 100 * period / long * budget / 10,000, multiplied out and reduced: bad * `times` > total * `limit`. */
function thresholdOf({ percent, long }: Window, { budget, days }: Objective): { times: number; limit: number } {
  const { numerator, denominator } = reduced(percent * days * 1_440 * budget, 100 * long * 10_000);
  return { times: denominator, limit: numerator };
}

/** A series, minute by minute from 0 on; undefined is a minute without a sample. `turns`: when something else begins. */
interface Case {
  readonly id: string;
  readonly objective: Objective;
  readonly counts: readonly (Count | undefined)[];
  readonly turns: readonly number[];
}

/** Stretches of one kind of traffic and one kind of trouble, the last minute with a sample: with that, `replay` ends. */
function aCase(objective: Objective, id: string, minutes: number, longestStretch: number, random: Random): Case {
  const counts: (Count | undefined)[] = [];
  const turns: number[] = [];
  while (counts.length < minutes - 1) {
    turns.push(counts.length);
    const next = aStretch(objective, random);
    const until = Math.min(minutes - 1, counts.length + random.between(1, longestStretch));
    while (counts.length < until) counts.push(next());
  }
  return { id, objective, turns, counts: [...counts, { total: 1, bad: 0 }] };
}

function aStretch(objective: Objective, random: Random): () => Count | undefined {
  const window = random.pick<Window>(windows);
  const { times, limit } = thresholdOf(window, objective);
  const [calls, some] = [random.pick([1, 3, 50, 1_000, 100_000]), random.pick([2, 100, 20_000])];
  const near = (limit / times) * (0.8 + random.next() / 2);
  const few = (total: number): number => Math.floor(total * near + random.next());
  const total = random.pick<() => number | undefined>([
    () => calls,
    () => random.between(0, some),
    () => (random.chance(0.2) ? random.between(1, 3) : 0),
    () => (random.chance(0.5) ? calls : undefined),
    () => 0,
    () => undefined,
  ]);
  const bad = random.pick<(total: number) => number>([
    () => 0,
    () => 0,
    (all) => all,
    few,
    few,
    (all) => (random.chance(0.02) ? all : 0),
    (all) => (random.chance(0.5) ? all : 0),
  ]);
  // Exactly at a threshold, for as long as it lasts.
  if (random.chance(0.1)) return () => ({ total: times, bad: limit });
  return () => {
    const all = total();
    return all === undefined ? undefined : { total: all, bad: Math.min(all, bad(all)) };
  };
}

/** What chance may leave out. A stretch is so many minutes, each with this. */
function shapesOf(objective: Objective, minutes: number): Case[] {
  const good: Count = { total: 100, bad: 0 };
  const outage: Count = { total: 100, bad: 100 };
  // Each window's threshold, and a little more than the lowest.
  const slowly = windows
    .map((window) => thresholdOf(window, objective))
    .map(({ times, limit }) => ({ total: times, bad: limit }));
  const aLittleMore = {
    total: 300_000,
    bad: Math.ceil((300_000 * (slowly[3]?.bad ?? 0) * 1.01) / (slowly[3]?.total ?? 1)),
  };
  const shapes: { readonly [id: string]: readonly (readonly [number, Count | undefined])[] } = {
    "begins-burning": [[30, outage]],
    "recovers-late": [
      [60, good],
      [10, outage],
      [240, undefined],
    ],
    "zero-totals": [
      [60, good],
      [10, outage],
      [240, { total: 0, bad: 0 }],
    ],
    "slow-burn": [
      [60, good],
      [300, aLittleMore],
    ],
    ties: slowly.map((count) => [90, count]),
  };
  return Object.entries(shapes).map(([id, stretches]) => {
    const counts = stretches.flatMap(([length, count]) => Array<Count | undefined>(length).fill(count));
    while (counts.length < minutes) counts.push(good);
    return { id, objective, turns: [], counts: counts.slice(0, minutes) };
  });
}

/** What `replay` makes of a minute, and whether the minute's short window has calls. */
interface Verdict {
  readonly fires: boolean;
  readonly hasCalls: boolean;
}
type Verdicts = ReadonlyMap<Window["rule"], readonly Verdict[]>;

function verdictsOf({ objective, counts }: Case): Verdicts {
  const slo: Slo = {
    name: objective.name,
    indicator: { sli: "availability", selector: {} },
    budget: reduced(objective.budget, 10_000),
    period: { kind: "rolling", minutes: objective.days * 1_440 },
    rules: standardRules,
  };
  const series = counts.flatMap((count, minute): MinuteCount[] => (count ? [{ minute, ...count }] : []));
  const transitions = [...replay(slo, series, { plain: true })];
  const calls = (minute: number): number => counts[minute]?.total ?? 0;
  return new Map(
    windows.map(({ rule, short }) => {
      const changes = new Map(
        transitions.filter((one) => one.rule.name === rule).map(({ minute, state }) => [minute, state === "firing"]),
      );
      let [fires, inShort] = [false, 0];
      const verdicts = counts.map((_, minute): Verdict => {
        fires = changes.get(minute) ?? fires;
        inShort += calls(minute) - calls(minute - short);
        return { fires, hasCalls: inShort > 0 };
      });
      return [rule, verdicts];
    }),
  );
}

/**
 * The sum of the last so many samples of a gauge that has one a minute, holding that minute's count.
 *
 * Up to Prometheus 2 a range holds both of its ends, so that [5m] holds six samples where these lie on whole minutes; since 3 it lacks the first. One that is a second shorter holds five in both.
 */
function sum(metric: string, minutes: number): string {
  const [hours, rest] = [Math.floor((minutes - 1) / 60), (minutes - 1) % 60];
  return `sum_over_time(${metric}[${hours > 0 ? `${hours}h` : ""}${rest}m59s])`;
}

/** `which` selects the series. Compares whole numbers below 2^53, so that it is exact, and a tie a tie. */
function compared(window: Window, minutes: number, objective: Objective, which: string, operator: string): string {
  const { times, limit } = thresholdOf(window, objective);
  return `${sum(`bad{${which}}`, minutes)} * ${times} ${operator} ${sum(`total{${which}}`, minutes)} * ${limit}`;
}

const labelsOf = ({ objective, id }: Case) => ({ slo: objective.name, case: id });
const labelText = (labels: { readonly [name: string]: string }): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",");

const inputSeries = (cases: readonly Case[]) =>
  cases.flatMap((one) =>
    (["total", "bad"] as const).map((metric) => ({
      series: `${metric}{${labelText(labelsOf(one))}}`,
      values: one.counts.map((count) => count?.[metric] ?? "_").join(" "),
    })),
  );

/** The alerting rules that a Prometheus would have, one for each rule of each objective. */
const alertRules = {
  groups: objectives.map((objective) => ({
    name: objective.name,
    rules: windows.map((window) => ({
      alert: window.rule,
      expr: [window.long, window.short]
        .map((minutes) => compared(window, minutes, objective, `slo="${objective.name}"`, ">"))
        .join(" and "),
    })),
  })),
};

/** What fires, at every minute of cases that are equally long. Where the short window has no calls, theirs do not fire. */
function alertTests(cases: readonly Case[], verdicts: readonly Verdicts[]): object {
  const firing = (rule: Window["rule"], minute: number) =>
    cases.flatMap((one, i) => {
      const { fires, hasCalls } = verdictAt(verdicts[i], rule, minute);
      return fires && hasCalls ? [{ exp_labels: labelsOf(one) }] : [];
    });
  return {
    input_series: inputSeries(cases),
    alert_rule_test: (cases[0]?.counts ?? []).flatMap((_, minute) =>
      windows.map(({ rule }) => ({
        eval_time: `${minute}m`,
        alertname: rule,
        exp_alerts: firing(rule, minute),
      })),
    ),
  };
}

/** Of each rule: minutes around what changes, and some others. */
function minutesToCompare({ counts, turns }: Case, verdicts: readonly Verdict[], random: Random): number[] {
  const changes = verdicts.flatMap(({ fires }, minute) =>
    fires !== (verdicts[minute - 1]?.fires ?? false) ? [minute] : [],
  );
  const around = (minutes: readonly number[], distance: number): number[] =>
    minutes.flatMap((minute) => Array.from({ length: 2 * distance + 1 }, (_, i) => minute + i - distance));
  const others = Array.from({ length: 60 }, () => random.between(0, counts.length - 1));
  const all = new Set([...around(changes, 2), ...around(turns, 1), ...others]);
  return [...all].filter((minute) => minute >= 0 && minute < counts.length);
}

/** What burns: 1 or 0, and nothing where the short window has no calls. Evaluated at these minutes alone, which three days' windows need. */
function burnTests(
  cases: readonly Case[],
  verdicts: readonly Verdicts[],
  random: Random,
): { readonly tests: object; readonly compared: number } {
  const tests = cases.flatMap((one, i) =>
    windows.flatMap((window) => {
      const which = labelText(labelsOf(one));
      const [long, short] = [window.long, window.short].map(
        (minutes) => `(${compared(window, minutes, one.objective, which, "> bool")})`,
      );
      const expr = `${long} * ${short} and ${sum(`total{${which}}`, window.short)} > 0`;
      return minutesToCompare(one, verdicts[i]?.get(window.rule) ?? [], random).map((minute) => {
        const { fires, hasCalls } = verdictAt(verdicts[i], window.rule, minute);
        return {
          expr,
          eval_time: `${minute}m`,
          exp_samples: hasCalls ? [{ labels: `{${which}}`, value: fires ? 1 : 0 }] : [],
        };
      });
    }),
  );
  return { tests: { input_series: inputSeries(cases), promql_expr_test: tests }, compared: tests.length };
}

function verdictAt(verdicts: Verdicts | undefined, rule: Window["rule"], minute: number): Verdict {
  const verdict = verdicts?.get(rule)?.[minute];
  if (verdict === undefined) throw new Error(`${rule} has no minute ${minute}.`);
  return verdict;
}

/** What promtool says of tests. Rules that there are it evaluates at every minute. JSON is YAML. */
function promtool(tests: object, rules: object = {}): Promise<string> {
  const folder = mkdtempSync(join(scratch, "run-"));
  writeFileSync(join(folder, "rules.yml"), JSON.stringify(rules));
  const file = { rule_files: ["rules.yml"], evaluation_interval: "1m", tests: [{ interval: "1m", ...tests }] };
  writeFileSync(join(folder, "tests.yml"), JSON.stringify(file));
  return new Promise((resolve) =>
    execFile("promtool", ["test", "rules", "tests.yml"], { cwd: folder, maxBuffer: 2 ** 28 }, (_, stdout, stderr) =>
      resolve((stdout + stderr).slice(0, 4_000)),
    ),
  );
}

const success = /^Unit Testing: {2}tests\.yml\n {2}SUCCESS\n*$/;

/** Without calls an alert stays as it is, unlike theirs; it is compared with itself. */
function expectFrozen(verdicts: Verdicts): void {
  for (const [rule, minutes] of verdicts) {
    const thawed = minutes.flatMap(({ fires, hasCalls }, minute) =>
      !hasCalls && fires !== (minutes[minute - 1]?.fires ?? false) ? [minute] : [],
    );
    expect({ rule, thawed }).toEqual({ rule, thawed: [] });
  }
}

/** How many minutes of rules lie exactly at their threshold, how many are frozen while firing, and how often alerts change. */
function figuresOf(cases: readonly Case[], verdicts: readonly Verdicts[]) {
  let [changes, frozen, ties, largest] = [0, 0, 0, 0];
  for (const [i, { counts, objective }] of cases.entries())
    for (const window of windows) {
      const { times, limit } = thresholdOf(window, objective);
      const minutes = verdicts[i]?.get(window.rule) ?? [];
      let [total, bad] = [0, 0];
      for (const [minute, { fires, hasCalls }] of minutes.entries()) {
        const [comes, goes] = [counts[minute], counts[minute - window.long]];
        total += (comes?.total ?? 0) - (goes?.total ?? 0);
        bad += (comes?.bad ?? 0) - (goes?.bad ?? 0);
        largest = Math.max(largest, total * Math.max(times, limit));
        if (fires !== (minutes[minute - 1]?.fires ?? false)) changes += 1;
        if (fires && !hasCalls) frozen += 1;
        if (total > 0 && BigInt(bad) * BigInt(times) === BigInt(total) * BigInt(limit)) ties += 1;
      }
    }
  expect(largest).toBeLessThan(Number.MAX_SAFE_INTEGER); // or Prometheus, which has floats, would not compare exactly
  return { changes, frozen, ties };
}

describe.skipIf(!there)("replay's alerts are what Prometheus says of the same minutes", () => {
  console.log(`seed ${seed} (TOOLTRAIL_SEED)`);
  const random = seeded(seed);
  /** So many of each objective, in two halves, for two processes. */
  const casesOf = (each: number, minutes: number, longestStretch: number): readonly (readonly Case[])[] =>
    [0, 1].map((half) =>
      objectives.flatMap((objective) =>
        Array.from({ length: each / 2 }, (_, i) => aCase(objective, `${half}-${i}`, minutes, longestStretch, random)),
      ),
    );
  const say = (what: string, halves: readonly (readonly Case[])[], compared: number): void => {
    const cases = halves.flat();
    const { changes, frozen, ties } = figuresOf(cases, cases.map(verdictsOf));
    console.log(
      `${what}: ${cases.length} series, ${cases.reduce((all, { counts }) => all + counts.length, 0)} minutes; ${compared} verdicts compared, ${changes} changes, ${frozen} frozen while firing, ${ties} ties`,
    );
    // Else nothing was tried.
    expect(Math.min(changes, frozen, ties)).toBeGreaterThan(0);
  };

  test(
    "of many short series: alerting rules, at every minute",
    async () => {
      const [first = [], second = []] = casesOf(6, 420, 90);
      const halves = [first, [...second, ...objectives.flatMap((objective) => shapesOf(objective, 420))]];
      await Promise.all(
        halves.map(async (cases) => {
          const verdicts = cases.map(verdictsOf);
          verdicts.forEach(expectFrozen);
          expect(await promtool(alertTests(cases, verdicts), alertRules)).toMatch(success);
        }),
      );
      say("short", halves, halves.flat().length * 420 * windows.length);
    },
    timeoutMs,
  );

  test(
    "of long series: expressions, around what changes and at other minutes",
    async () => {
      const halves = casesOf(4, 5_000, 1_000);
      const compared = await Promise.all(
        halves.map(async (cases) => {
          const verdicts = cases.map(verdictsOf);
          verdicts.forEach(expectFrozen);
          const { tests, compared } = burnTests(cases, verdicts, random);
          expect(await promtool(tests)).toMatch(success);
          return compared;
        }),
      );
      say(
        "long",
        halves,
        compared.reduce((a, b) => a + b),
      );
    },
    timeoutMs,
  );

  test("and it would notice if ours were a minute late", async () => {
    const [objective] = objectives;
    if (objective === undefined) throw new Error("There are objectives.");
    const counts = Array.from({ length: 60 }, (_, minute) => ({ total: 100, bad: minute < 30 ? 0 : 100 }));
    const one: Case = { id: "one", objective, counts, turns: [30] };
    const [right, late] = [
      verdictsOf(one),
      verdictsOf({ ...one, counts: [{ total: 100, bad: 0 }, ...counts.slice(0, -1)] }),
    ];
    expect(await promtool(alertTests([one], [right]), alertRules)).toMatch(success);
    expect(await promtool(alertTests([one], [late]), alertRules)).toMatch(/FAILED:\n +alertname: page-6h, time: 30m/);
    expect(await promtool(burnTests([one], [right], random).tests)).toMatch(success);
    expect(await promtool(burnTests([one], [late], random).tests)).toMatch(
      /FAILED:(\n.*)+ time: 30m,\n +exp: .* 0E\+00\n +got: .* 1E\+00/,
    );
  });
});
