import type { Projections } from "../follow/ports.ts";
import type { Target } from "../response/response.ts";
import { nearestEdge, nearestScore } from "../slo/buckets.ts";
import { type Cell, countOf } from "../slo/cell.ts";
import { readSelection } from "../slo/counting.ts";
import { toNumber } from "../slo/ratio.ts";
import type { Slo } from "../slo/slo.ts";
import { type Known, readSlos } from "../slo/slos.ts";
import { cellIn, type Span } from "../slo/spans.ts";
import { minuteMs, minuteOf, minutesPerHour } from "../slo/time.ts";
import { wantedOf } from "./cause.ts";
import type { CheckResult, Incident, Measured } from "./incident.ts";

/**
 * What an incident's verification targets come to over a window: each over its whole, so that all speak of the same calls.
 *
 * Fail, where one of them does; else inconclusive, where one has too few calls; else pass.
 *
 * @param window in milliseconds, whole minutes.
 * @throws AppError unavailable where the counters were made anew meanwhile.
 */
export async function measure(
  projections: Pick<Projections, "cursor" | "list" | "read">,
  incident: Incident,
  window: { readonly from: number; readonly to: number },
  nowMs: number,
): Promise<{ readonly result: CheckResult; readonly measured: Measured[] }> {
  const known = await readSlos(projections, nowMs);
  const selection = await known.catalogue.select(wantedOf(incident.cause));
  const span: Span = { from: minuteOf(window.from), to: minuteOf(window.to) };
  const usual: Span = { from: minuteOf(incident.startedAt) - minutesPerHour, to: minuteOf(incident.startedAt) };
  const rows = await readSelection(projections, known.generation, selection, [span, usual]);
  await known.mustBeCurrent();
  const [cell, before] = [cellIn(rows, selection, span), cellIn(rows, selection, usual)];
  const usualCalls = ((before.attempts ?? 0) / minutesPerHour) * ((window.to - window.from) / minuteMs);
  const objective = objectiveOf(known, incident);
  const measured = incident.playbook.verificationTarget.map((target) => ({
    ...target,
    ...figureOf(target, cell, { objective, usualCalls }),
  }));
  return { result: resultOf(measured), measured };
}

type Objective = Pick<Slo, "indicator"> & { readonly budget: number };

/** The objective that has alerted; where none has, or it is gone, that of a hundred calls one may fail. */
function objectiveOf({ slos }: Known, { alerts }: Incident): Objective {
  const sources = new Set(Object.values(alerts).map(({ source }) => source));
  const found = slos.find(({ slo }) => sources.has(slo.name))?.slo;
  if (found === undefined) return { indicator: { sli: "availability", selector: {} }, budget: 0.01 };
  return { indicator: found.indicator, budget: toNumber(found.budget) };
}

interface Given {
  readonly objective: Objective;
  readonly usualCalls: number;
}

/** @returns `measured` is absent where nothing can be said. */
function figureOf(target: Target, cell: Cell, { objective, usualCalls }: Given): Pick<Measured, "measured" | "calls"> {
  const { attempts = 0, retries = 0, refused = 0 } = cell;
  const part = (of: number, calls: number) => (calls === 0 ? { calls } : { measured: rounded(of / calls), calls });
  switch (target.sli) {
    case "burn": {
      const { total, bad } = countOf(objective.indicator, cell);
      return total === 0 ? { calls: 0 } : { measured: rounded(bad / total / objective.budget), calls: total };
    }
    case "retries":
      return part(retries, attempts);
    case "refused":
      return part(refused, attempts);
    case "throughput":
      // What was usual has to be enough; that nobody calls now is what it measures.
      return usualCalls === 0
        ? { calls: 0 }
        : { measured: rounded(attempts / usualCalls), calls: Math.round(usualCalls) };
    default: {
      const { total, bad } = countOf({ sli: target.sli, ...thresholdOf(target) }, cell);
      return part(total - bad, total);
    }
  }
}

/** In the unit of its SLI, at the nearest edge of the buckets that are kept. */
function thresholdOf({ sli, thresholdMs = 0, thresholdPermille = 0 }: Target): {
  threshold?: { asked: number; edge: number };
} {
  if (sli === "quality") return { threshold: { asked: thresholdPermille, edge: nearestScore(thresholdPermille) } };
  if (sli !== "latency" && sli !== "freshness") return {};
  const asked = sli === "latency" ? thresholdMs * 1_000 : thresholdMs;
  return { threshold: { asked, edge: nearestEdge(asked) } };
}

function resultOf(measured: readonly Measured[]): CheckResult {
  const told = measured.map((one) =>
    one.measured === undefined || one.calls < one.minCalls ? undefined : holds(one, one.measured),
  );
  if (told.includes(false)) return "fail";
  return told.includes(undefined) ? "inconclusive" : "pass";
}

function holds({ op, value }: Target, measured: number): boolean {
  switch (op) {
    case ">=":
      return measured >= value;
    case ">":
      return measured > value;
    case "<=":
      return measured <= value;
    case "<":
      return measured < value;
  }
}

/** Six digits tell 0.999999 from 1, and people read them. */
const rounded = (value: number): number => Math.round(value * 1_000_000) / 1_000_000;
