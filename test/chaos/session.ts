import { readdirSync, readlinkSync } from "node:fs";
import type { Book, Call } from "./book.ts";
import type { ChaosPlace } from "./place.ts";
import { killGrandchild, type Started, start } from "./processes.ts";
import type { Random } from "./random.ts";

/** An MCP client, raw for speed, and the proxy that it started, until one of them ends. */
export interface Session {
  readonly proxy: Started;
  /** Settles when the tools are known, hence calls go out; not where it ended before. */
  readonly ready: Promise<void>;
  isReady(): boolean;
  /** Sends that many calls at once. @returns settles when `answers` calls have been answered since */
  burst(calls: number, answers: number): Promise<void>;
  /** Settles when the next call has been written. */
  nextCall(): Promise<void>;
  /** The emitter's folder in the spool, once there is one. */
  folder(): string | undefined;
  killServer(): boolean;
  /** As a client ends a server: it closes its input. */
  hangUp(): void;
}

const maxOutstanding = 40;

export function openSession(place: ChaosPlace, book: Book, random: Random, numbers: () => number): Session {
  const proxy = start(place.proxyCommand, { env: place.env, stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = proxy.child;
  const ready = Promise.withResolvers<void>();
  const outstanding = new Map<string, number>();
  const waiters = new Set<{ answers: number; resolve: () => void }>();
  const callers = new Set<() => void>();
  let isReady = false;
  let hungUp = false;
  let held = "";
  let serverPid: number | undefined;
  let nextId = 10;
  let pumping: NodeJS.Timeout | undefined;

  const write = (text: string): void => void (stdin?.writable && stdin.write(text));
  const frame = (message: object): string => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;

  function makeCall(delayMs: number): string {
    const n = numbers();
    const call: Call = {
      tool: random.chance(0.3) ? "wipe" : "look",
      arguments: { n, delayMs, fails: random.chance(0.05) },
      proxy: proxy.pid,
      answered: false,
    };
    book.calls.set(n, call);
    const id = random.chance(0.5) ? nextId : `s${nextId}`;
    nextId += 1;
    outstanding.set(JSON.stringify(id), n);
    return frame({ id, method: "tools/call", params: { name: call.tool, arguments: call.arguments } });
  }

  /** A frame need not arrive whole; what follows waits until its rest has gone. */
  function send(text: string): void {
    held += text;
    if (held.length > text.length) return;
    const cut = random.chance(0.2) ? random.between(1, text.length - 1) : text.length;
    write(held.slice(0, cut));
    held = held.slice(cut);
    if (held !== "") {
      setImmediate(() => {
        write(held);
        held = "";
      });
    }
    for (const resolve of callers) resolve();
    callers.clear();
  }

  function pump(): void {
    pumping = setTimeout(pump, random.between(5, 45));
    if (hungUp || outstanding.size >= maxOutstanding) return;
    const calls = Array.from({ length: random.between(1, 4) }, () => makeCall(random.between(0, 12)));
    send(calls.join(""));
  }

  function received(line: string): void {
    const { id, result, error } = JSON.parse(line) as { id: number | string; result?: Result; error?: unknown };
    if (error !== undefined) book.trouble(`an answer is an error: ${JSON.stringify(error)}`);
    else if (id === 1) {
      serverPid = result?._meta?.pid;
      write(frame({ method: "notifications/initialized" }) + frame({ id: 2, method: "tools/list" }));
    } else if (id === 2) {
      isReady = true;
      ready.resolve();
      pump();
    } else answered(JSON.stringify(id));
  }

  function answered(id: string): void {
    const call = book.calls.get(outstanding.get(id) ?? -1);
    if (!outstanding.delete(id) || call === undefined) book.trouble("an answer to nothing, or a second one");
    else call.answered = true;
    for (const waiter of waiters) {
      waiter.answers -= 1;
      if (waiter.answers <= 0 && waiters.delete(waiter)) waiter.resolve();
    }
  }

  let rest = "";
  stdout?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) received(line);
  });
  stdin?.on("error", () => undefined); // EPIPE: it is being killed all the time
  stderr?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter(Boolean)) {
      if (line.includes("NOT recorded")) book.deaf.add(proxy.pid);
      book.trouble(
        `a proxy said: ${line
          .replaceAll(place.dir, "DIR")
          .replaceAll(/[a-z2-7]{26}/g, "EMITTER")
          .slice(0, 300)}`,
      );
    }
  });
  void proxy.ended.then(() => clearTimeout(pumping));
  write(frame({ id: 1, method: "initialize", params: initialize }));

  return {
    proxy,
    ready: ready.promise,
    isReady: () => isReady && !hungUp && proxy.alive(),
    burst(calls, answers) {
      const enough = Promise.withResolvers<void>();
      waiters.add({ answers, resolve: enough.resolve });
      send(Array.from({ length: calls }, () => makeCall(0)).join(""));
      return enough.promise;
    },
    nextCall: () => new Promise((resolve) => callers.add(resolve)),
    folder: () => folderOf(proxy.pid),
    killServer: () => serverPid !== undefined && proxy.alive() && killGrandchild(serverPid, place.seen),
    hangUp() {
      hungUp = true;
      stdin?.end();
    },
  };
}

interface Result {
  readonly _meta?: { readonly pid?: number };
}

const initialize = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "chaos", version: "1.0.0" },
};

/** Its open journal tells. */
function folderOf(pid: number): string | undefined {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const [, folder] = /^(.*\/[a-z2-7]{26})\/\d+\.journal$/.exec(readLink(`/proc/${pid}/fd/${fd}`)) ?? [];
      if (folder !== undefined) return folder;
    }
  } catch {
    // It is gone.
  }
  return undefined;
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
