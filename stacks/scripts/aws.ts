import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * Asks AWS by its own command line, which knows a person's profiles and sign-in.
 *
 * @returns its answer; undefined where it has none.
 * @throws Error with what it printed.
 */
export async function aws(...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)("aws", [...args, "--output", "json"], {
    maxBuffer: 64 * 1_048_576,
  }).catch((error: Error & { code?: unknown; stderr?: string }) => {
    if (error.code === "ENOENT") throw new Error("there is no aws command here. It is AWS's command line, version 2.");
    throw new Error(`aws ${args.slice(0, 2).join(" ")}: ${error.stderr?.trim() || error.message}`);
  });
  return stdout.trim() === "" ? undefined : JSON.parse(stdout);
}

/** Runs a script to its exit: 0 done, 1 not, 2 could not tell, 64 usage. */
export function runScript(main: () => Promise<number>, usage: string): void {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error: Error & { code?: string }) => {
      const misused = error instanceof Misused || error.code?.startsWith("ERR_PARSE_ARGS");
      process.stderr.write(`tooltrail: ${error.message}\n${misused ? `${usage}\n` : ""}`);
      process.exitCode = misused ? 64 : 2;
    },
  );
}

/** The script was not told what it needs. */
export class Misused extends Error {}
