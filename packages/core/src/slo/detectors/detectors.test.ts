import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addCells, type Cell, emptyCell } from "../cell.ts";
import { detectors } from "./all.ts";
import { authMismatch } from "./auth-mismatch.ts";
import { type Baseline, type Detector, type DetectorState, type Finding, recentMinutes } from "./detector.ts";
import { policyDrift } from "./policy-drift.ts";
import { retryAmplification, retryStorm } from "./retries.ts";
import { silentRegression } from "./silent-regression.ts";

const week = 10_080;
const start = 29_000_000;
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

interface Watched {
  /** In which minutes, from 0, something was found. */
  readonly at: number[];
  readonly findings: Finding[];
  readonly state: DetectorState | undefined;
}

/** Shows a detector the minutes that `called` names; all of them, if it names none. The state goes through JSON, as it would through a database. */
function watch(detector: Detector, cells: readonly Cell[], baseline: Baseline, called?: readonly number[]): Watched {
  const padded = [...times(recentMinutes - 1, emptyCell), ...cells];
  const at: number[] = [];
  const findings: Finding[] = [];
  let state: DetectorState | undefined;
  for (const minute of called ?? cells.keys()) {
    const recent = padded.slice(minute, minute + recentMinutes);
    const next = detector.step(state, { minute: start + minute, recent, baseline });
    state = next.state && JSON.parse(JSON.stringify(next.state));
    if (next.finding) {
      at.push(minute);
      findings.push(next.finding);
    }
  }
  return { at, findings, state };
}

const refusals = (refused: number, of: readonly string[] = ["ann", "bob"], attempts = 20): Cell => ({
  attempts,
  ...(refused > 0 && { refused, refusedBy: of }),
});
const retries = (attempts: number, retries: number): Cell => ({ attempts, retries });
const answers = (attempts: number, rejected: number): Cell => ({ attempts, rejected });
/** So many scores of one value, in thousandths. */
const scores = (count: number, score: number): Cell => ({
  scores: { [Math.floor(score / 10)]: count },
  scoreSum: count * score,
  scoreSquares: count * score * score,
});

const refusedOnceAMinute: Baseline = { cell: { refused: week, attempts: 20 * week }, minutes: week };
const unknown: Baseline = { cell: emptyCell, minutes: 0 };
/** Two hundred scores, 800 on average, with a deviation of 100. */
const scored: Baseline = { cell: addCells(scores(100, 700), scores(100, 900)), minutes: week };
const alwaysPerfect: Baseline = { cell: scores(200, 1000), minutes: week };

