import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type PrincipalName, pseudonym } from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import { busOf } from "./bus.ts";
import { type AuthInfo, callerOf, isStdio, type NameOf, nameInToken } from "./caller.ts";
import { clock, type Emitter, openEmitter } from "./emitter.ts";
import { createIntroductions, createMemory, type Introductions } from "./memory.ts";
import { type AuditOptions, checkOptions, givenOptions } from "./options.ts";
import type { Ending } from "./outcome.ts";
import { sayOnce, wordsOf } from "./say.ts";
import { readSettings, type Settings } from "./settings.ts";
import { type Transport, tapOnStart } from "./tap.ts";
import { createTracker, type Tracker, type TrackerOptions } from "./tracker.ts";

export type { AuditOptions, AuthInfo, NameOf, PrincipalName, Settings };

/** An official server (`McpServer` or `Server`, of `@modelcontextprotocol/sdk` 1 or `@modelcontextprotocol/server` 2), as far as they agree. */
export interface Connectable {
  connect(transport: never): Promise<void>;
}

/**
 * Records the tool calls of an official MCP server, whatever transport it is connected to afterwards:
 *
 *     const server = audited(new McpServer({ name: "files", version: "1.0.0" }));
 *
 * Neither the server nor a call ever fails because of it: where nothing can be recorded it says so once on stderr, and calls pass (but see
 * `onSpoolFailure`). The process ends as it would without; what it has not sent by then, the next process with the same spool sends.
 *
 * @returns the same server.
 */
export function audited<Server extends Connectable>(server: Server, options: AuditOptions = {}): Server {
  orSay(() => listenToConnections(innermost(server), givenOptions(options)));
  return server;
}

function listenToConnections(server: Protocol, options: AuditOptions): void {
  if (known.has(server)) return;
  const { connect } = server;
  server.connect = (transport, ...rest) => {
    const leave = orSay(() => attach(transport, server, options));
    const connected = connect.call(server, transport, ...rest);
    void Promise.resolve(connected).catch(() => leave?.());
    return connected;
  };
  known.add(server);
  if (server.transport) throw new Error("audited() came after connect(). Put it where the server is made.");
}

/**
 * Waits for open calls to end, seals, and sends for at most a second: for a process that ends itself, before it does. What is still open then ends as
 * `unknown`, since nobody sees how it ends. A call that comes later all the same is recorded anew, for the process's end to send or the next process.
 *
 * @param options `withinMs` bounds the wait for open calls.
 */
export const stopAuditing = ({ withinMs = 5_000 }: { readonly withinMs?: number } = {}): Promise<void> =>
  stopAll({ via: "stopped" }, withinMs);

async function stopAll(ending: Ending, withinMs: number): Promise<void> {
  const stopping = [...emitters].map(async ([name, emitter]) => {
    await emitter.idle(withinMs);
    if (emitters.get(name) === emitter) emitters.delete(name);
    await emitter.stop(ending).catch(() => undefined);
  });
  await Promise.all(stopping);
}

interface Protocol {
  connect(transport: Transport, ...rest: unknown[]): Promise<void>;
  readonly server?: unknown;
  /** Once it is connected. */
  readonly transport?: unknown;
}

/** `McpServer` passes `connect` on to the `Server` in it, and some entry points call that one themselves. @throws Error where it is neither. */
function innermost(server: unknown): Protocol {
  const { server: inner } = (server ?? {}) as Protocol;
  if (isConnectable(inner)) return inner;
  if (isConnectable(server)) return server;
  throw new Error("audited() takes a server of an official SDK, and this has no connect().");
}

const isConnectable = (value: unknown): value is Protocol =>
  typeof value === "object" && value !== null && typeof (value as Protocol).connect === "function";

const known = new WeakSet<object>();

function attach(transport: Transport, server: Protocol, options: AuditOptions): () => void {
  const said = createIntroductions();
  let emitter = emitterOf(server, options);
  let tracker = emitter.track(said);
  const stdio = isStdio(transport);
  const nameOf = options.principal ?? nameInToken;
  return tapOnStart(transport, {
    get tracker() {
      return tracker;
    },
    resume() {
      if (!emitter.stopped()) return;
      emitter = emitterOf(server, options);
      tracker = emitter.track(said);
    },
    callerOf: (extra) => callerOf(extra, { sessionId: transport.sessionId, stdio }, nameOf, emitter.pseudonym),
    closed: options.onSpoolFailure === "closed",
    onChange: () => emitter.watch(tracker),
  });
}

/** What is shared by all sessions of the servers of one name. */
interface SharedEmitter {
  track(said: Introductions): Tracker;
  pseudonym(name: PrincipalName): string;
  /** To be called after each message: whoever has an open call is to be closed when the process ends. */
  watch(tracker: Tracker): void;
  /** The process ends now: what is written from here on is for another one to send. */
  abandon(code: number): void;
  /** No call is open, or the time is over. */
  idle(withinMs: number): Promise<void>;
  /** Once and for all. @param ending of calls that are still open. */
  stop(ending: Ending): Promise<void>;
  /** It takes no record any more. */
  stopped(): boolean;
}

