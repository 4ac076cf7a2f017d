import { randomUUID } from "node:crypto";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import type { Events } from "@tooltrail/core/ports";
import { pipelineSource } from "@tooltrail/format";
import type { RuleEvent } from "./rules.ts";

/**
 * What the pipeline says, a line of JSON each in `events.ndjson` of the data folder, in the shape that EventBridge would give to a rule's target. Other
 * automation follows the file as it would subscribe to the bus. Once it is written, it is delivered within this process.
 *
 * A full disk may leave part of a line; the next event begins a line of its own all the same. At 64 MiB the file becomes `events.1.ndjson`, in the place of the one before.
 *
 * @throws AppError `storage_full` or `unavailable`, outcome `unknown`: part of the line may be there.
 */
export function fileEvents(
  dataDir: string,
  now: () => number,
  deliver: (event: RuleEvent) => void = () => undefined,
): Events {
  const path = join(dataDir, "events.ndjson");
  let last: Promise<unknown> = Promise.resolve();
  return {
    async publish({ type, ...detail }) {
      const event = { source: pipelineSource, "detail-type": type, time: new Date(now()).toISOString(), detail };
      // One after the other: of two at once, both would set the full file aside.
      const written = last.then(() => appendLine(path, JSON.stringify(event)));
      last = written.catch(() => undefined);
      await written.catch((error: NodeJS.ErrnoException) => {
        throw new AppError(error.code === "ENOSPC" ? "storage_full" : "unavailable", `${path} cannot be written.`, {
          cause: error,
          outcome: "unknown",
        });
      });
      deliver({ version: "0", id: randomUUID(), account: "000000000000", region: "local", resources: [], ...event });
    },
  };
}

const maxFileBytes = 67_108_864;

async function appendLine(path: string, line: string): Promise<void> {
  const file = await open(path, "a+", 0o600);
  try {
    const { size } = await file.stat();
    if (size > maxFileBytes) await rename(path, path.replace(/ndjson$/, "1.ndjson")); // with this event as its last
    const last = Buffer.alloc(1, "\n");
    if (size > 0) await file.read(last, 0, 1, size - 1);
    await file.appendFile(`${last.toString() === "\n" ? "" : "\n"}${line}\n`);
  } finally {
    await file.close();
  }
}
