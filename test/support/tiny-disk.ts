import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/**
 * A real disk that can be filled: a tmpfs of so many kilobytes. Only root may mount one.
 *
 * @returns how to take it away, or why there is none. @throws where nothing may be skipped (`TOOLTRAIL_REQUIRE_ALL=1`).
 */
export function mountTinyDisk(dir: string, kilobytes: number): { unmount(): void } | { skipped: string } {
  mkdirSync(dir, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k,mode=0700`, "tmpfs", dir], { stdio: "pipe" });
  } catch (error) {
    const skipped = `no tmpfs can be mounted: ${(error as Error).message.split("\n")[0]}`;
    if (process.env.TOOLTRAIL_REQUIRE_ALL === "1") throw new Error(skipped);
    return { skipped };
  }
  return { unmount: () => void execFileSync("umount", ["-l", dir], { stdio: "pipe" }) };
}
