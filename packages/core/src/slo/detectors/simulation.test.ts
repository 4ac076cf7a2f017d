import { afterAll, expect, test } from "vitest";
import { type Cell, emptyCell } from "../cell.ts";
import type { Count } from "../slo.ts";
import { authMismatch } from "./auth-mismatch.ts";
import { type Baseline, type Detector, type DetectorState, recentMinutes } from "./detector.ts";
import { policyDrift } from "./policy-drift.ts";
import { retryAmplification, retryStorm } from "./retries.ts";
import { schemaBreakage } from "./schema-breakage.ts";
import { silentRegression } from "./silent-regression.ts";

/*
 * How often the detectors cry wolf, and how long they take, by simulation. Each row has its own chance, made of the seed and its name; TOOLTRAIL_SEED=… repeats a run.
 *
 * Bounds hold with slack for any seed: they lie at five deviations or more from what many runs came to. What is printed without a bound is there because it is not good.
 */
const seed = Number(process.env.TOOLTRAIL_SEED ?? Date.now() % 2 ** 32);
const lines: string[] = [];
afterAll(() => console.info([`TOOLTRAIL_SEED=${seed}`, ...lines].join("\n")));

type Chance = () => number;

/** Mulberry32: 0 up to 1. */
function chance(name: string): Chance {
  let state = seed;
  for (const letter of name) state = Math.imul(state ^ letter.charCodeAt(0), 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Draw = (random: Chance) => number;

/** Inverts a distribution on 0, 1, …, told by the ratio of neighbours. */
function inverse(none: number, up: (x: number) => number): Draw {
  const sums = [none];
  for (let x = 0, term = none, sum = none; x < 1000 && sum < 1 - 1e-12; x++) {
    term *= up(x);
    sum += term;
    sums.push(sum);
  }
  return (random) => {
    const at = random();
    let x = 0;
    while (x < sums.length - 1 && at > (sums[x] as number)) x++;
    return x;
  };
}

const normal: Draw = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Beyond what can be inverted, a normal with the same mean and deviation is near enough. */
const poisson = (mean: number): Draw =>
  mean > 400
    ? (random) => Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
    : inverse(Math.exp(-mean), (x) => mean / (x + 1));

/** As many as `attempts` says, each of which is bad with a probability of `p`. */
function among(attempts: Draw, p: number): (random: Chance) => { readonly made: number; readonly bad: number } {
  const tables = new Map<number, Draw>();
  return (random) => {
    const made = attempts(random);
    const table = tables.get(made) ?? inverse((1 - p) ** made, (x) => ((made - x) / (x + 1)) * (p / (1 - p)));
    tables.set(made, table);
    return { made, bad: table(random) };
  };
}

/** A server's minutes: `index` counts from the beginning of the week. */
type Minute = (random: Chance, index: number) => Cell;
interface World {
  readonly healthy: Minute;
  /** What the detector believes to be usual: estimated anew for each week, from as much as it would have. */
  readonly baseline: (random: Chance) => Baseline;
  readonly broken: Minute;
}

const week = 10_080;

/** Episodes found a week. Every tenth minute is enough, as `detectors.test.ts` shows. */
function falseAlarms(detector: Detector, { healthy, baseline }: World, weeks: number, random: Chance): number {
  let found = 0;
  for (let one = 0; one < weeks; one++) {
    const usual = baseline(random);
    let state: DetectorState | undefined;
    for (let minute = 0; minute < week; minute += recentMinutes) {
      const recent = Array.from({ length: recentMinutes }, (_, past) => healthy(random, minute + past));
      const next = detector.step(state, { minute: minute + recentMinutes - 1, recent, baseline: usual });
      state = next.state;
      if (next.finding) found++;
    }
  }
  return found / weeks;
}

/** In which minute after the shift it was found; 1 is the first. After an hour of health, in which an alarm does not count. */
function delays(detector: Detector, { healthy, broken, baseline }: World, trials: number, random: Chance): number[] {
  const longest = 1440;
  const found: number[] = [];
  while (found.length < trials) {
    const usual = baseline(random);
    let recent: readonly Cell[] = Array.from({ length: recentMinutes }, () => emptyCell);
    let state: DetectorState | undefined;
    let delay = longest;
    for (let minute = -60; minute < longest; minute++) {
      recent = [...recent.slice(1), (minute < 0 ? healthy : broken)(random, minute + week)];
      const next = detector.step(state, { minute: minute + week, recent, baseline: usual });
      state = next.state;
      if (next.finding) {
        delay = minute + 1;
        break;
      }
    }
    if (delay > 0) found.push(delay);
  }
  return found.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;

const attempts = 40;
/** Refusals of three principals. */
const refusals = (rate: number, busy = 1): Minute => {
  const draw = poisson(rate * busy);
  return (random) => {
    const refused = draw(random);
    const refusedBy = [...new Set(Array.from({ length: Math.min(2, refused) }, () => `p${Math.floor(random() * 3)}`))];
    return { attempts: attempts * busy, ...(refused > 0 && { refused, refusedBy }) };
  };
};
/** `learnt`: of how many minutes the baseline knows. */
const refusing = (rate: number, broken: number, learnt = week): World => {
  const before = poisson(rate * learnt);
  return {
    healthy: refusals(rate),
    broken: refusals(broken),
    baseline: (random) => ({ cell: { refused: before(random), attempts: attempts * learnt }, minutes: learnt }),
  };
};
/** Everything happens within 40 hours of the week, eight of each of five days. */
const inWorkingHours = (rate: number, broken: number): World => {
  const works = (index: number): boolean => index % week < 5 * 1440 && index % 1440 < 480;
  const minute = (mean: number): Minute => {
    const busy = refusals(mean, 168 / 40);
    return (random, index) => (works(index) ? busy(random, index) : emptyCell);
  };
  return { ...refusing(rate, broken), healthy: minute(rate), broken: minute(broken) };
};
const byRateAlone = (world: World): World => ({
  ...world,
  baseline: (random) => {
    const { cell, minutes } = world.baseline(random);
    return { cell: { refused: cell.refused ?? 0 }, minutes };
  },
});
/** Whoever is refused tries twice more within the minute: three calls, which counters count as one refusal. */
const refusingInThrees = (rate: number, broken: number): World => {
  const draw = poisson(rate / 3);
  return {
    ...refusing(rate, broken),
    healthy: (random) => {
      const refused = draw(random);
      return { attempts, ...(refused > 0 && { refused, refusedBy: [`p${Math.floor(random() * 3)}`] }) };
    },
  };
};

const noBaseline = (): Baseline => ({ cell: emptyCell, minutes: 0 });
/** Of so many attempts each minute, a part is repeated (or rejected). */
const attempting = (what: "retries" | "rejected", each: number, part: number, broken: number): World => {
  const minute = (p: number): Minute => {
    const draw = among(poisson(each), p);
    return (random) => {
      const { made, bad } = draw(random);
      return { attempts: made, [what]: bad };
    };
  };
  return { healthy: minute(part), broken: minute(broken), baseline: noBaseline };
};

function scores(count: number, one: () => number): Cell {
  let scoreSum = 0;
  let scoreSquares = 0;
  for (let made = 0; made < count; made++) {
    const score = Math.round(one());
    scoreSum += score;
    scoreSquares += score * score;
  }
  // Which buckets they are in is nothing to the detector.
  return { scores: { 80: count }, scoreSum, scoreSquares };
}
/** As many scores of this mean and deviation. */
const scored = (count: number, mean: number, deviation: number): Cell => ({
  scores: { 80: count },
  scoreSum: count * mean,
  scoreSquares: count * (mean ** 2 + deviation ** 2),
});
/** `count` scores each so many minutes, of 700 on average with a deviation of 100. */
const scoring = (count: number, every: number, fall = 100): World => {
  const minute =
    (mean: number): Minute =>
    (random, index) =>
      index % every === 0 ? scores(count, () => mean + 100 * normal(random)) : emptyCell;
  const before = (count * week) / every;
  return {
    healthy: minute(700),
    broken: minute(700 - fall),
    baseline: (random) => ({
      cell: scored(before, 700 + (100 / Math.sqrt(before)) * normal(random), 100),
      minutes: week,
    }),
  };
};
/** Tests that pass or fail, so that a score is 1,000 or nothing. */
const passing = (count: number, every: number, part: number, broken: number): World => {
  const minute =
    (p: number): Minute =>
    (random, index) =>
      index % every === 0 ? scores(count, () => (random() < p ? 1000 : 0)) : emptyCell;
  const before = (count * week) / every;
  const deviation = 1000 * Math.sqrt(part * (1 - part));
  return {
    healthy: minute(part),
    broken: minute(broken),
    baseline: (random) => ({
      cell: scored(before, part * 1000 + (deviation / Math.sqrt(before)) * normal(random), deviation),
      minutes: week,
    }),
  };
};

const drifting: World = {
  healthy: () => ({ attempts: 9 }),
  broken: () => ({ attempts: 9, drifted: 1 }),
  baseline: noBaseline,
};

/** One in thirty days. */
const aMonth = 7 / 30;
/** At most so many false alarms a week, and half of the shifts found within so many minutes. */
interface Bounds {
  readonly alarms: number;
  readonly median: number;
}
type Row = readonly [detector: Detector, usualAndShift: string, world: World, weeks: number, bounds?: Bounds];
const rows: readonly Row[] = [
  [authMismatch, "0.05 refusals a minute; 1", refusing(0.05, 1), 60, { alarms: aMonth, median: 9 }],
  [authMismatch, "1 a minute; 4", refusing(1, 4), 60, { alarms: aMonth, median: 7 }],
  [authMismatch, "10 a minute; 20", refusing(10, 20), 100, { alarms: aMonth, median: 6 }],
  [authMismatch, "1 a minute, all in working hours; 4", inWorkingHours(1, 4), 60, { alarms: aMonth, median: 4 }],
  [authMismatch, "the same, if attempts were not looked at", byRateAlone(inWorkingHours(1, 4)), 20],
  [authMismatch, "1 a minute, learnt in an hour; 4", refusing(1, 4, 60), 30],
  [authMismatch, "1 a minute, in threes; 4", refusingInThrees(1, 4), 20, { alarms: aMonth, median: 8 }],
  [authMismatch, "0.05 a minute, in threes; 1", refusingInThrees(0.05, 1), 20, { alarms: aMonth, median: 10 }],

  [
    retryStorm,
    "2 % of 4 attempts a minute; 30 %",
    attempting("retries", 4, 0.02, 0.3),
    40,
    { alarms: aMonth, median: 15 },
  ],
  [
    retryStorm,
    "2 % of 20 attempts a minute; 30 %",
    attempting("retries", 20, 0.02, 0.3),
    40,
    { alarms: aMonth, median: 6 },
  ],
  [
    retryStorm,
    "5 % of 20 attempts a minute; 30 %",
    attempting("retries", 20, 0.05, 0.3),
    40,
    { alarms: aMonth, median: 6 },
  ],
  [
    retryStorm,
    "5 % of 200 attempts a minute; 15 %",
    attempting("retries", 200, 0.05, 0.15),
    10,
    { alarms: aMonth, median: 6 },
  ],

  [
    retryAmplification,
    "2 % of 60 rejected; 80 %",
    attempting("rejected", 60, 0.02, 0.8),
    30,
    { alarms: aMonth, median: 3 },
  ],
  [
    retryAmplification,
    "30 % of 60 rejected; 60 %",
    attempting("rejected", 60, 0.3, 0.6),
    30,
    { alarms: aMonth, median: 4 },
  ],

  [silentRegression, "a score a minute; a deviation less", scoring(1, 1), 40, { alarms: 0.4, median: 30 }],
  [
    silentRegression,
    "20 scores an hour; half a deviation less",
    scoring(20, 60, 50),
    100,
    { alarms: 0.6, median: 361 },
  ],
  [silentRegression, "20 tests an hour, 90 % pass; 70 %", passing(20, 60, 0.9, 0.7), 40, { alarms: 0.9, median: 241 }],
  [silentRegression, "a test a minute, 90 % pass; 70 %", passing(1, 1, 0.9, 0.7), 10],
  [silentRegression, "10 tests a minute, 90 % pass; 70 %", passing(10, 1, 0.9, 0.7), 10],

  [policyDrift, "none; one", drifting, 10, { alarms: 0, median: 1 }],
];

const line = (name: string, of: string, alarms: string, median: string, p95: string): string =>
  `${name.padEnd(20)} ${of.padEnd(46)} ${alarms.padStart(14)} ${median.padStart(8)} ${p95.padStart(8)}`;
lines.push(line("detector", "usual; shift", "false a week", "median", "p95"));

test.each(rows.map(([detector, ...rest]) => [detector.name, detector, ...rest] as const))(
  "%s, false alarms and delay",
  (name, detector, usualAndShift, world, weeks, bounds) => {
    const random = chance(name + usualAndShift);
    const alarms = falseAlarms(detector, world, weeks, random);
    const found = delays(detector, world, 200, random);
    const [median, p95] = [quantile(found, 0.5), quantile(found, 0.95)];
    lines.push(line(name, usualAndShift, alarms.toFixed(2), `${median}`, `${p95}`));
    if (!bounds) return;
    expect(alarms).toBeLessThanOrEqual(bounds.alarms);
    expect(median).toBeLessThanOrEqual(bounds.median);
  },
);

test("schema_breakage: false alarms a release, and calls until a shift is found", () => {
  const random = chance("schema_breakage");
  const old: Count = { total: 5000, bad: 50 };
  const asked = (misfits: number, calls: number, each: number): number | undefined => {
    let bad = 0;
    for (let total = 1; total <= calls; total++) {
      if (random() < misfits) bad++;
      if (total % each === 0 && schemaBreakage({ old, new: { total, bad } })) return total;
    }
    return undefined;
  };
  const releases = 1000;
  const part = (each: number): number =>
    Array.from({ length: releases }, () => asked(0.01, 1000, each)).filter((at) => at !== undefined).length / releases;
  const [once, often] = [part(1000), part(10)];
  const found = Array.from({ length: 200 }, () => asked(0.1, 1000, 10) ?? Number.POSITIVE_INFINITY).sort(
    (a, b) => a - b,
  );
  lines.push(
    `schema_breakage      1 % of answers misfit; 10 %: ${once} false alarms a release asked once after 1,000 calls, ${often} asked every 10 calls; found after ${quantile(found, 0.5)} calls (p95 ${quantile(found, 0.95)})`,
  );
  expect(once).toBeLessThanOrEqual(0.03);
  expect(quantile(found, 0.5)).toBeLessThanOrEqual(100);
});
