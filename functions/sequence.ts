import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { sequence } from "@tooltrail/core/log/sequence";
import type { StoredBatch } from "@tooltrail/core/ports";
import type { DynamoDBStreamEvent } from "aws-lambda";
import { sequencer } from "#log";
import { eachArrival } from "./lib/arrivals.ts";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";

const logger = loggerOf("sequence");
const ports = sequencer();

/** The ledger's stream (insertions) -> the log. Answers with the first that is to come again, and everything behind it does. */
export const handler = lambda(logger, (event: DynamoDBStreamEvent) =>
  eachArrival(logger, event, (batches) => onLog(logger, ports.events, () => sequenceAll(batches))),
);

async function sequenceAll(batches: readonly StoredBatch[]): Promise<void> {
  const { size, sequenced, leaves } = await sequence(ports, batches);
  logger.info("sequenced", { size, sequenced, leaves, known: batches.length - sequenced });
  metrics.addMetric("LeavesSequenced", MetricUnit.Count, leaves);
  metrics.addMetric("LogSize", MetricUnit.Count, size);
  const oldestMs = Math.min(...batches.map(({ receivedAtMs }) => receivedAtMs));
  if (sequenced > 0) metrics.addMetric("SequencedAfter", MetricUnit.Milliseconds, Math.max(0, ports.now() - oldestMs));
  // Also where nothing was new: whoever added it may have died before this. Unsaid, the signer's schedule finds it.
  await ports.events
    .publish({ type: "log.sequenced", size })
    .catch((error: Error) => logger.warn("log.sequenced was not said", error));
}
