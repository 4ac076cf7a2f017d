import { type Cell, countOf } from "../cell.ts";
import { type Baseline, detector } from "./detector.ts";

/** A shift by one deviation is what the sum is tuned to find: half of it is let pass each minute (Page, Biometrika 1954; Montgomery, chapter 9). */
const slack = 0.5;
const decision = 5;

/** At k = 0.5, h = 5 such a sum alarms once in 938 scored minutes by mere chance: seldom for an evaluation an hour, but eleven times a week where every minute has scores. */
const weeksBetweenFalseAlarms = 4;
const minutesAWeek = 10_080;

const minBaseline = 20;
/** In the run. Fewer, where each is all or nothing, are too often bad by chance. */
const minScores = 20;
/** Thousandths. A baseline that is always the same would make any other score infinitely unlikely; and scores are no finer than this. */
const leastDeviation = 10;
/** A minute's mean is not trusted further than the baseline's own: with no more than this part of its scores, the baseline's error stays within a quarter of the minute's. */
const mostOfBaseline = 1 / 16;

export const silentRegression = detector(
  {
    name: "silent_regression",
    severity: "ticket",
    failureMode: "C6",
    method: "lower CUSUM on the mean score of each minute that has any, standardised by seven days",
    threshold: "k = 0.5, h = 5; above 238 scores a week h grows with their logarithm, up to 8.7",
    minimumSample: "20 scores in the baseline, and 20 since they began to fall",
  },
  {
    weigh(cell, baseline) {
      const usual = spreadOf(baseline.cell);
      const { scores, sum } = scoresOf(cell);
      if (scores === 0 || usual.scores < minBaseline) return undefined;
      const trusted = Math.max(1, Math.min(scores, usual.scores * mostOfBaseline));
      const below = ((usual.mean - sum / scores) / usual.deviation) * Math.sqrt(trusted);
      return { excess: below - slack, sample: scores, observed: sum, expected: scores * usual.mean };
    },
    ceiling: decisionOf,
    judge({ excess, minutes, sample, observed, expected }, baseline) {
      const enough = decisionOf(baseline);
      if (excess < enough || sample < minScores) return undefined;
      const { deviation } = spreadOf(baseline.cell);
      const [now, mean] = [observed / sample, expected / sample];
      return {
        observed: now,
        expected: mean,
        // Exact where each minute of the run has as many scores as the next.
        threshold: mean - deviation * Math.sqrt(minutes / sample) * (slack + enough / minutes),
        sample,
        detail: `The last ${sample} scores are ${fraction(now)} on average, where ${fraction(mean)} is usual: quality fell, though calls may go well. Compare with the last release of the server, its model or its data.`,
      };
    },
  },
);

/**
 * h: such that false alarms are at least so many weeks apart. A sum with k = 0.5 alarms by chance once in 2 * e^(h + 1.166) minutes (Siegmund, Sequential Analysis, 1985); and a
 * week has no more scored minutes than it has scores.
 */
function decisionOf({ cell }: Baseline): number {
  const scored = Math.min(minutesAWeek, scoresOf(cell).scores) * weeksBetweenFalseAlarms;
  return Math.max(decision, Math.log(scored / 2) - 1.166);
}

function scoresOf(cell: Cell): { readonly scores: number; readonly sum: number } {
  return { scores: countOf({ sli: "quality" }, cell).total, sum: cell.scoreSum ?? 0 };
}

function spreadOf(cell: Cell): { readonly scores: number; readonly mean: number; readonly deviation: number } {
  const { scores, sum } = scoresOf(cell);
  const mean = sum / scores;
  const variance = (cell.scoreSquares ?? 0) / scores - mean * mean;
  return { scores, mean, deviation: Math.max(leastDeviation, Math.sqrt(Math.max(0, variance))) };
}

const fraction = (thousandths: number): string => (thousandths / 1000).toFixed(3);
