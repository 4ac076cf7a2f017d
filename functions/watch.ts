import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { batchKeyOf } from "@tooltrail/aws/ledger-key";
import { type LedgerChange, watch } from "@tooltrail/core/watch";
import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from "aws-lambda";
import { busConfig } from "./lib/config.ts";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";

const logger = loggerOf("watch");

/** Not `#ports`: who only says something needs no key and no table. */
const events = eventBridgeEvents(busConfig().bus);

/**
 * The ledger's stream -> the bus. Its mapping lets only changes and removals through, of which there are none in an honest life.
 *
 * A stream is read in order: from the first that cannot be said, everything comes again.
 */
export const handler = lambda(logger, async ({ Records }: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
  for (const record of Records) {
    const change = changeOf(record);
    try {
      if (!(await watch(events, change))) continue;
      logger.error("the ledger was changed", { ...change });
      metrics.addMetric("IntegrityConflict", MetricUnit.Count, 1);
    } catch (error) {
      logger.error("not said, will be tried again", { ...change, error: error as Error });
      return { batchItemFailures: [{ itemIdentifier: record.dynamodb?.SequenceNumber ?? "" }] };
    }
  }
  return { batchItemFailures: [] };
});

const kinds = { INSERT: "inserted", MODIFY: "modified", REMOVE: "removed" } as const;

const changeOf = ({ eventName, dynamodb }: DynamoDBRecord): LedgerChange => ({
  // What is not named is taken for the worst.
  what: kinds[eventName ?? "REMOVE"],
  ...batchKeyOf(dynamodb?.Keys?.pk?.S, dynamodb?.Keys?.sk?.S),
});
