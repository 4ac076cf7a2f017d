import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type Ending, refusal, type Tracker } from "@tooltrail/emitter";
import { createFrameReader, parseFrame } from "./frames.ts";
import { whenParentIsGone } from "./parent.ts";

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
  // Before the server is there: a signal that came in between would end us, and leave it behind.
  const heed = (signal: NodeJS.Signals): void => onSignal(signal);
  for (const signal of forwarded) process.on(signal, heed);
  const child = spawn(options.command, options.args, { stdio: ["pipe", "pipe", "inherit"], env: options.env });
  const client = { gone: false, stdinEnded: false, endsServer: false, deaf: false, dead: false };
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, act: () => void): void => void timers.add(setTimeout(act, ms).unref());

  const tap = createTap(tracker);
  const toServer = createToServer(options, tap, child);
  const fromServer = createFrameReader(maxFrameBytes, (_, first) => first && tap.unparsed());

  stdin.on("data", (chunk: Buffer) => {
    if (!toServer.push(chunk)) pauseUntilDrained(stdin, child.stdin);
  });
  const hangUp = (): void => {
    client.stdinEnded = true;
    toServer.end();
    if (client.endsServer) insist();
  };
  stdin.on("end", hangUp).on("error", hangUp);
  child.stdin?.on("error", () => stdin.resume()); // EPIPE: the server does not read any more; what comes is let go, so its end is seen

  child.stdout?.on("data", (chunk: Buffer) => {
    if (!stdout.write(chunk)) pauseUntilDrained(child.stdout, stdout);
    for (const line of fromServer.push(chunk)) tap.read(() => tracker.fromServer(parseFrame(line)));
  });
  stdout.on("error", () => {
    client.gone = client.deaf = true; // EPIPE: nobody reads; the server is to feel it as it would without us
    child.stdout?.destroy();
  });
  let heard: Promise<void> | undefined;
  /** Ends our output when the server ends its own, while it may live on. Once: a second end of process.stdout is never answered. */
  const endOutput = (): Promise<void> => {
    heard ??= new Promise((resolve) => (client.deaf ? resolve() : stdout.end(() => resolve())));
    return heard;
  };
  child.stdout?.on("end", endOutput);

  const onSignal = (signal: NodeJS.Signals): void => {
    // From a terminal the server gets it as well, being in the same foreground group.
    if (!(signal === "SIGINT" && process.stdin.isTTY)) child.kill(signal);
    if (!terminating.has(signal)) return;
    client.gone = true;
    client.endsServer ||= signal === "SIGTERM";
    if (client.stdinEnded) insist();
  };
  // The client has closed our input and ends us, in whichever order we learn it; its next step is SIGKILL, which we could not pass on.
  const insist = (): void => after(graceMs, () => child.kill("SIGKILL"));

  return new Promise((resolve, reject) => {
    const unwatch = whenParentIsGone(() => {
      client.gone = client.dead = true;
      child.kill("SIGTERM");
      insist();
      if (ended.exit) resolve(ended.exit); // it will not read what is left
    });
    const cleanUp = (): void => {
      for (const timer of timers) clearTimeout(timer);
      for (const signal of forwarded) process.off(signal, heed);
      stdin.pause();
      stdin.removeAllListeners("data");
    };
    child.on("error", (error) => {
      if (child.pid !== undefined) return; // a signal that could not be sent
      cleanUp();
      unwatch();
      reject(error);
    });
    const ended: { exit?: Exit } = {};
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (ended.exit) return;
      const exit: Exit = signal ? { signal } : { code: code ?? 1 };
      ended.exit = exit;
      cleanUp();
      const ending: Ending = client.gone || client.stdinEnded ? { via: "client_gone" } : { via: "exit", code, signal };
      tap.read(() => tracker.close(ending));
      // Its last words are the client's, however slowly it reads: no time is too long while it lives. EPIPE ends this, too.
      const done = (): void => {
        unwatch();
        resolve(exit);
      };
      if (client.dead) done();
      else void endOutput().then(done);
    };
    // "close" comes when its output is read to the end; a grandchild may hold that open for ever.
    child.on("close", end);
    child.on("exit", (code, signal) => {
      const slow = (): boolean => child.stdout?.isPaused() === true && !client.dead;
      const quiet = setTimeout(() => (slow() ? quiet.refresh() : end(code, signal)), graceMs).unref();
      stdout.on("drain", () => quiet.refresh());
    });
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
  const see = (message: unknown): boolean => {
    if (message !== undefined) return tap.read(() => tracker.fromClient(message)) ?? !holdsFrames;
    tap.unparsed();
    return !holdsFrames;
  };

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
      const rest = frames.rest();
      const last = parseFrame(rest); // many servers need no line feed after it; a frame that was cut off, none can read
      if (holdsFrames) passOrRefuse(rest);
      else if (last !== undefined) see(last);
      child.stdin?.end();
    },
  };

  function passOrRefuse(line: Buffer): boolean {
    const message = parseFrame(line) as Asked | Asked[] | undefined;
    if (see(message)) return write(line);
    const refused = [message].flat().filter((m) => m?.id !== undefined && m?.method !== undefined);
    // A notification that made the tracker fail asks for nothing; what nobody can read may ask for anything.
    if (refused.length === 0) return message === undefined || write(line);
    const answers = refused.map((m) => ({ jsonrpc: "2.0", id: m?.id, error: notRecorded }));
    tap.read(() => tracker.fromServer(answers)); // of a JSON-RPC batch, calls are refused that could be recorded
    stdout.write(`${JSON.stringify(Array.isArray(message) ? answers : answers[0])}\n`);
    return true;
  }
}

/** What may be answered, of a message of any kind. */
type Asked = { readonly id?: unknown; readonly method?: unknown } | null | undefined;

const notRecorded = refusal("--on-spool-failure");

function pauseUntilDrained(source: Readable | null, target: Writable | null): void {
  if (target?.destroyed) return; // it never drains
  source?.pause();
  target?.once("drain", () => source?.resume());
}
