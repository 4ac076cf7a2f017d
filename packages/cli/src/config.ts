import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readSettings, type Settings } from "@tooltrail/proxy/settings";

/** What the command line takes from its environment: an emitter's settings, and how it proves to the pipeline who asks. */
export interface Config extends Settings {
  /** Where a pipeline on this machine keeps its token. */
  readonly dataDir: string;
  /** For a pipeline elsewhere that takes JWTs. */
  readonly token: string | undefined;
  /** For one whose address does not tell its region. */
  readonly region: string | undefined;
  /** Where verify keeps what it saw of each log. */
  readonly pinsDir: string;
  /** An S3 that is not AWS's has its buckets in the path. */
  readonly s3PathStyle: boolean;
}

/** @throws Error that names the variable. */
export const config = (env: NodeJS.ProcessEnv = process.env): Config => {
  const settings = readSettings(env);
  return {
    ...settings,
    dataDir: resolve(env.TOOLTRAIL_DATA || ".tooltrail"),
    token: env.TOOLTRAIL_TOKEN || undefined,
    region: env.AWS_REGION || undefined,
    pinsDir: resolve(env.TOOLTRAIL_PINS || join(dirname(settings.spoolDir), "pins")),
    s3PathStyle: Boolean(env.AWS_ENDPOINT_URL_S3),
  };
};

/** @throws Error that says where the token should be. */
export function readToken(dataDir: string): string {
  const path = join(dataDir, "token");
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    throw new Error(`there is no readable ${path}. Name the pipeline's data folder with --data or TOOLTRAIL_DATA.`);
  }
}
