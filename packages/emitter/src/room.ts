import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * The spool's bound, over all processes: measured from time to time, and counted on in between.
 *
 * What is sent is not counted off, so who writes much measures after each sixteenth of the bound: a busy process would else take the spool for full
 * long before it is, and lose records.
 */
export function measureRoom(spoolDir: string, maxBytes: number) {
  let found = 0;
  /** Given out since the last measuring began. */
  let since = 0;
  let measuring: Promise<void> | undefined;

  function measure(): Promise<void> {
    const before = since;
    measuring ??= bytesIn(spoolDir)
      .then((bytes) => {
        found = bytes;
        since -= before;
      })
      .finally(() => {
        measuring = undefined;
      });
    return measuring;
  }

  return {
    measure,
    reserve(bytes: number): boolean {
      const fits = found + since + bytes <= maxBytes;
      if (fits) since += bytes;
      if (since > (fits ? maxBytes / 16 : 0)) void measure();
      return fits;
    },
  };
}

/** A file or a folder may be sealed, sent or adopted away while this looks. */
async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    bytes += entry.isDirectory()
      ? await bytesIn(path)
      : await stat(path).then(
          (file) => file.size,
          () => 0,
        );
  }
  return bytes;
}
