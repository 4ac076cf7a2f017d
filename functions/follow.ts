import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { readBadTotal } from "@tooltrail/core/follow/counters";
import { follow, type Progress } from "@tooltrail/core/follow/follow";
import { projections } from "@tooltrail/core/follow/projections";
import { sweep } from "@tooltrail/core/follow/sweep";
import type { Context } from "aws-lambda";
import { follower } from "#log";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";
import type { Follower } from "./lib/log-parts.ts";

const logger = loggerOf("follow");
await follower(); // what is missing is said at the start

/** Commits of each projection between two looks at the clock. */
const roundsPerLook = 20;
/** What a look may take, and the sweep after it. */
const reserveMs = 15_000;

const sweepEachMs = 60_000;
let sweptAtMs = Number.NEGATIVE_INFINITY;
/** How many calls had gone badly when the evaluation was woken last. */
let saidBad: number | undefined;

/**
 * Woken by a new checkpoint, and by the clock: every projection goes on up to it. By the clock, what is late by now is said, too; and after a minute without,
 * by whatever woke it, since where there is much to do the clock may find no place.
 */
export const handler = lambda(logger, async (event: Woken, context: Context): Promise<readonly Progress[]> => {
  const ports = await follower();
  return onLog(logger, ports.events, async () => {
    let progress = await follow(ports, projections, roundsPerLook);
    while (progress.some(({ more }) => more) && context.getRemainingTimeInMillis() > reserveMs)
      progress = await follow(ports, projections, roundsPerLook);
    for (const one of progress) report(one, ports.now());
    await sayBad(ports);
    if (event["detail-type"] !== "log.advanced" || ports.now() - sweptAtMs >= sweepEachMs) {
      const { gaps, silent } = await sweep(ports, ports.now());
      sweptAtMs = ports.now();
      metrics.addMetric("EmitterGaps", MetricUnit.Count, gaps);
      metrics.addMetric("EmittersSilent", MetricUnit.Count, silent);
    }
    return progress;
  });
});

/** Wakes the evaluation where more calls have gone badly. Unsaid, it is said with the next call, and the clock's comes within a minute. */
async function sayBad({ projections: rows, events }: Follower): Promise<void> {
  const bad = await readBadTotal(rows);
  if (bad === saidBad || bad === 0) return;
  try {
    await events.publish({ type: "counters.advanced", bad });
    saidBad = bad;
  } catch (error) {
    logger.warn("counters.advanced was not said", error as Error);
  }
}

/** An event of the bus, or what a schedule sends, whatever that is. */
interface Woken {
  readonly "detail-type"?: string;
}

function report({ projection, leaf, behind, waitingSinceMs }: Progress, nowMs: number): void {
  const lagMs = waitingSinceMs === undefined ? 0 : Math.max(0, nowMs - waitingSinceMs);
  logger.info("followed", { projection, leaf, behind, lagMs });
  for (const [name, unit, value] of [
    ["FollowerLag", MetricUnit.Count, behind],
    ["FollowerLagMs", MetricUnit.Milliseconds, lagMs],
  ] as const) {
    const metric = metrics.singleMetric();
    metric.addDimension("projection", projection);
    metric.addMetric(name, unit, value);
  }
}
