import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { start } from "../chaos/processes.ts";
import { aMessage } from "../support/batches.ts";
import { bundleFunction } from "../support/bundle.ts";
import { functionEnvironment } from "./aws-function.ts";
import { startRecorder } from "./dynamo-recorder.ts";
import { type Figure, figure, ofRounds } from "./figures.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

const sources = {
  empty: "test/bench/servers/empty-function.ts",
  emptyLog: "test/bench/servers/empty-log-function.ts",
  ingest: "functions/ingest.ts",
  api: "functions/api.ts",
} as const;
type Name = keyof typeof sources;
const names: readonly Name[] = ["empty", "emptyLog", "ingest", "api"];
/** Each against the one with its clients. */
const pairs = [
  ["ingest", "empty"],
  ["api", "emptyLog"],
] as const;
const maxBundleBytes = 1_000_000;

/** From the start of a process to a function's first answer, against an empty function with the same AWS clients; and the bundles' sizes. */
export const benchCold = ({ cold: { rounds } }: Scale): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const events = await eventsIn(dir);
    const driver = await bundleFunction("test/bench/servers/first-answer.ts", dir, "first-answer");
    const bundles = {
      empty: await bundleFunction(sources.empty, dir, "empty"),
      emptyLog: await bundleFunction(sources.emptyLog, dir, "empty-log"),
      ingest: await bundleFunction(sources.ingest, dir, "ingest"),
      api: await bundleFunction(sources.api, dir, "api"),
    };
    const dynamoDb = await startRecorder();
    const { env, close } = await functionEnvironment(dynamoDb.endpoint);
    const cells: { [name in Name]: number }[] = [];
    // The first round fills the disk's cache, and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      const cell = { empty: 0, emptyLog: 0, ingest: 0, api: 0 };
      for (const i of names.keys()) {
        const name = names[(i + round) % names.length] ?? "empty";
        cell[name] = await firstAnswer([driver.path, bundles[name].path, events[name]], env);
      }
      if (round > 0) cells.push(cell);
    }
    await close();
    await dynamoDb.close();
    return [
      ...names.map((name) =>
        ofRounds(
          `${name}, start to first answer`,
          cells.map((cell) => cell[name]),
          "ms",
        ),
      ),
      ...pairs.flatMap(([name, empty]) => [
        ofRounds(
          `${name} to empty`,
          cells.map((cell) => cell[name] / cell[empty]),
          "x",
          { atMost: 1.3 },
        ),
        figure(`${name}, bundle`, bundles[name].bytes, "bytes", { target: { atMost: maxBundleBytes } }),
      ]),
      figure("empty, bundle", bundles.empty.bytes, "bytes"),
    ];
  });

/** @returns milliseconds. */
async function firstAnswer(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now();
  const started = start(args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const chunks: Buffer[] = [];
  started.child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
  await Promise.race([started.child.stderr && once(started.child.stderr, "data"), started.ended]);
  const ms = performance.now() - began;
  started.kill("SIGKILL");
  await started.ended;
  const said = Buffer.concat(chunks).toString();
  if (!/^(\{\}|\{"batchItemFailures":\[\]\}|\{.*"statusCode":200.*)$/m.test(said))
    throw new Error(`${args[1]} did not answer as it should: ${said.slice(0, 2_000)}`);
  return ms;
}

/** Each function's real event, in a file. */
async function eventsIn(dir: string): Promise<{ readonly [name in Name]: string }> {
  const emitter = createTrafficEmitter("server", await sampleCalls());
  const body = aMessage(await emitter.next(timesFrom(Date.now(), 46, 0), [aCaller(1)]));
  const http = { method: "GET", path: "/v1/records", protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "curl" };
  const events: { readonly [name in Name]: object } = {
    empty: {},
    emptyLog: {},
    ingest: { Records: [{ messageId: "m", body }] },
    api: {
      version: "2.0",
      routeKey: "$default",
      rawPath: "/v1/records",
      rawQueryString: "",
      headers: { host: "example.execute-api.us-east-1.amazonaws.com" },
      requestContext: {
        accountId: "000000000000",
        domainName: "example.execute-api.us-east-1.amazonaws.com",
        http,
        requestId: "r",
        stage: "$default",
        authorizer: { jwt: { claims: { iss: "https://login.example.com", sub: "ada" } } },
      },
      isBase64Encoded: false,
    },
  };
  const write = (name: Name): string => {
    const file = join(dir, `${name}.json`);
    writeFileSync(file, JSON.stringify(events[name]));
    return file;
  };
  return { empty: write("empty"), emptyLog: write("emptyLog"), ingest: write("ingest"), api: write("api") };
}
