import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";
import { type Started, startedOnce } from "./started-once.ts";

/** The environment that `.ci/run` makes, or else whatever Python there is. */
const pythons = [join(import.meta.dirname, "../../node_modules/.cache/tooltrail/python/bin/python"), "python3"];

const pythonWithMoto = (): string | undefined =>
  pythons.find((python) => spawnSync(python, ["-c", "import moto.server"], { stdio: "ignore" }).status === 0);

/** Why S3 cannot run here; undefined where it can. @throws Error instead, where nothing may be left out (`TOOLTRAIL_REQUIRE_ALL=1`). */
export function s3Missing(): string | undefined {
  if (pythonWithMoto() !== undefined) return undefined;
  const why = "no Python here has moto, which test/interop/requirements.txt installs";
  if (process.env.TOOLTRAIL_REQUIRE_ALL === "1") throw new Error(`${why}.`);
  return why;
}

/** Starts one in memory, on a free port of loopback. It ends at `stop`, and with this process however that ends. */
export async function startS3(): Promise<Started> {
  const command = [pythonWithMoto() ?? "python3", join(import.meta.dirname, "s3-server.py")];
  const leash = spawn(process.execPath, [join(import.meta.dirname, "leash.ts"), ...command], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  leash.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  const ended = once(leash, "exit");
  const port = await new Promise<string>((resolve, reject) => {
    createInterface(leash.stdout).once("line", resolve);
    leash.once("exit", () => reject(new Error(`S3 did not start: ${said}`)));
  });
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async stop() {
      leash.stdin.end();
      await ended;
    },
  };
}

declare module "vitest" {
  interface ProvidedContext {
    /** Answers with the endpoint of the run's one S3, which the first to ask starts. */
    readonly s3Starter: string;
  }
}

/** Once per run of the tests, as with DynamoDB Local. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { address, stop } = await startedOnce(startS3);
  project.provide("s3Starter", address);
  return stop;
}