const emitters = new Map<string, SharedEmitter>();
/** Each has a folder and a socket of its own. A process with more names than this has them from its callers. */
const maxEmitters = 64;
const retryAfterMs = 15_000;

/** One emitter for each name, since a batch is about one server; per-request servers of one name share it. */
function emitterOf(server: Protocol, options: AuditOptions): SharedEmitter {
  const { principal: _, ...named } = { serverId: nameOf(server), ...options };
  const key = JSON.stringify(named);
  const found = emitters.get(key);
  if (found) return found;
  endWithProcess();
  const opened = emitters.size < maxEmitters ? open(options, named.serverId) : tooMany(options);
  if (opened !== overflow) emitters.set(key, opened);
  return opened;
}

let overflow: SharedEmitter | undefined;

function tooMany(options: AuditOptions): SharedEmitter {
  overflow ??= complain(
    new Error(`there are servers of more than ${maxEmitters} names; give them a serverId`),
    options,
  );
  return overflow;
}

function open(options: AuditOptions, serverId: string | undefined): SharedEmitter {
  try {
    checkOptions(options);
    const set: Settings = { ...readSettings(), ...options };
    const emitter = openEmitter({
      ...set,
      ...(serverId && { serverId }),
      fallbackServer: basename(process.argv[1] ?? process.execPath),
      keys: () => loadKeys(set.spoolDir, set.digestKey),
      putEvents: busOf(set),
      intentTools: new Set(options.intentTools),
      onSpoolFailure: options.onSpoolFailure ?? "open",
      fsync: options.fsync ?? false,
    });
    return { ...emitter, ...watchOver(emitter) };
  } catch (error) {
    return complain(error, options);
  }
}

function watchOver(emitter: Emitter): Omit<SharedEmitter, "track" | "pseudonym"> {
  /** Those with open calls alone: a session that its server forgets without closing it is not kept in memory by us. */
  const busy = new Set<Tracker>();
  let stopping: Promise<void> | undefined;
  const close = (ending: Ending): void => {
    for (const tracker of busy) tracker.close(ending);
    busy.clear();
  };
  return {
    watch: (tracker) => void (tracker.busy() ? busy.add(tracker) : busy.delete(tracker)),
    abandon: (code) => close({ via: "exit", code, signal: null }),
    async idle(withinMs) {
      for (const until = performance.now() + withinMs; busy.size > 0 && performance.now() < until; ) await sleep(20);
    },
    stop(ending) {
      if (stopping === undefined) {
        close(ending);
        stopping = emitter.stop();
      }
      return stopping;
    },
    stopped: () => stopping !== undefined,
  };
}

/** Nothing can be recorded, and calls pass unless they are to be refused. It is tried again with the first session after a while. */
function complain(error: unknown, options: AuditOptions): SharedEmitter {
  process.stderr.write(`tooltrail: ${notRecorded(error)}\n`);
  const digestKey = randomBytes(32);
  const nobodys = ({ issuer, subject }: PrincipalName): string => pseudonym(digestKey, issuer, subject);
  const trackerOptions: TrackerOptions = {
    sink: { begin: () => false, end: () => false, write: () => false, identify: () => undefined },
    memory: createMemory(),
    caller: { principal: { ref: nobodys({ issuer: "", subject: "" }), method: "none", verified: false } },
    digestKey,
    intentTools: new Set(Array.isArray(options.intentTools) ? options.intentTools : []),
    onSpoolFailure: options.onSpoolFailure ?? "open",
    clock,
    random: randomBytes,
  };
  const deaf: SharedEmitter = {
    track: (said) => createTracker(trackerOptions, said),
    pseudonym: nobodys,
    watch: () => undefined,
    abandon: () => undefined,
    idle: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    stopped: () => false,
  };
  const forget = (): void => {
    for (const [name, emitter] of emitters) if (emitter === deaf) emitters.delete(name);
  };
  setTimeout(forget, retryAfterMs).unref();
  return deaf;
}

/**
 * The name that a server was made with. Neither SDK has a public way to it before a client asks, and a server that is made for each
 * request may never be asked; where this is not found, the first answer that names it counts.
 */
function nameOf(server: Protocol): string | undefined {
  const { name } = (server as { _serverInfo?: { name?: unknown } })._serverInfo ?? {};
  return typeof name === "string" && name !== "" ? name : undefined;
}

let ending = false;

/** Signals are not touched: what they leave behind is adopted. */
function endWithProcess(): void {
  if (ending) return;
  ending = true;
  // Nothing is left to happen in this process: who has called is gone.
  process.on("beforeExit", () => void (emitters.size > 0 && stopAll({ via: "client_gone" }, 0)));
  process.on("exit", (code) => {
    for (const emitter of emitters.values()) orSay(() => emitter.abandon(code));
  });
}

const notRecorded = (error: unknown): string => `calls are NOT recorded: ${wordsOf(error)}`;

function orSay<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    sayOnce(notRecorded(error));
    return undefined;
  }
}
