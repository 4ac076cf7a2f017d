import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type Evaluation, watchBudgets } from "@tooltrail/core/slo/watch-budgets";
import { evaluator } from "#log";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";

const logger = loggerOf("evaluate");
await evaluator(); // what is missing is said at the start

/** Woken by the clock, and by calls that went badly: error budgets are computed, detectors run, and what has changed is said on the bus. */
export const handler = lambda(logger, async (): Promise<Evaluation> => {
  const ports = await evaluator();
  const evaluation = await onLog(logger, ports.events, () => watchBudgets(ports, ports.now()));
  logger.info("evaluated", { ...evaluation });
  metrics.addMetric("SlosEvaluated", MetricUnit.Count, evaluation.slos);
  metrics.addMetric("AlertsFiring", MetricUnit.Count, evaluation.firing);
  return evaluation;
});
