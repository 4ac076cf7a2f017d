import { createServer } from "node:net";
import { join } from "node:path";
import { makePlace, node, root } from "../support/pipeline.ts";

/** One data folder and one spool for a whole run, and where its pipeline listens whenever it lives. */
export interface ChaosPlace {
  readonly dir: string;
  readonly data: string;
  readonly spool: string;
  readonly database: string;
  readonly port: number;
  readonly endpoint: string;
  readonly env: NodeJS.ProcessEnv;
  /** What the servers saw: a call's number and the server's pid on each line. */
  readonly seen: string;
  readonly proxyCommand: readonly string[];
  readonly pipelineCommand: readonly string[];
  remove(): void;
}

export async function makeChaosPlace(): Promise<ChaosPlace> {
  const { dir, data, spool, env, remove } = makePlace();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const seen = join(dir, "seen");
  return {
    dir,
    data,
    spool,
    database: join(data, "tooltrail.db"),
    port,
    endpoint,
    // Empty counts as unset: what the caller's own environment says about tooltrail is no part of this.
    env: { ...env(endpoint), TOOLTRAIL_DIGEST_KEY: "", TOOLTRAIL_BUS: "", TOOLTRAIL_ENVIRONMENT: "" },
    seen,
    proxyCommand: [
      join(root, "packages/cli/bin/tooltrail.js"),
      "proxy",
      "--",
      node,
      join(root, "test/chaos/server.ts"),
      seen,
    ],
    pipelineCommand: [join(root, "functions/start.js"), "--port", String(port), "--data", data],
    remove,
  };
}

/** One that nobody has now; below the ephemeral ports, so that no outgoing connection takes it while the pipeline is dead. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
