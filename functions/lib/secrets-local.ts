import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@tooltrail/core/errors";
import type { Secrets } from "@tooltrail/core/incidents/ports";

/**
 * Secrets of one machine: of `slack-url` the variable `TOOLTRAIL_SECRET_SLACK_URL`, else the file `secrets/slack-url` of the data folder, without the white space around it. What is empty is none.
 *
 * @throws AppError invalid for a name that is no label, and would lead elsewhere; `unavailable` where the file cannot be read. Neither says what is in it.
 */
export const localSecrets = (dataDir: string, env: NodeJS.ProcessEnv): Secrets => ({
  async read(name) {
    if (!/^[a-z0-9-]{1,63}$/.test(name))
      throw new AppError(
        "invalid",
        "The name of a secret is none: lower-case letters, digits and hyphens, at most 63.",
      );
    const said = env[`TOOLTRAIL_SECRET_${name.toUpperCase().replaceAll("-", "_")}`]?.trim();
    return said || (await readTrimmed(join(dataDir, "secrets", name))) || undefined;
  },
});

async function readTrimmed(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new AppError("unavailable", `${path} cannot be read.`, { cause: error });
  }
}
