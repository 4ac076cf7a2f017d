import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type Responded, respond } from "@tooltrail/core/incidents/respond";
import type { Events } from "@tooltrail/core/ports";
import { responder } from "#responder";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";

const logger = loggerOf("respond");
await responder(); // what is missing is said at the start

/** What is begun within it is ended: one destination that does not answer takes ten seconds. */
const reserveMs = 25_000;

const sweepEachMs = 60_000;
let sweptAtMs = Number.NEGATIVE_INFINITY;

/** Woken by what befell incidents, and by the clock: timers, checks, and whatever is to be said, done or written because of them. */
export const handler = lambda(logger, async (_event: unknown, context): Promise<Responded> => {
  const ports = await responder();
  const hasTime = (): boolean => context.getRemainingTimeInMillis() > reserveMs;
  const sweeps = ports.now() - sweptAtMs >= sweepEachMs;
  let exhausted = 0;
  const events: Events = {
    async publish(event) {
      await ports.events.publish(event);
      if (event.type === "incident.escalation.exhausted") exhausted += 1;
    },
  };
  const responded = await onLog(logger, ports.events, () => respond({ ...ports, events }, hasTime, sweeps));
  if (sweeps) sweptAtMs = ports.now();
  logger.info("responded", { ...responded });
  metrics.addMetric("NoticesDone", MetricUnit.Count, responded.done);
  metrics.addMetric("NoticesFailed", MetricUnit.Count, responded.failed);
  metrics.addMetric("NoticesGivenUp", MetricUnit.Count, responded.givenUp);
  metrics.addMetric("EscalationExhausted", MetricUnit.Count, exhausted);
  return responded;
});
