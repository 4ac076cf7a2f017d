import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The environment, read here and nowhere else in the command line. */
export interface Config {
  readonly endpoint: string;
  readonly dataDir: string;
  readonly spoolDir: string;
  readonly digestKey: string | undefined;
  readonly environment: string | undefined;
  readonly maxSpoolBytes: number;
  readonly bus: string | undefined;
}

export const config = (env: NodeJS.ProcessEnv = process.env): Config => ({
  endpoint: env.TOOLTRAIL_ENDPOINT || "http://127.0.0.1:4747",
  dataDir: resolve(env.TOOLTRAIL_DATA || ".tooltrail"),
  spoolDir: resolve(env.TOOLTRAIL_SPOOL || join(homedir(), ".local/state/tooltrail/spool")),
  digestKey: env.TOOLTRAIL_DIGEST_KEY || undefined,
  environment: env.TOOLTRAIL_ENVIRONMENT || undefined,
  maxSpoolBytes: megabytes(env.TOOLTRAIL_SPOOL_MAX_MB || "256"),
  bus: env.TOOLTRAIL_BUS || undefined,
});

function megabytes(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`TOOLTRAIL_SPOOL_MAX_MB: "${text}" is not a number of megabytes.`);
  return Number(text) * 1_048_576;
}

/** @throws Error that says where the token should be. */
export function readToken(dataDir: string): string {
  const path = join(dataDir, "token");
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    throw new Error(`there is no readable ${path}. Name the pipeline's data folder with --data or TOOLTRAIL_DATA.`);
  }
}
