import { maxCanonicalBytes } from "@tooltrail/format";
import type { MessageExtra } from "./caller.ts";
import { type Caller, refusal, type Tracker } from "./tracker.ts";

/** A transport of an official SDK, as far as all versions have it. */
export interface Transport {
  start(): Promise<void>;
  send(message: unknown, ...rest: unknown[]): Promise<void>;
  onmessage?: ((message: unknown, extra?: MessageExtra, ...rest: unknown[]) => void) | undefined;
  onclose?: (() => void) | undefined;
  readonly sessionId?: string | undefined;
}

/** What a tap needs to know of the session that it listens to. */
export interface Session {
  readonly tracker: Tracker;
  /** To be called before each message of the client: auditing may have been stopped since the last one. */
  readonly resume: () => void;
  /** Who sends this; undefined for the operating system's user. */
  readonly callerOf: (extra: MessageExtra | undefined) => Caller | undefined;
  /** Destructive calls that cannot be recorded are refused. */
  readonly closed: boolean;
  /** A call was begun or has ended. */
  readonly onChange: () => void;
}

/**
 * Listens to a transport from the moment in which the SDK starts it: its handlers are in place then, and no message has come yet.
 *
 * The transport itself is used and not a stand-in for it, since an SDK may look at what kind it is.
 *
 * @returns how to leave a transport that was never started.
 */
export function tapOnStart(transport: Transport, session: Session): () => void {
  const { start } = transport;
  const own = Object.hasOwn(transport, "start");
  const leave = (): void => {
    if (own) transport.start = start;
    else Reflect.deleteProperty(transport, "start");
  };
  transport.start = (...args) => {
    leave();
    try {
      listen(transport, session);
    } catch {
      // A transport that cannot be listened to is started all the same.
    }
    return start.apply(transport, args);
  };
  return leave;
}

function listen(transport: Transport, session: Session): void {
  const { closed } = session;
  const { send, onmessage, onclose } = transport;
  /** By HTTP and without a session: the next round of a call comes by another transport. */
  let stateless = false;

  /** A fault of ours may cost a record, never a call: it is counted, and the message goes on. */
  function look<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch {
      session.tracker.unparsed();
      return undefined;
    } finally {
      session.onChange();
    }
  }

  transport.onmessage = (message, extra, ...rest) => {
    const goesOn = look(() => {
      session.resume();
      const caller = session.callerOf(extra);
      stateless = caller !== undefined && transport.sessionId === undefined;
      return session.tracker.fromClient(message, caller);
    });
    if (goesOn ?? (!closed || !isRequest(message))) return onmessage?.call(transport, message, extra, ...rest);
    const id = isRequest(message) ? message.id : undefined;
    // Not in this tick, in which SDK 2 takes an error for its own and answers with another HTTP status.
    if (id !== undefined) queueMicrotask(() => void send.call(transport, refused(id)).catch(() => undefined));
  };

  // Before it goes out, unlike in the proxy: whoever ends this process on an answer ends us too, and its outcome would be unknown.
  transport.send = (message, ...rest) => {
    if (isResponse(message) && session.tracker.awaits(message.id)) look(() => hear(session.tracker, message));
    return send.call(transport, message, ...rest);
  };

  transport.onclose = () => {
    look(() => session.tracker.close({ via: "client_gone" }, stateless));
    onclose?.call(transport);
  };
}

function hear(tracker: Tracker, message: Answer): void {
  const sent = asSent(message);
  if (sent === undefined) tracker.unsendable(message.id);
  else tracker.fromServer(sent.message, sent.json);
}

/**
 * What the client gets, and the text of its result: an object may still hold a date, or a number that JSON does not have. Only what is too large to be put in
 * order is not read back, which costs more than all the rest: its few fields that matter are looked at where they are.
 *
 * @returns undefined where JSON has no form for it, as for a cycle.
 */
function asSent(message: Answer): { message: unknown; json?: string } | undefined {
  try {
    const json = JSON.stringify(message.result);
    if (json === undefined) return { message: JSON.parse(JSON.stringify(message)) };
    const result = json.length > maxCanonicalBytes ? message.result : JSON.parse(json);
    return { message: { ...message, result }, json };
  } catch {
    return undefined;
  }
}

const refused = (id: unknown) => ({ jsonrpc: "2.0", id, error: refusal("onSpoolFailure") });

type Identified = { readonly id: unknown };
type Answer = Identified & { readonly result?: unknown };

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null;
const isRequest = (message: unknown): message is Identified =>
  isObject(message) && message.id !== undefined && message.method !== undefined;
const isResponse = (message: unknown): message is Answer =>
  isObject(message) && message.id !== undefined && message.method === undefined;
