import { gzipSync } from "node:zlib";
import {
  type AuditRecord,
  type CallRecord,
  callId,
  canonical,
  isTraceparent,
  keyedDigest,
  type Links,
  maxDefinitionRecordBytes,
  type Outcome,
  type Principal,
  type PrincipalName,
  recordSchema,
  type Sealed,
  type ServerRef,
  sha256,
  shapeOf,
  steadyText,
} from "@tooltrail/format";
import type { BegunCall } from "./journal.ts";
import {
  abandon,
  type Clock,
  createIntroductions,
  type Definition,
  type Introductions,
  type Memory,
  type OpenCall,
  timeOf,
  type Waiting,
} from "./memory.ts";
import { annotationsOf, clientOf, each, isObject, keyOf, type Message, text } from "./message.ts";
import { type Ending, outcomeOf } from "./outcome.ts";

/**
 * Turns the JSON-RPC messages of one MCP session into records, whatever brought the messages: a tap on bytes or an SDK.
 *
 * Nothing here throws on what a client or a server says, and memory is bounded whatever they say.
 */
export interface Tracker {
  /**
   * A message, or a JSON-RPC batch, on its way to the server.
   *
   * @param caller who sends it, where the transport knows better than the emitter.
   * @returns false where it must not go on (see `refusal`).
   */
  fromClient(message: unknown, caller?: Caller): boolean;
  /** @param json what `JSON.stringify` makes of its `result`, from who has it. */
  fromServer(message: unknown, json?: string): void;
  /** The answer by this id cannot be put into JSON: the client gets none. */
  unsendable(id: unknown): void;
  /** True where a message to the server may need an intent in the spool before it goes on. */
  guards(): boolean;
  /** True where a response by this JSON-RPC id says something. */
  awaits(id: unknown): boolean;
  /** True while a call is open that `close` would end. */
  busy(): boolean;
  /** A frame went by that could not be read. */
  unparsed(): void;
  /**
   * The session is over: what is still open ends like this.
   *
   * @param elsewhere the client's next round of input may come in another session, as it does where there are none (stateless HTTP).
   */
  close(ending: Ending, elsewhere?: boolean): void;
}

/** Who calls, and in which session: what a transport knows beside the messages. */
export interface Caller {
  readonly principal: Principal;
  /** What the pseudonym stands for; a side. */
  readonly name?: PrincipalName;
  readonly sessionId?: string;
  /** The revision that the transport was told, for messages that name none. */
  readonly protocol?: string;
}

/** What is answered where a call must not go on. @param setting what the operator set, in the operator's words. */
export const refusal = (setting: string) => ({
  code: -32603,
  message: `tooltrail: refused, because this destructive call cannot be recorded (its spool is not writable) and ${setting} is closed.`,
});

/** Where records go. Each answers whether what it was given is durable now. */
export interface Sink {
  /** @param name what the call's pseudonym stands for, unless the sink's own sides say so. */
  begin(call: BegunCall, intent?: AuditRecord, name?: PrincipalName): boolean;
  end(record: CallRecord, name?: PrincipalName): boolean;
  write(record: AuditRecord): boolean;
  identify(server: ServerRef): void;
}

export interface TrackerOptions {
  readonly sink: Sink;
  readonly memory: Memory;
  /** Whoever calls, unless the transport knows better. */
  readonly caller: Caller;
  readonly digestKey: Uint8Array;
  /** Fixed by the operator; else the server's own name is taken. */
  readonly serverId?: string;
  readonly environment?: string;
  /** Tools that need an intent besides those that declare `destructiveHint: true`. */
  readonly intentTools: ReadonlySet<string>;
  readonly onSpoolFailure: "open" | "closed";
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
}

const maxOpen = 2_000;
/** How long a round is waited for after its session: a person may have to be asked, but each journal begins with all that is open. */
const maxRoundMs = 15 * 60_000;
const maxDefinitions = 5_000;
const maxShapeBytes = 4_096;
/** A definition that does not compress must still fit into a batch of its own. */
const maxPackedDefinitionBytes = 36_000;

