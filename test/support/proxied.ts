import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll } from "vitest";
import { eventually, node, type Place, root } from "./pipeline.ts";

/** How a process ended, as its parent sees it. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Started {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly stdin: NonNullable<ChildProcess["stdin"]>;
  readonly stdout: NonNullable<ChildProcess["stdout"]>;
  readonly stderr: NonNullable<ChildProcess["stderr"]>;
  /** It has ended, and its output was read to the end. */
  readonly closed: Promise<Ended>;
  /** It has ended; somebody may still hold its pipes. */
  readonly exited: Promise<Ended>;
}

const started = new Set<number>();

/** The command of a server in test/fixtures/servers. */
export const fixture = (name: string, ...args: string[]): string[] => [
  node,
  join(root, "test/fixtures/servers", `${name}.ts`),
  ...args,
];

/** Without what npm adds: the tests themselves may have been started by `npm test`. */
export const plainEnv = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_|^(?:INIT_CWD|NODE|COLOR|EDITOR)$/.test(name)));

/** Starts a process with pipes at all three ends. It is killed when the test file is over. */
export function start([command = "", ...args]: readonly string[], options: SpawnOptions = {}): Started {
  const child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  if (!child.stdin || !child.stdout || !child.stderr || child.pid === undefined) throw new Error(`no ${command}`);
  started.add(child.pid);
  child.stdin.on("error", () => {}); // EPIPE where it has ended: what a test wants to know of it, it looks at
  const ending = async (event: "close" | "exit"): Promise<Ended> => {
    const [code, signal] = await once(child, event);
    return { code, signal };
  };
  return {
    pid: child.pid,
    process: child,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    closed: ending("close"),
    exited: ending("exit"),
  };
}

/** `tooltrail proxy FLAGS -- COMMAND`. */
export const proxyCommand = (command: readonly string[], flags: readonly string[] = []): string[] => [
  node,
  join(root, "packages/cli/bin/tooltrail.js"),
  "proxy",
  ...flags,
  "--",
  ...command,
];

/** Starts it. */
export function startProxy(
  place: Place,
  command: readonly string[],
  { flags = [], endpoint, env }: { flags?: readonly string[]; endpoint?: string; env?: NodeJS.ProcessEnv } = {},
): Started {
  return start(proxyCommand(command, flags), { env: { ...plainEnv(place.env(endpoint)), ...env }, cwd: place.dir });
}

/** Process id -> parent's, state. Zombies are dead: in a container nobody may reap them. */
function processes(): Map<number, { parent: number; state: string }> {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
  const rows = table.trim().split("\n");
  return new Map(
    rows.map((row) => {
      const [pid, parent, state = ""] = row.trim().split(/\s+/);
      return [Number(pid), { parent: Number(parent), state }];
    }),
  );
}

export const isAlive = (pid: number): boolean => !(processes().get(pid)?.state ?? "Z").startsWith("Z");

/** The processes below one, children before grandchildren. */
export function descendants(pid: number): number[] {
  const all = [...processes()].filter(([, { state }]) => !state.startsWith("Z"));
  const below = (parent: number): number[] => {
    const children = all.filter(([, row]) => row.parent === parent).map(([child]) => child);
    return [...children, ...children.flatMap(below)];
  };
  return below(pid);
}

/** The server behind a proxy, once it runs. */
export async function serverOf(proxy: { pid: number }): Promise<number> {
  const [pid] = await eventually(
    async () => descendants(proxy.pid),
    (pids) => pids.length > 0,
    10_000,
  );
  if (pid === undefined) throw new Error("no server");
  watchOver(pid);
  return pid;
}

/** To be dead at the end of the test file, whatever its test did. */
export const watchOver = (pid: number): void => void started.add(pid);

export const gone = (pids: readonly number[], withinMs: number): Promise<number[]> =>
  eventually(
    async () => pids.filter(isAlive),
    (left) => left.length === 0,
    withinMs,
  );

/** A bus that takes everything and forgets it, for tests of what is not a record. @returns its address */
export async function startBus(): Promise<string> {
  const bus = createServer(async (request, response) => {
    const { Entries } = JSON.parse((await allOf(request)).toString()) as { Entries: unknown[] };
    response.end(JSON.stringify({ FailedEntryCount: 0, Entries: Entries.map((_, i) => ({ EventId: `${i}` })) }));
  });
  afterAll(() => void bus.close().closeAllConnections());
  await once(bus.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(bus.address() as AddressInfo).port}`;
}

/** To be called by each file that starts processes, after its other hooks since the last runs first: none is left over. */
export function leaveNobody(): void {
  afterAll(async () => {
    const left = [...started, ...[...started].flatMap(descendants)].filter(isAlive);
    for (const pid of left) process.kill(pid, "SIGKILL");
    await gone(left, 10_000);
    started.clear();
  });
}

export async function allOf(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A line on a stream, once there is one that matches. */
export async function line(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<RegExpExecArray> {
  for await (const text of createInterface({ input: stream })) {
    const found = pattern.exec(text);
    if (found) return found;
  }
  throw new Error(`The stream ended without ${pattern}.`);
}

type Frame = Record<string, unknown>;

/** A client that sends whole frames of any kind, and reads them. */
export function talkTo(proxy: Started) {
  const frames = createInterface({ input: proxy.stdout })[Symbol.asyncIterator]();
  const send = (frame: unknown): void => void proxy.stdin.write(`${JSON.stringify(frame)}\n`);
  const receive = async (): Promise<unknown> => {
    const { value, done } = await frames.next();
    if (done) throw new Error("The server has ended, or closed its output.");
    return JSON.parse(value);
  };
  let lastId = 0;
  const request = (method: string, params: Frame = {}): Frame => {
    lastId += 1;
    return { jsonrpc: "2.0", id: lastId, method, params };
  };
  const ask = async (method: string, params: Frame = {}): Promise<Frame> => {
    send(request(method, params));
    return (await receive()) as Frame;
  };
  return {
    send,
    receive,
    request,
    ask,
    call: (name: string, args: Frame = {}): Promise<Frame> => ask("tools/call", { name, arguments: args }),
    /** Introduces itself, as sessions begin. */
    async greet(): Promise<void> {
      const clientInfo = { name: "raw", version: "1" };
      await ask("initialize", { protocolVersion: "2025-03-26", capabilities: {}, clientInfo });
      send({ jsonrpc: "2.0", method: "notifications/initialized" });
    },
    /** Hangs up, and waits until the other side has. */
    async end(): Promise<Ended> {
      proxy.stdin.end();
      return proxy.closed;
    },
  };
}
