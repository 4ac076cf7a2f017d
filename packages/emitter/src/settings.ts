import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What an emitter needs of its surroundings. The environment is read here and nowhere else. */
export interface Settings {
  /** A pipeline on this machine. */
  readonly endpoint: string;
  /** The name or ARN of a bus on AWS, instead. */
  readonly bus?: string;
  readonly spoolDir: string;
  /** Overrides the file beside the spool: 32 bytes or more, hex or base64. */
  readonly digestKey?: string;
  /** Such as production: a part of what a batch says of its server. */
  readonly environment?: string;
  readonly maxSpoolBytes: number;
}

type Env = { readonly [name: string]: string | undefined };

/** @throws Error that names the variable. */
export const readSettings = (env: Env = process.env): Settings => ({
  endpoint: env.TOOLTRAIL_ENDPOINT || "http://127.0.0.1:4747",
  ...(env.TOOLTRAIL_BUS && { bus: env.TOOLTRAIL_BUS }),
  spoolDir: resolve(env.TOOLTRAIL_SPOOL || join(homedir(), ".local/state/tooltrail/spool")),
  ...(env.TOOLTRAIL_DIGEST_KEY && { digestKey: env.TOOLTRAIL_DIGEST_KEY }),
  ...(env.TOOLTRAIL_ENVIRONMENT && { environment: environment(env.TOOLTRAIL_ENVIRONMENT) }),
  maxSpoolBytes: megabytes(env.TOOLTRAIL_SPOOL_MAX_MB || "256"),
});

/** As long as a batch takes; with a longer one, all of them would be quarantined. */
export const maxEnvironmentLength = 64;

function environment(text: string): string {
  if (text.length <= maxEnvironmentLength) return text;
  throw new Error(`TOOLTRAIL_ENVIRONMENT: "${text.slice(0, 40)}…" has more than ${maxEnvironmentLength} characters.`);
}

function megabytes(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`TOOLTRAIL_SPOOL_MAX_MB: "${text}" is not a number of megabytes.`);
  return Number(text) * 1_048_576;
}
