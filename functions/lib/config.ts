import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Everything that comes from outside, read here and nowhere else in the functions. */
export interface Config {
  readonly dataDir: string;
  readonly spoolDir: string;
  readonly digestKey: string | undefined;
  readonly fsync: boolean;
  /** Public keys of other installations, besides this machine's own. */
  readonly enrolledKeys: readonly string[];
}

/** @param env the environment; `TOOLTRAIL_DATA` is set from `--data` where that was given. */
export const config = (env: NodeJS.ProcessEnv = process.env): Config => ({
  dataDir: resolve(env.TOOLTRAIL_DATA || ".tooltrail"),
  spoolDir: resolve(env.TOOLTRAIL_SPOOL || join(homedir(), ".local/state/tooltrail/spool")),
  digestKey: env.TOOLTRAIL_DIGEST_KEY || undefined,
  fsync: env.TOOLTRAIL_FSYNC === "1",
  enrolledKeys: (env.TOOLTRAIL_ENROLLED_KEYS ?? "").split(",").filter(Boolean),
});