describe.each<[string, Detector, Baseline, readonly Cell[], readonly number[]]>([
  ["refusals at their usual rate are usual", authMismatch, refusedOnceAMinute, times(100, refusals(1)), []],
  [
    "four times as many refusals of four times as many attempts are usual",
    authMismatch,
    refusedOnceAMinute,
    times(100, refusals(4, ["ann", "bob"], 80)),
    [],
  ],
  [
    "refusals at twice their usual rate are let pass: k = 2",
    authMismatch,
    refusedOnceAMinute,
    times(100, refusals(2)),
    [],
  ],
  [
    "five a minute instead of one are found in the third minute: h = 8",
    authMismatch,
    refusedOnceAMinute,
    times(9, refusals(5)),
    [2],
  ],
  ["a burst is found at once", authMismatch, refusedOnceAMinute, [refusals(1), refusals(20)], [1]],
  ["a server of which nothing is known is judged too", authMismatch, unknown, [refusals(0), refusals(6)], [1]],
  [
    "and so is one that never refused anybody",
    authMismatch,
    { cell: { attempts: week }, minutes: week },
    [refusals(6)],
    [0],
  ],
  [
    "a few refusals, far between, are nobody's",
    authMismatch,
    unknown,
    times(20, [refusals(2), ...times(9, refusals(0))]).flat(),
    [],
  ],
  [
    "one principal with a wrong password is not a mismatch",
    authMismatch,
    unknown,
    times(30, refusals(20, ["ann"])),
    [],
  ],
  ["the second principal makes it one", authMismatch, unknown, [refusals(9, ["ann"]), refusals(9, ["bob"])], [1]],
  ["nineteen attempts are too few", authMismatch, unknown, [refusals(19, ["ann", "bob"], 19)], []],
  [
    "twenty are not, even if some came a minute later",
    authMismatch,
    unknown,
    [refusals(10, ["ann", "bob"], 10), refusals(10, ["ann", "bob"], 10)],
    [1],
  ],
  ["long as it lasts, an episode is found once", authMismatch, refusedOnceAMinute, times(600, refusals(9)), [1]],
  [
    "after quiet, the next one is found again",
    authMismatch,
    refusedOnceAMinute,
    [...times(60, refusals(9)), ...times(15, refusals(1)), refusals(20)],
    [1, 75],
  ],
  [
    "a pause in it does not make it two",
    authMismatch,
    refusedOnceAMinute,
    [...times(9, refusals(9)), ...times(9, refusals(0)), ...times(9, refusals(9))],
    [1],
  ],

  ["a tenth of retries is within the budget", retryStorm, unknown, times(60, retries(100, 10)), []],
  ["more than that for five minutes is a storm", retryStorm, unknown, times(9, retries(100, 12)), [4]],
  [
    "four minutes of it, made up for in the fifth, are none",
    retryStorm,
    unknown,
    [...times(4, retries(100, 60)), retries(2000, 0)],
    [],
  ],
  [
    "a minute without traffic starts it over",
    retryStorm,
    unknown,
    [...times(4, retries(100, 60)), emptyCell, ...times(5, retries(100, 60))],
    [9],
  ],
  [
    "good minutes before it do not delay it",
    retryStorm,
    unknown,
    [...times(30, retries(1000, 0)), ...times(5, retries(100, 60))],
    [34],
  ],
  ["nineteen attempts are too few", retryStorm, unknown, [...times(4, retries(4, 3)), retries(3, 3)], []],
  ["seven retries above a tenth are too few", retryStorm, unknown, times(9, retries(4, 1)), []],
  [
    "what is too small a sample after five minutes may be enough later",
    retryStorm,
    unknown,
    times(20, retries(4, 1)),
    [13],
  ],
  ["a storm of hours is found once", retryStorm, unknown, times(300, retries(100, 50)), [4]],
  [
    "nine quiet minutes do not end it",
    retryStorm,
    unknown,
    [...times(5, retries(99, 50)), ...times(9, retries(99, 0)), ...times(5, retries(99, 50))],
    [4],
  ],
  [
    "ten do, and the next one is found again",
    retryStorm,
    unknown,
    [...times(5, retries(99, 50)), ...times(10, retries(99, 0)), ...times(5, retries(99, 50))],
    [4, 19],
  ],

  ["twice the accepted is allowed", retryAmplification, unknown, times(60, answers(100, 50)), []],
  ["more than that for two minutes is not", retryAmplification, unknown, times(9, answers(100, 51)), [1]],
  ["nor if nothing at all is accepted", retryAmplification, unknown, times(9, answers(100, 100)), [1]],
  [
    "one minute of it is none",
    retryAmplification,
    unknown,
    [answers(100, 90), answers(100, 0), answers(100, 90), answers(100, 0)],
    [],
  ],
  ["ninety-nine attempts are too few", retryAmplification, unknown, [answers(50, 50), answers(49, 49)], []],

  [
    "one executed call against the decision is found",
    policyDrift,
    unknown,
    [{ attempts: 9 }, { attempts: 9, drifted: 1 }],
    [1],
  ],
  ["a call that was allowed is not", policyDrift, unknown, times(60, { attempts: 9 }), []],
  ["many in a row are one episode", policyDrift, unknown, times(60, { attempts: 9, drifted: 2 }), [0]],
  [
    "one every nine minutes is one episode too",
    policyDrift,
    unknown,
    times(9, [{ drifted: 1 }, ...times(8, emptyCell)]).flat(),
    [0],
  ],
  [
    "after ten quiet minutes it is another",
    policyDrift,
    unknown,
    [{ drifted: 1 }, ...times(10, emptyCell), { drifted: 1 }],
    [0, 11],
  ],

  ["scores as usual are usual", silentRegression, scored, times(30, [scores(1, 700), scores(1, 900)]).flat(), []],
  ["scores half a deviation lower are let pass: k = 0.5", silentRegression, scored, times(100, scores(1, 750)), []],
  [
    "a minute's mean lower by two of its deviations is found at the fourth: h = 5",
    silentRegression,
    scored,
    times(9, scores(5, 710)),
    [3],
  ],
  ["more scores a minute say more", silentRegression, scored, times(9, scores(10, 700)), [1]],
  [
    "minutes without scores neither add nor take away",
    silentRegression,
    scored,
    times(5, [scores(5, 710), ...times(59, emptyCell)]).flat(),
    [180],
  ],
  ["better scores are no regression", silentRegression, scored, times(100, scores(9, 1000)), []],
  ["nineteen scores are too few, however bad", silentRegression, scored, [scores(19, 0)], []],
  ["twenty are enough", silentRegression, scored, [scores(20, 0)], [0]],
  [
    "a baseline that never varied does not make every score a catastrophe",
    silentRegression,
    alwaysPerfect,
    times(30, scores(5, 998)),
    [],
  ],
  ["but a fall from it is found", silentRegression, alwaysPerfect, times(9, scores(5, 980)), [3]],
  [
    "nineteen scores are no baseline",
    silentRegression,
    { cell: scores(19, 1000), minutes: week },
    times(60, scores(5, 0)),
    [],
  ],
  ["a regression is found once", silentRegression, scored, times(600, scores(5, 710)), [3]],
  [
    "and again after the scores were good for a while",
    silentRegression,
    scored,
    [...times(9, scores(5, 710)), ...times(12, scores(5, 850)), ...times(9, scores(5, 710))],
    [3, 24],
  ],
])("%s", (_, detector, baseline, cells, expected) => {
  test(`${detector.name}: ${expected.length === 0 ? "nothing" : `minute ${expected}`}`, () => {
    expect(watch(detector, cells, baseline).at).toEqual(expected);
  });
});

