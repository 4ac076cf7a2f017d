import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type Rebuilt, rebuild } from "@tooltrail/core/log/rebuild";
import { type Reconciled, reconcile, reconcileAll } from "@tooltrail/core/log/reconcile";
import { reconciler } from "#log";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";

const logger = loggerOf("reconcile");
await reconciler(); // what is missing is said at the start

/** An input that is begun is ended within it. */
const reserveMs = 20_000;

/** What a person asks for by hand. A schedule's event has none of it. */
interface Asked {
  /** Set the log's head anew from its objects, and the index from the old head on, or from this leaf; then look at the whole ledger. */
  readonly rebuild?: true;
  readonly indexFrom?: number;
  /** Look at the whole ledger. */
  readonly all?: true;
}

/** By the clock: batches of the ledger that the stream has not brought. By hand: the log's head, after it was restored or lost. */
export const handler = lambda(logger, async (event: Asked, context): Promise<Reconciled | (Rebuilt & Reconciled)> => {
  const ports = await reconciler();
  const hasTime = (): boolean => context.getRemainingTimeInMillis() > reserveMs;
  return onLog(logger, ports.events, async () => {
    if (event.rebuild === true) {
      const rebuilt = await rebuild(ports, event.indexFrom);
      logger.warn("the head was set anew", { ...rebuilt });
      // Also what has just arrived: the stream may have brought it before, into leaves that are lost.
      const reconciled = await reconcileAll(ports, { sinceMs: 0, nowMs: Number.POSITIVE_INFINITY, hasTime });
      logger.warn("the ledger was looked through", { ...reconciled });
      return { ...rebuilt, ...reconciled };
    }
    const nowMs = ports.now();
    const sinceMs = event.all === true ? 0 : Math.max(0, nowMs - ports.lookBackMs);
    const reconciled = await reconcile(ports, { sinceMs, nowMs, hasTime });
    if (reconciled.found > 0) logger.warn("the stream had not brought all", { ...reconciled });
    metrics.addMetric("BatchesReconciled", MetricUnit.Count, reconciled.found);
    return reconciled;
  });
});
