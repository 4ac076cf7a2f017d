import type { PipelineEvent } from "@tooltrail/format";
import { type Ingested, ingest } from "./ingest.ts";
import type { Ports, Quarantined } from "./ports.ts";

/** `said`: an alert was said once more on the bus, where triage hears it as it did before. */
export type Replayed = Ingested | { readonly outcome: "said" };

/**
 * Does once more what was to be done with an input in quarantine, and takes it out of there unless it is refused again.
 *
 * Only what triage itself gave up on is said in the pipeline's name. An act of the pipeline that an earlier version did not know is ingested like all else: the bus took it from nobody but the pipeline.
 *
 * @throws AppError, retryable, where a port cannot be reached; it is still in quarantine then.
 */
export async function replay(ports: Ports, { id, reason, body }: Quarantined): Promise<Replayed> {
  const replayed = reason === "untriaged" ? await sayAgain(ports, body) : await ingest(ports, body);
  // Only now that it is done: killed in between, it is replayed again, and found to be a duplicate, or an alert that was heard.
  if (replayed.outcome !== "quarantined") await ports.quarantine.remove(id);
  return replayed;
}

async function sayAgain({ events }: Ports, body: string): Promise<Replayed> {
  const { "detail-type": type, detail } = JSON.parse(body) as { "detail-type": string; detail: object };
  await events.publish({ type, ...detail } as PipelineEvent);
  return { outcome: "said" };
}
