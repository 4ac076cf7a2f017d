import type { Logger } from "@aws-lambda-powertools/logger";
import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { batchOfImage } from "@tooltrail/aws/ledger-item";
import { haltEvent } from "@tooltrail/core/log/halt";
import type { StoredBatch } from "@tooltrail/core/ports";
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { metrics } from "./handler.ts";

/** How a stream shows a batch. On one machine there is no DynamoDB, and its stream shows the same. */
export { imageOf } from "@tooltrail/aws/ledger-item";

/**
 * Hands the batches that a stream brings to `run`, together. A stream is read in order: where that fails everything comes again, and where an
 * item is no batch, everything from it on.
 */
export async function eachArrival(
  logger: Logger,
  { Records }: DynamoDBStreamEvent,
  run: (batches: readonly StoredBatch[]) => Promise<unknown>,
): Promise<DynamoDBBatchResponse> {
  const batches: StoredBatch[] = [];
  let unreadable: string | undefined;
  for (const { dynamodb } of Records) {
    try {
      batches.push(batchOfImage(dynamodb?.NewImage ?? {}));
    } catch (error) {
      unreadable = dynamodb?.SequenceNumber ?? "";
      logger.error("no batch; what comes behind it waits", { sequenceNumber: unreadable, error: error as Error });
      metrics.addMetric("LogHalted", MetricUnit.Count, 1);
      break;
    }
  }
  try {
    if (batches.length > 0) await run(batches);
    return { batchItemFailures: unreadable === undefined ? [] : [{ itemIdentifier: unreadable }] };
  } catch (error) {
    logger.error("not sequenced, will be tried again", { batches: batches.length, error: error as Error });
    // A log that stands still is said as such, and trying again changes nothing.
    if (haltEvent(error) === undefined) metrics.addMetric("SequenceRetry", MetricUnit.Count, 1);
    return { batchItemFailures: [{ itemIdentifier: Records[0]?.dynamodb?.SequenceNumber ?? "" }] };
  }
}
