import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * `npm run sst-types`: SST's types and component sources into `.sst/platform`, by SST itself. Needs the npm registry, and no AWS account.
 *
 * SST would first fetch Pulumi's command line, which an installation does not run: it asks for its version alone, and something that tells it
 * is enough.
 */

/** What SST 4.17.1 asks for. A newer SST says in its error which one it wants. */
const pulumiVersion = "v3.215.0";

const root = join(import.meta.dirname, "../..");
const sst = join(root, "node_modules/sst/bin/sst.mjs");

const config = await mkdtemp(join(tmpdir(), "tooltrail-sst-"));
try {
  await mkdir(join(config, "sst/bin"), { recursive: true });
  await writeFile(join(config, "sst/bin/pulumi"), `#!/bin/sh\necho ${pulumiVersion}\n`, { mode: 0o755 });
  const env = {
    ...process.env,
    XDG_CONFIG_HOME: config,
    SST_NO_BUN: "1",
    SST_TELEMETRY_DISABLED: "1",
    SST_STAGE: "types",
  };
  const { stdout } = await promisify(execFile)(process.execPath, [sst, "install"], { cwd: root, env });
  process.stdout.write(stdout);
} finally {
  await rm(config, { recursive: true, force: true });
}
