import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { Ending, Tracker } from "@tooltrail/emitter";
import { createFrameReader, parseFrame } from "./frames.ts";

/** How the server ended, for the proxy to end alike. */
export type Exit = { readonly code: number } | { readonly signal: NodeJS.Signals };

export interface RelayOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly tracker: Tracker;
  /** Forward whole frames only, so that one can be refused. */
  readonly holdsFrames: boolean;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

const maxFrameBytes = 64 * 1024 * 1024;
/** A server that ignores its client's end is given this long at each step. */
const graceMs = 1_500;
const drainMs = 5_000;
const forwarded: NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
const terminating = new Set<NodeJS.Signals>(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);

/**
 * Runs the server and relays its bytes untouched, with a tap on both directions. Ends when the server has ended; takes the server with
 * it when its own parent is gone.
 *
 * Order matters: bytes go on first and are read after, in the same tick, so a call costs its client almost nothing and is still in the
 * journal before its answer can arrive. Only where an intent may be due is a chunk read before it goes on.
 */
export function relay(options: RelayOptions): Promise<Exit> {
  const { tracker, stdin, stdout } = options;
  const child = spawn(options.command, options.args, { stdio: ["pipe", "pipe", "inherit"], env: options.env });
  const client = { gone: false, stdinEnded: false };
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, act: () => void): void => void timers.add(setTimeout(act, ms).unref());

  const tap = createTap(tracker);
  const toServer = createToServer(options, tap, child);
  const fromServer = createFrameReader(maxFrameBytes, (_, first) => first && tap.unparsed());

  stdin.on("data", (chunk: Buffer) => {
    if (!toServer.push(chunk)) pauseUntilDrained(stdin, child.stdin);
  });
  stdin.on("end", () => {
    client.stdinEnded = true;
    toServer.end();
  });
  stdin.on("error", () => toServer.end());
  child.stdin?.on("error", () => stdin.resume()); // EPIPE: the server does not read any more; what comes is let go, as a pipe would

  child.stdout?.on("data", (chunk: Buffer) => {
    if (!stdout.write(chunk)) pauseUntilDrained(child.stdout, stdout);
    for (const line of fromServer.push(chunk)) tap.read(() => tracker.fromServer(parseFrame(line)));
  });
  stdout.on("error", () => {
    client.gone = true; // EPIPE: nobody reads; the server is to feel it as it would without us
    child.stdout?.destroy();
  });

  const onSignal = (signal: NodeJS.Signals): void => {
    // From a terminal the server gets it as well, being in the same foreground group.
    if (!(signal === "SIGINT" && process.stdin.isTTY)) child.kill(signal);
    if (!terminating.has(signal)) return;
    client.gone = true;
    // The client has closed our input and now ends us; its next step is SIGKILL, which we could not pass on.
    if (client.stdinEnded) after(graceMs, () => child.kill("SIGKILL"));
  };
  for (const signal of forwarded) process.on(signal, onSignal);

  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    client.gone = true;
    child.kill("SIGTERM");
    after(graceMs, () => child.kill("SIGKILL"));
  }, 500).unref();

  return new Promise((resolve, reject) => {
    const cleanUp = (): void => {
      clearInterval(watch);
      for (const timer of timers) clearTimeout(timer);
      for (const signal of forwarded) process.off(signal, onSignal);
      stdin.pause();
      stdin.removeAllListeners("data");
    };
    child.on("error", (error) => {
      if (child.pid !== undefined) return; // a signal that could not be sent
      cleanUp();
      reject(error);
    });
    const ended = { once: false };
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (ended.once) return;
      ended.once = true;
      cleanUp();
      const ending: Ending = client.gone || client.stdinEnded ? { via: "client_gone" } : { via: "exit", code, signal };
      tap.read(() => tracker.close(ending));
      void flushed(stdout).then(() => resolve(signal ? { signal } : { code: code ?? 1 }));
    };
    // "close" comes when its output is read to the end; a grandchild may hold that open for ever.
    child.on("close", end);
    child.on("exit", (code, signal) => after(graceMs, () => end(code, signal)));
  });
}

/** A bug in reading may cost a record, never a call: it is counted, and the bytes go on. */
function createTap(tracker: Tracker) {
  const unparsed = (): void => tracker.unparsed();
  return {
    unparsed,
    read<T>(look: () => T): T | undefined {
      try {
        return look();
      } catch {
        unparsed();
        return undefined;
      }
    },
  };
}

/** Client to server. `push` answers false where the server's pipe is full. */
function createToServer(
  { tracker, holdsFrames, stdout }: RelayOptions,
  tap: ReturnType<typeof createTap>,
  child: ChildProcess,
) {
  const write = (bytes: Buffer): boolean => child.stdin?.write(bytes) ?? true;
  const frames = createFrameReader(maxFrameBytes, (bytes, first) => {
    if (first) tap.unparsed();
    if (holdsFrames) write(bytes);
  });
  const see = (message: unknown): boolean => tap.read(() => tracker.fromClient(message)) ?? true;

  return {
    push(chunk: Buffer): boolean {
      if (holdsFrames)
        return frames
          .push(chunk)
          .map((line) => passOrRefuse(line))
          .every(Boolean);
      if (tracker.guards()) {
        for (const line of frames.push(chunk)) see(parseFrame(line));
        return write(chunk);
      }
      const room = write(chunk);
      for (const line of frames.push(chunk)) see(parseFrame(line));
      return room;
    },
    end(): void {
      if (holdsFrames) write(frames.rest());
      child.stdin?.end();
    },
  };

  function passOrRefuse(line: Buffer): boolean {
    const message = parseFrame(line);
    if (see(message)) return write(line);
    const refused = (Array.isArray(message) ? message : [message]).filter(
      (m) => m?.id !== undefined && m?.method !== undefined,
    );
    const answers = refused.map(({ id }) => ({ jsonrpc: "2.0", id, error: notRecorded }));
    stdout.write(`${JSON.stringify(Array.isArray(message) ? answers : answers[0])}\n`);
    return true;
  }
}

const notRecorded = {
  code: -32603,
  message:
    "tooltrail: refused, because this destructive call cannot be recorded (its spool is not writable) and --on-spool-failure is closed.",
};

function pauseUntilDrained(source: Readable | null, target: Writable | null): void {
  source?.pause();
  target?.once("drain", () => source?.resume());
}

/** All that was written has left this process, or nobody takes it. */
const flushed = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, drainMs);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (stream.destroyed || stream.errored) done();
    else stream.write("", done);
  });
