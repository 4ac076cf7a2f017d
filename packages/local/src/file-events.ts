import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import type { Events } from "@tooltrail/core/ports";
import { pipelineSource } from "@tooltrail/format";

/**
 * What the pipeline says, a line of JSON each in `events.ndjson` of the data folder, in the shape that EventBridge would give to a rule's target. Other
 * automation follows the file as it would subscribe to the bus.
 *
 * @throws AppError `storage_full` or `unavailable`, outcome `unknown`: part of the line may be there.
 */
export function fileEvents(dataDir: string, now: () => number): Events {
  const path = join(dataDir, "events.ndjson");
  return {
    async publish({ type, ...detail }) {
      const event = { source: pipelineSource, "detail-type": type, time: new Date(now()).toISOString(), detail };
      await appendFile(path, `${JSON.stringify(event)}\n`, { mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
        throw new AppError(error.code === "ENOSPC" ? "storage_full" : "unavailable", `${path} cannot be written.`, {
          cause: error,
          outcome: "unknown",
        });
      });
    },
  };
}
