import type { Logger } from "@aws-lambda-powertools/logger";
import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { haltEvent } from "@tooltrail/core/log/halt";
import type { Events } from "@tooltrail/core/ports";
import { metrics } from "./handler.ts";

/**
 * Runs what works on the log. One that stands still is said aloud, each time that it is met, and stays an error: whoever called keeps what is waiting for it.
 */
export async function onLog<T>(logger: Logger, events: Events, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const event = haltEvent(error);
    if (event === undefined) throw error;
    metrics.addMetric("LogHalted", MetricUnit.Count, 1);
    logger.error("the log stands still", error as Error);
    await events.publish(event).catch((unsaid: Error) => logger.error("not said on the bus", unsaid));
    throw error;
  }
}
