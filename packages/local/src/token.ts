import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { loadOrMake } from "@tooltrail/format/keys";

/** The bearer token of a data folder, made the first time: whoever may read the folder may use the pipeline. */
export const loadToken = (dataDir: string): string =>
  loadOrMake(join(dataDir, "token"), () => `${randomBytes(32).toString("base64url")}\n`).trim();
