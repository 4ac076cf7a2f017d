import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordPage, RecordView } from "@tooltrail/api/types";

export const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
export const node = join(root, "node_modules/.bin/node");
const cli = join(root, "packages/cli/bin/tooltrail.js");

/** A folder for one test, with what the environment of both ends must be. */
export interface Place {
  readonly dir: string;
  readonly data: string;
  readonly spool: string;
  env(endpoint?: string): NodeJS.ProcessEnv;
  remove(): void;
}

export function makePlace(): Place {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-"));
  const data = join(dir, "data");
  const spool = join(dir, "spool");
  return {
    dir,
    data,
    spool,
    env: (endpoint = "http://127.0.0.1:1") => ({
      ...process.env,
      TOOLTRAIL_DATA: data,
      TOOLTRAIL_SPOOL: spool,
      TOOLTRAIL_PINS: join(dir, "pins"),
      TOOLTRAIL_ENDPOINT: endpoint,
      XDG_CACHE_HOME: join(root, "node_modules/.cache"), // compiled once, not in the home of whoever runs the tests
    }),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export interface RunningPipeline {
  readonly endpoint: string;
  readonly port: number;
  readonly token: string;
  readonly process: ChildProcess;
  /** Its stderr, up to now. */
  said(): string;
  /** Ends it by a signal. @returns its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** The real one, in a process of its own, on any free port unless one is given. */
export async function startPipeline(place: Place, port = 0, args: readonly string[] = []): Promise<RunningPipeline> {
  const child = spawn(node, [join(root, "functions/start.js"), "--port", String(port), ...args], {
    env: place.env(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ready = / is ready on (http:\/\/127\.0\.0\.1:(\d+)),.*\n/;
  await Promise.race([once(child.stderr, "close"), until(child.stderr, () => ready.test(said))]);
  const found = ready.exec(said);
  if (!found?.[1]) throw new Error(`The pipeline did not start: ${said}`);
  return {
    endpoint: found[1],
    port: Number(found[2]),
    token: readFileSync(join(place.data, "token"), "utf8").trim(),
    process: child,
    said: () => said,
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, "exit");
      child.kill(signal);
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
}

/** Resolves once it is so after something was read. */
const until = (stream: NodeJS.ReadableStream, so: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!so()) return;
      stream.off("data", look);
      resolve();
    };
    stream.on("data", look);
  });

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user does. */
export const tooltrail = (place: Place, endpoint: string, ...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      node,
      [cli, ...args],
      { env: place.env(endpoint), cwd: place.dir, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

export async function records(place: Place, endpoint: string, ...args: string[]): Promise<RecordView[]> {
  const limit = args.includes("--limit") ? [] : ["--limit", "1000"];
  const { code, stdout, stderr } = await tooltrail(place, endpoint, "records", "--json", ...limit, ...args);
  if (code !== 0) throw new Error(`records ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as RecordPage).records;
}

/** How a test's MCP client starts a server behind the proxy. */
export const behindProxy = (
  place: Place,
  endpoint: string,
  command: readonly string[],
  flags: readonly string[] = [],
) => ({
  command: node,
  args: [cli, "proxy", ...flags, "--", ...command],
  env: place.env(endpoint) as Record<string, string>,
});

/** The command of an npm package's server that is a dev dependency here. */
export const server = (bin: string, ...args: string[]): string[] => [
  node,
  join(root, "node_modules/.bin", bin),
  ...args,
];

/** Looks again until it is so, or says what it saw last. */
export async function eventually<T>(look: () => Promise<T>, so: (seen: T) => boolean, withinMs: number): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (so(seen)) return seen;
    if (Date.now() > until) throw new Error(`Not so within ${withinMs} ms: ${JSON.stringify(seen)?.slice(0, 2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
