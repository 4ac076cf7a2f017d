import { open } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import type { Events } from "@tooltrail/core/ports";
import { pipelineSource } from "@tooltrail/format";

/**
 * What the pipeline says, a line of JSON each in `events.ndjson` of the data folder, in the shape that EventBridge would give to a rule's target. Other
 * automation follows the file as it would subscribe to the bus.
 *
 * A full disk may leave part of a line; the next event begins a line of its own all the same.
 *
 * @throws AppError `storage_full` or `unavailable`, outcome `unknown`: part of the line may be there.
 */
export function fileEvents(dataDir: string, now: () => number): Events {
  const path = join(dataDir, "events.ndjson");
  return {
    async publish({ type, ...detail }) {
      const event = { source: pipelineSource, "detail-type": type, time: new Date(now()).toISOString(), detail };
      await appendLine(path, JSON.stringify(event)).catch((error: NodeJS.ErrnoException) => {
        throw new AppError(error.code === "ENOSPC" ? "storage_full" : "unavailable", `${path} cannot be written.`, {
          cause: error,
          outcome: "unknown",
        });
      });
    },
  };
}

/** In one write, so that lines which are appended at the same time do not mix. */
async function appendLine(path: string, line: string): Promise<void> {
  const file = await open(path, "a+", 0o600);
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1, "\n");
    if (size > 0) await file.read(last, 0, 1, size - 1);
    await file.appendFile(`${last.toString() === "\n" ? "" : "\n"}${line}\n`);
  } finally {
    await file.close();
  }
}