test.each<[Detector, Baseline, readonly Cell[], Finding]>([
  [
    authMismatch,
    refusedOnceAMinute,
    times(3, refusals(5)),
    {
      observed: 15,
      expected: 3,
      threshold: expect.closeTo(14, 2),
      sample: 60,
      detail:
        "15 calls by several principals were refused (401 or 403) within 3 min, where 3.0 would be usual: look for expired or rotated credentials, and for changed scopes.",
    },
  ],
  [
    retryStorm,
    { cell: { attempts: 1000, retries: 20 }, minutes: week },
    times(5, retries(100, 30)),
    {
      observed: 150,
      expected: 10,
      threshold: 50,
      sample: 500,
      detail:
        "150 of 500 attempts within 5 min were retries, over 10 %: callers repeat without enough backoff, or what they call keeps failing.",
    },
  ],
  [
    retryAmplification,
    unknown,
    times(2, answers(100, 75)),
    {
      observed: 200,
      expected: 50,
      threshold: 100,
      sample: 200,
      detail:
        "200 attempts within 2 min, of which the server accepted 50: it is asked over twice as often as it can answer. Shed or pause callers before anything else.",
    },
  ],
  [
    policyDrift,
    unknown,
    [{ attempts: 9, drifted: 1 }],
    {
      observed: 1,
      expected: 0,
      threshold: 0,
      sample: 9,
      detail:
        '1 call was executed although the decision was not "allow": look for an override, or for a way round the policy.',
    },
  ],
  [
    silentRegression,
    scored,
    times(4, scores(5, 710)),
    {
      observed: 710,
      expected: 800,
      threshold: expect.closeTo(721.7, 1),
      sample: 20,
      detail:
        "The last 20 scores are 0.710 on average, where 0.800 is usual: quality fell, though calls may go well. Compare with the last release of the server, its model or its data.",
    },
  ],
])("$name says what it saw, what is usual and what was too much", (detector, baseline, cells, expected) => {
  expect(watch(detector, cells, baseline).findings).toEqual([expected]);
});

