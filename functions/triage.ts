import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { AppError } from "@tooltrail/core/errors";
import { alertOf } from "@tooltrail/core/incidents/alert";
import type { Alert } from "@tooltrail/core/incidents/incident";
import { triage } from "@tooltrail/core/incidents/triage";
import type { PipelineEvent } from "@tooltrail/format";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { triager } from "#incidents";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { type Triager, wakeResponder } from "./lib/incident-parts.ts";

const logger = loggerOf("triage");
await triager(); // what is missing is said at the start

/** Bus (through a queue of its own) -> incidents. What failed comes again: an alert that was heard is no news. */
export const handler = lambda(logger, async ({ Records }: SQSEvent): Promise<SQSBatchResponse> => {
  const ports = await triager();
  const read = Records.map((record) => ({ record, alerts: alertsIn(record) }));
  const failed = read.filter(({ alerts }) => alerts === undefined);
  const messages = read.flatMap(({ record, alerts }) => (alerts === undefined ? [] : [{ record, alerts }]));
  try {
    await triageAll(ports, messages);
  } catch (error) {
    if (error instanceof AppError && error.retryable) throw error;
    // One of them cannot be triaged: the others are not to wait for it.
    for (const message of messages)
      await triageAll(ports, [message]).catch((cause: Error) => {
        logger.error("not triaged", { messageId: message.record.messageId, error: cause });
        failed.push(message);
      });
  }
  return { batchItemFailures: failed.map(({ record }) => ({ itemIdentifier: record.messageId })) };
});

async function triageAll(ports: Triager, messages: readonly { readonly alerts: readonly Alert[] }[]): Promise<void> {
  const alerts = messages.flatMap((message) => message.alerts);
  const triaged = await triage(ports, alerts, ports.now());
  logger.info("triaged", { ...triaged });
  metrics.addMetric("AlertsTriaged", MetricUnit.Count, alerts.length);
  metrics.addMetric("IncidentsOpened", MetricUnit.Count, triaged.opened);
  if (triaged.opened + triaged.attached > 0) await wakeResponder(logger, ports.events);
}

/** @returns undefined where the message is no event: it is kept, with those that cannot be worked off. */
function alertsIn({ messageId, body }: SQSRecord): Alert[] | undefined {
  try {
    const { "detail-type": type, detail } = JSON.parse(body) as { "detail-type": string; detail: object };
    const alert = alertOf({ type, ...detail } as PipelineEvent);
    return alert === undefined ? [] : [alert];
  } catch (error) {
    logger.error("no event", { messageId, error: error as Error });
    return undefined;
  }
}