export function createTracker(options: TrackerOptions, said: Introductions = createIntroductions()): Tracker {
  const { sink, clock, memory } = options;
  const { definitions } = said;
  const session = Symbol();
  /** Requests whose answers matter, by JSON-RPC id. */
  const calls = new Map<string, OpenCall>();
  const asked = new Map<string, "initialize" | "server/discover" | "tools/list">();
  /** What this session asked its client for, as keys into the memory's `waiting`. */
  const rounds = new Set<string>();
  let guarding = options.intentTools.size > 0;

  const at = (): number => timeOf(options);

  introduce(said.server);

  function fromClient(message: unknown, caller = options.caller): boolean {
    return each(message, (m) => {
      if (typeof m.method !== "string") return true;
      const params = isObject(m.params) ? m.params : {};
      if (m.method === "notifications/cancelled") cancel(params);
      const key = keyOf(m.id);
      if (m.method === "tools/call") return begin(key, m.id, params, caller);
      if (m.id === undefined || m.id === null) return true;
      if (m.method === "initialize" || m.method === "server/discover" || m.method === "tools/list") {
        remember(asked, key, m.method);
      }
      if (m.method === "initialize") said.client = clientOf(params.clientInfo) ?? said.client;
      return true;
    });
  }

  function fromServer(message: unknown, json?: string): void {
    each(message, (m) => {
      if (m.method !== undefined || m.id === undefined || m.id === null) return true;
      const key = keyOf(m.id);
      const result = isObject(m.result) ? m.result : undefined;
      const question = asked.get(key);
      if (question !== undefined) {
        asked.delete(key);
        if (result) learn(question, result);
        return true;
      }
      const call = calls.get(key);
      if (call === undefined) return true;
      if (result) introduce(isObject(result._meta) ? result._meta["io.modelcontextprotocol/serverInfo"] : undefined);
      finish(
        key,
        call,
        "error" in m ? { via: "error", error: m.error } : { via: "result", result: m.result },
        result,
        json,
      );
      return true;
    });
  }

  function begin(key: string, id: unknown, params: Message, caller: Caller): boolean {
    asked.delete(key);
    forgetRounds();
    const previous = calls.get(key);
    if (previous) end(key, previous, { class: "unknown", reason: "id_reused" });
    const [oldest] = calls;
    if (oldest && calls.size >= maxOpen) end(oldest[0], oldest[1], { class: "unknown", reason: "too_many_open" });

    const meta = isObject(params._meta) ? params._meta : {};
    const tool = text(params.name, 256) ?? "(none)";
    const definition = definitions.get(tool) ?? memory.definitions.get(tool);
    const software = clientOf(meta["io.modelcontextprotocol/clientInfo"]) ?? said.client;
    const args = argumentsOf(params.arguments, definition);
    const resumed = take(memory.waiting, roundKey(caller.principal, tool, args, params.requestState));
    const begun: BegunCall = {
      schema: recordSchema,
      kind: "call",
      at: at(),
      callId: resumed?.begun.callId ?? callId(options.random(17)),
      attempt: resumed?.begun.attempt ?? 1,
      principal: caller.principal,
      ...(software && { client: software }),
      tool,
      ...(definition && { definition: definition.digest }),
      ...(definition?.annotations && { annotations: definition.annotations }),
      args,
      links: linksOf(id, meta, caller),
    };
    const guarded = options.intentTools.has(tool) || definition?.annotations?.destructiveHint === true;
    const durable = sink.begin(begun, guarded ? { ...begun, kind: "intent" } : undefined, caller.name);
    const open = { begun, ...(caller.name && { name: caller.name }), beganUs: clock.elapsedUs() };
    if (guarded && !durable && options.onSpoolFailure === "closed") {
      record(open, { class: "denied", reason: "not_recorded" });
      return false;
    }
    // Without an id no answer is due, but a lax server runs it all the same.
    if (id === undefined || id === null) record(open, { class: "unknown", reason: "no_answer_due" });
    else calls.set(key, open);
    return true;
  }

  function cancel(params: Message): void {
    const key = keyOf(params.requestId);
    const call = calls.get(key);
    if (call) end(key, call, outcomeOf({ via: "cancel", reason: params.reason }));
  }

  function finish(key: string, call: OpenCall, ending: Ending, result: Message | undefined, json?: string): void {
    const outcome = outcomeOf(ending);
    if (outcome.class === "input_required" && result) {
      const { principal, tool, args } = call.begun;
      const next = { ...call, begun: { ...call.begun, attempt: call.begun.attempt + 1 }, session };
      const [oldest] = memory.waiting;
      if (oldest && memory.waiting.size >= maxOpen) abandon(options, oldest[0], oldest[1]);
      const round = roundKey(principal, tool, args, result.requestState);
      const twin = memory.waiting.get(round);
      if (twin) abandon(options, round, twin);
      memory.waiting.set(round, next);
      rounds.add(round);
    }
    const age = isObject(result?._meta) ? result._meta["tooltrail/dataAgeMs"] : undefined;
    end(key, call, outcome, {
      ...(ending.via === "result" && { result: keyedDigest(options.digestKey, ending.result, json) }),
      ...(typeof age === "number" && Number.isSafeInteger(age) && age >= 0 && { dataAgeMs: age }),
    });
  }

  function end(key: string, call: OpenCall, outcome: Outcome, more: Partial<CallRecord> = {}): void {
    calls.delete(key);
    record(call, outcome, more);
  }

  function record({ begun, name, beganUs }: OpenCall, outcome: Outcome, more: Partial<CallRecord> = {}): void {
    const ended: CallRecord = {
      ...begun,
      at: at(),
      final: outcome.class !== "input_required",
      outcome,
      durationUs: Math.max(0, Math.round(clock.elapsedUs() - beganUs)),
      ...more,
    };
    sink.end(ended, name);
  }

  /** Rounds that no session is left to wait for, from the oldest on. */
  function forgetRounds(): void {
    for (const [round, call] of memory.waiting) {
      if (call.leftAt === undefined || clock.now() - call.leftAt < maxRoundMs) return;
      abandon(options, round, call);
    }
  }

  function learn(question: "initialize" | "server/discover" | "tools/list", result: Message): void {
    if (question === "tools/list") {
      if (Array.isArray(result.tools)) for (const tool of result.tools) define(tool);
    } else {
      said.protocol = text(result.protocolVersion, 32) ?? said.protocol;
      introduce(result.serverInfo);
    }
    introduce(isObject(result._meta) ? result._meta["io.modelcontextprotocol/serverInfo"] : undefined);
  }

  /** The first introduction counts: a server cannot become another one in the middle of a session. */
  function introduce(info: unknown): void {
    if (!isObject(info)) return;
    said.server ??= info;
    if (memory.server !== undefined) return;
    const name = options.serverId ?? text(info.name, 256);
    if (name === undefined) return;
    const version = text(info.version, 128);
    memory.server = {
      id: name,
      ...(version && { version }),
      ...(options.environment && { environment: options.environment }),
    };
    sink.identify(memory.server);
  }

  function define(tool: unknown): void {
    const name = isObject(tool) ? text(tool.name, 256) : undefined;
    if (!isObject(tool) || name === undefined) return;
    const served = steadyText(tool);
    const digest = sha256(served);
    const annotations = annotationsOf(tool.annotations);
    // Sessions share what they are all served: a hundred of them would else keep a hundred copies of each schema.
    const shared = memory.definitions.get(name);
    const definition =
      shared?.digest === digest
        ? shared
        : { digest, inputSchema: tool.inputSchema, ...(annotations && { annotations }) };
    for (const known of [definitions, memory.definitions]) {
      if (known.size < maxDefinitions || known.has(name)) known.set(name, definition);
    }
    guarding ||= annotations?.destructiveHint === true;
    if (memory.published.has(name + digest) || memory.published.size >= 2 * maxDefinitions) return;
    memory.published.add(name + digest);
    const bytes = Buffer.byteLength(served);
    sink.write({
      schema: recordSchema,
      kind: "definition",
      at: at(),
      tool: name,
      digest,
      bytes,
      ...(fitsIntoBatch(name, served) && { text: served }),
      ...(annotations && { annotations }),
    });
  }

  function argumentsOf(value: unknown, definition: Definition | undefined): Sealed {
    const given = value ?? {};
    const shape = shapeOf(given, definition?.inputSchema);
    const small = Buffer.byteLength(canonical(shape)) <= maxShapeBytes;
    return { ...keyedDigest(options.digestKey, given), shape: small ? shape : "object" };
  }

  function linksOf(id: unknown, meta: Message, caller: Caller): Links {
    const traceparent = text(meta.traceparent, 64);
    const version =
      text(meta["io.modelcontextprotocol/protocolVersion"], 32) ?? said.protocol ?? text(caller.protocol, 32);
    const sessionId = text(caller.sessionId, 256);
    const requestId = text(typeof id === "string" ? id : keyOf(id), 128);
    return {
      ...(requestId && { requestId }),
      ...(traceparent && isTraceparent(traceparent) && { traceparent }),
      ...(sessionId && { sessionId }),
      ...(version && { protocol: version }),
    };
  }

  /** The rounds that this session still waits for. */
  function own(): [string, Waiting][] {
    const waiting: [string, Waiting][] = [];
    for (const round of rounds) {
      const call = memory.waiting.get(round);
      if (call?.session === session) waiting.push([round, call]);
      else rounds.delete(round);
    }
    return waiting;
  }

  return {
    fromClient,
    fromServer,
    guards: () => guarding,
    unparsed() {
      sink.write({ schema: recordSchema, kind: "lifecycle", at: at(), event: "unparsed", count: 1 });
    },
    unsendable(id) {
      const key = keyOf(id);
      const call = calls.get(key);
      asked.delete(key);
      if (call) end(key, call, outcomeOf({ via: "unsendable" }));
    },
    awaits: (id) => calls.has(keyOf(id)) || asked.has(keyOf(id)),
    busy: () => calls.size > 0 || own().length > 0,
    close(ending, elsewhere = false) {
      for (const [key, call] of calls) end(key, call, outcomeOf(ending));
      for (const [round, call] of own()) {
        if (elsewhere) memory.waiting.set(round, { ...call, leftAt: clock.now() });
        else abandon(options, round, call);
      }
      rounds.clear();
    },
  };
}

/** A round is recognised by what it repeats: the caller, the tool, the arguments, and the server's opaque state. */
const roundKey = ({ ref }: Principal, tool: string, args: Sealed | undefined, state: unknown): string =>
  sha256(`${ref}\n${tool}\n${args?.digest}\n${typeof state === "string" ? state : ""}`);

function take<V>(map: Map<string, V>, key: string): V | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size >= maxOpen) map.delete(oldest);
  map.set(key, value);
}

function fitsIntoBatch(name: string, served: string): boolean {
  const bytes = Buffer.byteLength(JSON.stringify([name, served]));
  if (bytes > maxDefinitionRecordBytes - 1_024) return false;
  return bytes <= maxPackedDefinitionBytes || gzipSync(served).length <= maxPackedDefinitionBytes;
}
