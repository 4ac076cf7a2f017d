import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { type PrincipalName, pseudonym } from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import { busOf } from "./bus.ts";
import { type AuthInfo, callerOf, type NameOf, nameInToken } from "./caller.ts";
import { clock, openEmitter } from "./emitter.ts";
import { readSettings, type Settings } from "./settings.ts";
import { type Transport, tapOnStart } from "./tap.ts";
import { createMemory, createTracker, type Tracker, type TrackerOptions } from "./tracker.ts";

export type { AuthInfo, NameOf, PrincipalName, Settings };

/** What is not given is read from the environment (TOOLTRAIL_ENDPOINT, TOOLTRAIL_BUS, TOOLTRAIL_SPOOL, …), as the proxy does. */
export interface AuditOptions extends Partial<Settings> {
  /** Else the name by which the server introduces itself. */
  readonly serverId?: string;
  /** Tools whose calls are recorded before they run, besides those that declare `destructiveHint: true`. */
  readonly intentTools?: readonly string[];
  /** When nothing can be recorded: let calls pass (the default), or refuse destructive ones. */
  readonly onSpoolFailure?: "open" | "closed";
  /** Survive power loss too, for a price on each call. */
  readonly fsync?: boolean;
  /** Whom a verified token was issued to; by default `iss` and `sub` in its `extra`, else its client. */
  readonly principal?: NameOf;
}

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
  withoutFail(() => listenToConnections(innermost(server), options));
  return server;
}

function listenToConnections(server: Protocol, options: AuditOptions): void {
  if (known.has(server)) return;
  known.add(server);
  const { connect } = server;
  server.connect = (transport, ...rest) => {
    const leave = withoutFail(() => attach(transport, server, options));
    const connected = connect.call(server, transport, ...rest);
    void Promise.resolve(connected).catch(() => leave?.());
    return connected;
  };
}

/** Ends what is open, seals, and sends for at most a second: for a process that ends itself, before it does. */
export async function stopAuditing(): Promise<void> {
  const all = [...emitters.values()];
  emitters.clear();
  await Promise.all(all.map((emitter) => emitter.stop().catch(() => undefined)));
}

interface Protocol {
  connect(transport: Transport, ...rest: unknown[]): Promise<void>;
  readonly server?: unknown;
}

/** `McpServer` passes `connect` on to the `Server` in it, and some entry points call that one themselves. */
function innermost(server: unknown): Protocol {
  const { server: inner } = server as Protocol;
  return (isConnectable(inner) ? inner : server) as Protocol;
}

const isConnectable = (value: unknown): value is Protocol =>
  typeof value === "object" && value !== null && typeof (value as Protocol).connect === "function";

const known = new WeakSet<object>();

function attach(transport: Transport, server: Protocol, options: AuditOptions): () => void {
  const emitter = emitterOf(server, options);
  const tracker = emitter.track();
  const nameOf = options.principal ?? nameInToken;
  return tapOnStart(transport, {
    tracker,
    callerOf: (extra) => callerOf(extra, transport.sessionId, nameOf, emitter.pseudonym),
    closed: options.onSpoolFailure === "closed",
    onChange: () => emitter.watch(tracker),
  });
}

/** What is shared by all sessions of the servers of one name. */
interface SharedEmitter {
  track(): Tracker;
  pseudonym(name: PrincipalName): string;
  /** To be called after each message: whoever has an open call is to be closed when the process ends. */
  watch(tracker: Tracker): void;
  /** The process ends now: what is written from here on is for another one to send. */
  abandon(code: number): void;
  stop(): Promise<void>;
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
    const set: Settings = { ...readSettings(), ...options };
    const emitter = openEmitter({
      ...set,
      ...(serverId && { serverId: serverId.slice(0, 256) }),
      fallbackServer: basename(process.argv[1] ?? process.execPath),
      keys: () => loadKeys(set.spoolDir, set.digestKey),
      putEvents: busOf(set),
      intentTools: new Set(options.intentTools),
      onSpoolFailure: options.onSpoolFailure ?? "open",
      fsync: options.fsync ?? false,
    });
    return { ...emitter, ...watchOver(() => emitter.stop()) };
  } catch (error) {
    return complain(error, options);
  }
}

function watchOver(stop: () => Promise<void>): Pick<SharedEmitter, "watch" | "abandon" | "stop"> {
  /** Those with open calls alone: a session that its server forgets without closing it is not kept in memory by us. */
  const busy = new Set<Tracker>();
  const close = (ending: Parameters<Tracker["close"]>[0]): void => {
    for (const tracker of busy) tracker.close(ending);
    busy.clear();
  };
  return {
    watch: (tracker) => void (tracker.busy() ? busy.add(tracker) : busy.delete(tracker)),
    abandon: (code) => close({ via: "exit", code, signal: null }),
    stop() {
      close({ via: "client_gone" });
      return stop();
    },
  };
}

/** Nothing can be recorded, and calls pass unless they are to be refused. It is tried again with the first session after a while. */
function complain(error: unknown, options: AuditOptions): SharedEmitter {
  process.stderr.write(`tooltrail: calls are NOT recorded: ${error instanceof Error ? error.message : "unknown"}\n`);
  const digestKey = randomBytes(32);
  const nobodys = ({ issuer, subject }: PrincipalName): string => pseudonym(digestKey, issuer, subject);
  const trackerOptions: TrackerOptions = {
    sink: { begin: () => false, end: () => false, write: () => false, identify: () => undefined },
    memory: createMemory(),
    caller: { principal: { ref: nobodys({ issuer: "", subject: "" }), method: "none", verified: false } },
    digestKey,
    intentTools: new Set(options.intentTools),
    onSpoolFailure: options.onSpoolFailure ?? "open",
    clock,
    random: randomBytes,
  };
  const deaf: SharedEmitter = {
    track: () => createTracker(trackerOptions),
    pseudonym: nobodys,
    watch: () => undefined,
    abandon: () => undefined,
    stop: () => Promise.resolve(),
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
  process.on("beforeExit", () => void (emitters.size > 0 && stopAuditing()));
  process.on("exit", (code) => {
    for (const emitter of emitters.values()) withoutFail(() => emitter.abandon(code));
  });
}

function withoutFail<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
