import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type Signed, sign } from "@tooltrail/core/log/sign";
import type { EventBridgeEvent } from "aws-lambda";
import { signer } from "#log";
import { lambda, loggerOf, metrics } from "./lib/handler.ts";
import { onLog } from "./lib/log.ts";
import type { Signer } from "./lib/log-parts.ts";

const logger = loggerOf("sign");
await signer(); // what is missing is said at the start

/** Woken when the log has grown, and by the clock: what is in place is signed and published. */
export const handler = lambda(logger, async (event: EventBridgeEvent<string, unknown>): Promise<Signed> => {
  const ports = await signer();
  const signed = await onLog(logger, ports.events, () => sign(ports, ports.now()));
  report(signed, event, ports.now());
  if (signed.outcome === "published") await sayMissed(ports, signed);
  return signed;
});

function report(
  { outcome, size, cosignatures, failed }: Signed,
  event: EventBridgeEvent<string, unknown>,
  nowMs: number,
): void {
  logger.info(outcome, { size, cosignatures });
  for (const { name, why } of failed) logger.warn("a witness did not sign", { witness: name, why, size });
  metrics.addMetric("WitnessFailed", MetricUnit.Count, failed.length);
  if (outcome !== "published") return;
  metrics.addMetric("CheckpointsPublished", MetricUnit.Count, 1);
  if (event["detail-type"] === "log.sequenced")
    metrics.addMetric("SignedAfter", MetricUnit.Milliseconds, Math.max(0, nowMs - Date.parse(event.time)));
}

/** The checkpoint is published with or without them. Unsaid, the next publication that lacks one says so. */
async function sayMissed({ events, origin }: Signer, { size, failed }: Signed): Promise<void> {
  for (const { name: witness, why } of failed)
    await events
      .publish({ type: "log.witness.missed", origin, size, witness, why })
      .catch((error: Error) => logger.warn("log.witness.missed was not said", error));
}
