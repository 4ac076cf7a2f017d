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
 * Each has its turn whatever befell those before it: a log that stands still is no reason not to say what burns.
 *
 * @throws AppError halted where the log is not what was signed; unavailable where another look was faster; what a port throws. After all three had their turn.
 */
export async function watchBudgets(ports: BudgetPorts, nowMs: number): Promise<Evaluation> {
  const failed: unknown[] = [];
  const attempt = <T>(run: () => Promise<T>): Promise<T | undefined> =>
    run().catch((error: unknown) => void failed.push(error));

  const behindSinceMs = await attempt(async () => measure(ports, (await openLeaves(ports))?.size, nowMs));
  const known = await readSlos(ports.projections, nowMs);
  const evaluation = await attempt(() => evaluateSlos(ports, known, nowMs, behindSinceMs));
  const found = await attempt(() => detect(ports, known, nowMs));
  if (failed.length > 0 || evaluation === undefined) throw failed[0];
  return { ...evaluation, said: evaluation.said + (found ?? 0) };
}
