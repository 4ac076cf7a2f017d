import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = new Set<string>();
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Runs with a folder of its own, which is gone afterwards, also where the bench is interrupted. */
export async function inScratch<T>(run: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-bench-"));
  folders.add(dir);
  try {
    return await run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
    folders.delete(dir);
  }
}
