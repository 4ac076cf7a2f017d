import { upperTail } from "../binomial.ts";
import type { Count } from "../slo.ts";
import type { About, Finding } from "./detector.ts";

const maxChance = 0.01;
const minAnswered = 10;

export const aboutSchemaBreakage: About = {
  name: "schema_breakage",
  severity: "ticket",
  failureMode: "C4",
  method: "Fisher's exact test, one-sided: misfits of answered calls, new version against old",
  threshold: "p <= 0.01",
  minimumSample: "10 answered calls of each version",
};

/**
 * Whether more calls of the new version do not fit their schema than chance allows.
 *
 * Asked again each time that calls come in, it finds something by chance more often than in one of a hundred releases: `simulation.test.ts` tells how often.
 */
export function schemaBreakage(versions: { readonly old: Count; readonly new: Count }): Finding | undefined {
  const { old, new: now } = versions;
  if (old.total < minAnswered || now.total < minAnswered) return undefined;
  const chance = fisherTail(old, now);
  if (chance > maxChance) return undefined;
  return {
    observed: now.bad,
    expected: (old.bad / old.total) * now.total,
    threshold: mostByChance(old, now),
    sample: now.total,
    detail: `${now.bad} of ${now.total} calls of the new version did not fit their schema, where it was ${old.bad} of ${old.total} before (p = ${chance.toPrecision(1)}): compare the definitions of the two.`,
  };
}

/** P(at least as many of the bad ones are new), if it were chance which version each of them met: the hypergeometric upper tail. Good for counts up to 10^7. */
export function fisherTail(old: Count, now: Count): number {
  const bad = old.bad + now.bad;
  const lowest = Math.max(0, bad - old.total);
  const highest = Math.min(now.total, bad);
  const mode = Math.floor(((now.total + 1) * (bad + 1)) / (old.total + now.total + 2));
  const up = (x: number): number => ((bad - x) / (x + 1)) * ((now.total - x) / (old.total - bad + x + 1));
  return upperTail({ lowest, highest, mode: Math.min(highest, Math.max(lowest, mode)), up }, now.bad);
}

/** The most misfits of the new version that would still pass. More of them are never more likely, so halving finds it. */
function mostByChance(old: Count, now: Count): number {
  let passes = 0;
  let fails = now.bad;
  while (fails - passes > 1) {
    const middle = Math.floor((passes + fails) / 2);
    if (fisherTail(old, { total: now.total, bad: middle }) > maxChance) passes = middle;
    else fails = middle;
  }
  return passes;
}
