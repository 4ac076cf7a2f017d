import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { logMetrics } from "@aws-lambda-powertools/metrics/middleware";
import middy from "@middy/core";
import { AppError } from "@tooltrail/core/errors";
import type { Ingested } from "@tooltrail/core/ingest";
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";

/**
 * The logger of one function, and no other's: on one machine they run side by side in one process. Its service is named by POWERTOOLS_SERVICE_NAME: each stage of a
 * stack has its own.
 */
export const loggerOf = (name: string): Logger => new Logger({ persistentKeys: { function: name } });
export const metrics = new Metrics({ namespace: "tooltrail" });

/**
 * The control path of every function: context (powertools: request, cold start) -> `run`, which normalises its input, acts within the
 * limits of core, and composes its answer -> telemetry (logs, metrics), on failure too.
 */
export const lambda = <Event, Answer>(logger: Logger, run: (event: Event, context: Context) => Promise<Answer>) =>
  middy<Event, Answer>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use(logMetrics(metrics, { captureColdStartMetric: true }))
    .after(() => void metrics.addMetric("Answered", MetricUnit.Count, 1))
    .handler(run);

/**
 * Runs each message of a queue by itself and names those worth another try. Storing and refusing are both done; what throws comes back.
 */
export async function eachRecord(
  logger: Logger,
  event: SQSEvent,
  run: (body: string) => Promise<Ingested>,
): Promise<SQSBatchResponse> {
  const failed = await Promise.all(
    event.Records.map(async ({ messageId, body, attributes }) => {
      // Whoever put the event can follow it through the queue by its own trace.
      const traceId = /Root=([^;]+)/.exec(attributes?.AWSTraceHeader ?? "")?.[1];
      const message = { messageId, ...(traceId && { traceId }) };
      try {
        report(logger, message, await run(body));
        return [];
      } catch (error) {
        logger.error("not stored, will be tried again", { ...message, error: error as Error });
        metrics.addMetric(error instanceof AppError ? "IngestRetry" : "IngestFault", MetricUnit.Count, 1);
        return [{ itemIdentifier: messageId }];
      }
    }),
  );
  return { batchItemFailures: failed.flat() };
}

function report(logger: Logger, message: { readonly messageId: string }, ingested: Ingested): void {
  if (ingested.outcome === "quarantined") {
    const { id, reason } = ingested;
    logger.warn("quarantined", { ...message, id, reason });
    metrics.addMetric(reason === "conflict" ? "IntegrityConflict" : "Quarantined", MetricUnit.Count, 1);
    return;
  }
  const { batch } = ingested;
  const { emitter, seq, count, server, lastAt } = batch.headers;
  logger.info(ingested.outcome, { ...message, emitter, seq, count, server: server.id });
  metrics.addMetric(ingested.outcome === "stored" ? "BatchStored" : "BatchDuplicate", MetricUnit.Count, 1);
  if (ingested.outcome === "duplicate") return;
  metrics.addMetric("RecordsStored", MetricUnit.Count, count);
  metrics.addMetric("StoredAfter", MetricUnit.Milliseconds, Math.max(0, batch.receivedAtMs - lastAt));
}
