import { type Baseline, detector } from "./detector.ts";

/**
 * A one-sided CUSUM for Poisson counts (Lucas, Technometrics 1985), kept in units of evidence: each minute adds the log of how much better its refusals fit the bad rate than the
 * usual one. In refusals that is a reference value k = (bad - usual) / ln(bad / usual) a minute and a decision h = evidence / ln(bad / usual).
 *
 * How k = 2 and h = 8 at a rate of 1 carry over to other rates: the bad rate lies as many standard deviations of the usual above it, and the evidence asked for is the same. At rate 1,
 * k = 2 has a bad rate of 1 + 2.513, and h = 8 is 8 * ln(3.513) = 10.05 of evidence. As false alarms depend on the evidence almost alone, they are about as rare at all rates. And
 * evidence, unlike a count, keeps its meaning when the baseline moves under it.
 *
 *     usual rate   0.05   0.2    1    5      10     30
 *     k            0.22   0.59   2    7.5    13.6   36
 *     h            4.0    5.3    8    13.3   17.2   27
 */
const shift = 2.513;
const evidence = 8 * Math.log(1 + shift);

/** Refusals a minute that nobody need explain: three an hour. Stands for the baseline where there is none, or none were refused. */
const lowestRate = 0.05;

const minAttempts = 20;
const minPrincipals = 2;

export const authMismatch = detector(
  {
    name: "auth_mismatch",
    severity: "ticket",
    failureMode: "C3",
    method:
      "one-sided Poisson CUSUM on refusals (401, 403) a minute against their rate, or their part of the attempts, in seven days",
    threshold: "k = 2, h = 8 at one refusal a minute; at other rates the same evidence for as many deviations",
    minimumSample: "20 attempts and 2 principals since refusals began to pile up",
  },
  {
    weigh(cell, baseline) {
      const observed = cell.refused ?? 0;
      const sample = cell.attempts ?? 0;
      const expected = usualOf(baseline, sample);
      const bad = badOf(expected);
      const excess = observed * Math.log(bad / expected) - (bad - expected);
      return { excess, sample, observed, expected, ...(cell.refusedBy && { principals: cell.refusedBy }) };
    },
    ceiling: () => evidence,
    judge({ excess, minutes, sample, observed, expected, principals = [] }) {
      if (excess < evidence || sample < minAttempts || principals.length < minPrincipals) return undefined;
      const usual = expected / minutes;
      const bad = badOf(usual);
      return {
        observed,
        expected,
        // Exact where each minute of the run had as many to expect as the next.
        threshold: ((bad - usual) * minutes + evidence) / Math.log(bad / usual),
        sample,
        detail: `${observed} calls by several principals were refused (401 or 403) within ${minutes} min, where ${expected.toFixed(1)} would be usual: look for expired or rotated credentials, and for changed scopes.`,
      };
    },
  },
);

/**
 * Refusals to expect of a minute: their rate in the baseline; or their part of its attempts, if that is more. A busy hour has more of everything: by the rate alone, a server used in
 * working hours only, hence four times as busy then as on average, would be found mismatched each morning.
 */
function usualOf({ cell, minutes }: Baseline, attempts: number): number {
  const { refused = 0, attempts: allAttempts = 0 } = cell;
  const rate = minutes > 0 ? refused / minutes : 0;
  const part = allAttempts > 0 ? refused / allAttempts : 0;
  return Math.max(lowestRate, rate, part * attempts);
}

const badOf = (usual: number): number => usual + shift * Math.sqrt(usual);
