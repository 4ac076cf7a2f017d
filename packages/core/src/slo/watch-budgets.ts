import { type LeafPorts, openLeaves } from "../follow/leaves.ts";
import { type AlertPorts, type Evaluation, evaluateSlos } from "./alerts.ts";
import { type DetectPorts, detect } from "./detect.ts";
import { type MeasurePorts, measure } from "./measure.ts";
import { readSlos } from "./slos.ts";

export type { Evaluation };

export type BudgetPorts = LeafPorts & AlertPorts & DetectPorts & MeasurePorts;

/**
 * One look at everything that burns: measures tooltrail itself, evaluates every SLO, and runs the detectors. What it says is at least once; what it remembers moves by compare-and-set.
 *
 * @throws AppError halted where the log is not what was signed; unavailable where another one was faster.
 */
export async function watchBudgets(ports: BudgetPorts, nowMs: number): Promise<Evaluation> {
  const log = await openLeaves(ports);
  const behindSinceMs = await measure(ports, log?.size, nowMs);
  const known = await readSlos(ports.projections);
  const evaluation = await evaluateSlos(ports, known, nowMs, behindSinceMs);
  const found = await detect(ports, known, nowMs);
  return { ...evaluation, said: evaluation.said + found };
}
