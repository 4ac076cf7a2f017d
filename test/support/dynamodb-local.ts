import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestProject } from "vitest/node";
import { type Started, startedOnce } from "./started-once.ts";

const root = join(import.meta.dirname, "../..");
export const dynamoDbFolder = join(root, "node_modules/.cache/dynamodb-local-2.9.30");

/** Why DynamoDB Local cannot run here; undefined where it can. @throws Error instead, where nothing may be left out (`TOOLTRAIL_REQUIRE_ALL=1`). */
export function dynamoDbMissing(): string | undefined {
  const why = !existsSync(dynamoDbFolder)
    ? "DynamoDB Local is not here; `npm run dynamodb-local` fetches it"
    : spawnSync("java", ["-version"]).status !== 0
      ? "DynamoDB Local needs Java 17"
      : undefined;
  if (why !== undefined && process.env.TOOLTRAIL_REQUIRE_ALL === "1") throw new Error(`${why}.`);
  return why;
}

/** Starts one in memory, on a free port of loopback. It ends at `stop`, and with this process however that ends. */
export async function startDynamoDb(): Promise<Started> {
  const port = await freePort();
  const java = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx1g", "-Djava.library.path=DynamoDBLocal_lib"];
  const local = ["-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-port", String(port)];
  const leash = spawn(process.execPath, [join(import.meta.dirname, "leash.ts"), "java", ...java, ...local], {
    cwd: dynamoDbFolder,
    env: { ...process.env, DDB_LOCAL_TELEMETRY: "0" },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  leash.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  const ended = once(leash, "exit");
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    leash.stdin.end();
    await ended;
  };
  for (const deadline = Date.now() + 60_000; !(await answers(endpoint)); await sleep(50)) {
    if (leash.exitCode === null && Date.now() < deadline) continue;
    await stop();
    throw new Error(`DynamoDB Local did not start: ${said}`);
  }
  return { endpoint, stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const answers = async (endpoint: string): Promise<boolean> =>
  fetch(endpoint).then(
    (response) => response.headers.has("x-amzn-requestid"),
    () => false,
  );

declare module "vitest" {
  interface ProvidedContext {
    /** Answers with the endpoint of the run's one DynamoDB Local, which the first to ask starts. */
    readonly dynamoDbStarter: string;
  }
}

/** Once per run of the tests: nothing is started until a suite asks, then one for all of them, and it ends with the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { address, stop } = await startedOnce(startDynamoDb);
  project.provide("dynamoDbStarter", address);
  return stop;
}