/** Minutes in which a bit of everything happens, and now and then much: near all thresholds. */
const few = fc.integer({ min: 0, max: 6 });
const cell: fc.Arbitrary<Cell> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(emptyCell) },
  {
    weight: 5,
    arbitrary: fc
      .record({
        attempts: fc.integer({ min: 1, max: 60 }),
        rejectedPart: fc.double({ min: 0, max: 1, noNaN: true }),
        refused: few,
        refusedBy: fc.constantFrom(["ann"], ["bob"], ["ann", "bob"]),
        retries: few,
        drifted: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
        scored: few,
        score: fc.integer({ min: 600, max: 950 }),
      })
      .map(({ rejectedPart, scored, score, refused, refusedBy, ...rest }) => ({
        ...rest,
        rejected: Math.round(rest.attempts * rejectedPart),
        ...(scored > 0 && scores(scored, score)),
        ...(refused > 0 && { refused, refusedBy }),
      })),
  },
);
/** Stretches of one kind, so that episodes begin and end. */
const cells = fc
  .array(fc.tuple(fc.array(cell, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 8 })), {
    minLength: 4,
    maxLength: 12,
  })
  .map((stretches) => stretches.flatMap(([some, count]) => times(count, some).flat()));
const usual: Baseline = {
  cell: { ...scored.cell, refused: week / 2, attempts: week * 9, retries: week / 10 },
  minutes: week,
};

describe.each(detectors)("$name", (detector) => {
  test("counts each minute once, however often it is called and however many it skips, up to ten", () => {
    let found = 0;
    fc.assert(
      fc.property(cells, fc.array(fc.integer({ min: 0, max: recentMinutes }), { minLength: 1 }), (all, gaps) => {
        const called = [0];
        for (let turn = 0; (called.at(-1) as number) < all.length - 1; turn++) {
          const gap = gaps.every((one) => one === 0) ? 1 : (gaps[turn % gaps.length] as number);
          called.push(Math.min(all.length - 1, (called.at(-1) as number) + gap));
        }
        const each = watch(detector, all, usual);
        const some = watch(detector, all, usual, called);
        found += each.findings.length;
        expect(some.state).toEqual(each.state);
        expect(some.findings).toEqual(each.findings);
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(0);
  });

  test("remembers nothing of a healthy server", () => {
    const healthy: Cell = { attempts: 50, retries: 1, rejected: 1, ...scores(3, 830) };
    expect(watch(detector, times(60, healthy), usual).state).toBeUndefined();
    expect(watch(detector, times(60, emptyCell), unknown).state).toBeUndefined();
  });

  test("takes minutes that nobody showed it for empty", () => {
    const worse: Cell = { ...retries(30, 9), rejected: 20, ...refusals(4), ...scores(2, 700) };
    for (let gap = 1; gap < 40; gap++) {
      const all = [worse, ...times(gap, emptyCell), worse];
      expect(watch(detector, all, unknown, [0, gap + 1])).toEqual(watch(detector, all, unknown));
      expect(watch(detector, all, usual, [0, gap + 1])).toEqual(watch(detector, all, usual));
    }
  });

  test("takes up what it left after a gap of any length", () => {
    const bad: Cell = {
      attempts: 500,
      retries: 400,
      rejected: 400,
      refused: 90,
      refusedBy: ["ann", "bob"],
      drifted: 9,
      ...scores(9, 0),
    };
    const { state } = watch(detector, times(10, bad), usual);
    expect(state?.alarmedAt).toBe(start + 9);
    const later = { minute: start + 600_000, recent: times(recentMinutes, bad), baseline: usual };
    const next = detector.step(state, later);
    expect(next.state?.minute).toBe(later.minute);
    expect(detector.step(next.state, later)).toEqual({ state: next.state });
    expect(detector.step(next.state, { ...later, minute: start })).toEqual({ state: next.state }); // a clock that went back
  });
});

test("each detector says what it does", () => {
  expect(detectors.map(({ name }) => name)).toEqual([...new Set(detectors.map(({ name }) => name))].sort());
  for (const { step: _, ...about } of detectors)
    expect(Object.values(about).every((words) => words.length > 0)).toBe(true);
});
