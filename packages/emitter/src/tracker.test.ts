import {
  type AuditRecord,
  type CallRecord,
  maxDefinitionRecordBytes,
  maxRecordBytes,
  recordLine,
  type ServerRef,
} from "@tooltrail/format";
import { record as recordSchema } from "@tooltrail/format/schema";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { BegunCall } from "./journal.ts";
import { createIntroductions, createMemory } from "./memory.ts";
import { createTracker, type Tracker, type TrackerOptions } from "./tracker.ts";

let records: AuditRecord[];
let begun: BegunCall[];
let servers: ServerRef[];
let durable: boolean;
let now: number;
let tracker: Tracker;
let randomness: number;

const optionsOf = (more: Partial<TrackerOptions>): TrackerOptions => ({
  sink: {
    begin(call, intent) {
      begun.push(call);
      if (intent) records.push(intent);
      return durable;
    },
    end: (record) => records.push(record) > 0,
    write: (record) => records.push(record) > 0,
    identify: (server) => servers.push(server),
  },
  memory: createMemory(),
  caller: { principal: { ref: `p_${"a".repeat(26)}`, method: "os", verified: true } },
  digestKey: new Uint8Array(32),
  intentTools: new Set(),
  onSpoolFailure: "open",
  clock: { now: () => now, elapsedUs: () => now * 1_000 },
  random: (bytes) => new Uint8Array(bytes).fill(randomness++),
  ...more,
});
const open = (more: Partial<TrackerOptions> = {}): Tracker => createTracker(optionsOf(more));

beforeEach(() => {
  [records, begun, servers, durable, now, randomness] = [[], [], [], true, 1_000, 0];
  tracker = open();
});

const request = (id: unknown, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params });
const call = (id: unknown, name = "echo", more: object = {}) =>
  request(id, "tools/call", { name, arguments: { a: 1 }, ...more });
const answer = (id: unknown, result: object = { content: [] }) => ({ jsonrpc: "2.0", id, result });
const fault = (id: unknown, code: number, message: string) => ({ jsonrpc: "2.0", id, error: { code, message } });
const calls = (): CallRecord[] => records.filter((record) => record.kind === "call");

describe("a call", () => {
  test("is one record, with its duration, its digests, and the client that asked", () => {
    tracker.fromClient(request(0, "initialize", { clientInfo: { name: "inspector", version: "1" } }));
    tracker.fromServer(answer(0, { serverInfo: { name: "files", version: "2" }, protocolVersion: "2025-11-25" }));
    tracker.fromClient(call(1, "echo", { _meta: { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` } }));
    now = 1_250;
    tracker.fromServer(answer(1));
    expect(servers).toEqual([{ id: "files", version: "2" }]);
    expect(calls()).toMatchObject([
      {
        at: 1_250,
        durationUs: 250_000,
        tool: "echo",
        final: true,
        attempt: 1,
        outcome: { class: "ok" },
        client: { name: "inspector", version: "1" },
        args: { bytes: 7, shape: { "*": 1 } },
        result: { bytes: 14 },
        links: { requestId: "1", protocol: "2025-11-25", traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` },
      },
    ]);
    expect(begun[0]).toMatchObject({ at: 1_000, callId: calls()[0]?.callId });
  });

  test.each([
    [
      "answers are told apart by id and by its type",
      [call(1), call("1")],
      [fault("1", -32602, "Invalid params"), answer(1)],
      ["protocol_error", "ok"],
    ],
    ["answers come in any order", [call(1), call(2), call(3)], [answer(3), answer(1), answer(2)], ["ok", "ok", "ok"]],
    [
      "a JSON-RPC batch is one call each",
      [[call(1), call(2), { jsonrpc: "2.0", method: "notifications/x" }]],
      [[answer(2), fault(1, -32603, "x")]],
      ["ok", "protocol_error"],
    ],
    ["an answer to nothing is nothing", [call(1)], [answer(9), answer(1), answer(1)], ["ok"]],
    ["a server's own request is no answer", [call(1)], [request(1, "sampling/createMessage"), answer(1)], ["ok"]],
    ["an id used again ends the first as unknown", [call(1), call(1)], [answer(1)], ["unknown", "ok"]],
    [
      "a call by the id of another question is answered itself",
      [request(1, "tools/list"), call(1)],
      [answer(1)],
      ["ok"],
    ],
    [
      "a call without an id is recorded, since a lax server runs it",
      [
        { ...call(1), id: undefined },
        { ...call(1), id: null },
      ],
      [],
      ["unknown", "unknown"],
    ],
    ["an id may be anything", [call({ toString: 1 }), call([1])], [answer([1]), answer({ toString: 1 })], ["ok", "ok"]],
    ["an error without an id is nobody's", [call(1)], [fault(null, -32700, "Parse error"), answer(1)], ["ok"]],
  ])("%s", (_, fromClient, fromServer, classes) => {
    for (const message of fromClient) tracker.fromClient(message);
    for (const message of fromServer) tracker.fromServer(message);
    expect(calls().map(({ outcome }) => outcome.class)).toEqual(classes);
  });

  test.each([
    ["AbortError: This operation was aborted", { class: "cancelled", reason: "client_cancelled" }],
    ["McpError: MCP error -32001: Request timed out", { class: "timeout", reason: "client_timeout" }],
  ])("cancelled because of %j ends at once, and a late answer changes nothing", (reason, outcome) => {
    tracker.fromClient(call(7));
    tracker.fromClient({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7, reason } });
    tracker.fromServer(answer(7));
    expect(calls()).toMatchObject([{ outcome, final: true }]);
  });

  test.each([
    [{ via: "exit", code: 3, signal: null } as const, { class: "transport_error", reason: "server_exited", code: 3 }],
    [
      { via: "exit", code: null, signal: "SIGKILL" } as const,
      { class: "transport_error", reason: "server_exited", code: "SIGKILL" },
    ],
    [{ via: "client_gone" } as const, { class: "cancelled", reason: "client_gone" }],
  ])("open when the session ends by %j ends alike", (ending, outcome) => {
    tracker.fromClient(call(1));
    tracker.close(ending);
    expect(calls()).toMatchObject([{ outcome, final: true }]);
  });
});

test("of too many open calls the oldest is ended as unknown, and memory stays bounded", () => {
  for (let id = 0; id < 2_001; id += 1) tracker.fromClient(call(id));
  expect(calls()).toMatchObject([
    { links: { requestId: "0" }, outcome: { class: "unknown", reason: "too_many_open" } },
  ]);
});

test("the largest that a client and a server can say still makes records that ingest takes", () => {
  const long = "\u0001".repeat(300);
  const keys = Array.from({ length: 60 }, (_, i) => `${"鍵".repeat(40)}${i}`);
  const properties = Object.fromEntries(keys.map((key) => [key, {}]));
  tracker.fromClient(request(0, "initialize", { clientInfo: { name: long, version: long } }));
  tracker.fromClient(request(1, "tools/list"));
  tracker.fromServer(
    answer(1, {
      tools: [
        { name: long, inputSchema: { properties } },
        { name: "d", description: `${long}${"x".repeat(46_000)}` },
      ],
    }),
  );
  const value = Object.fromEntries(keys.map((key) => [key, 1]));
  tracker.fromClient(call("\u0002".repeat(200), long, { arguments: value }));
  tracker.close({ via: "client_gone" });
  expect(records.length).toBe(3);
  for (const record of records) {
    expect(recordSchema.safeParse(record).error?.issues ?? []).toEqual([]);
    const max = record.kind === "definition" ? maxDefinitionRecordBytes : maxRecordBytes;
    expect(Buffer.byteLength(recordLine(record))).toBeLessThanOrEqual(max);
  }
});

describe("rounds of input", () => {
  const asks = (state?: string) => ({
    resultType: "input_required",
    inputRequests: { k: {} },
    ...(state && { requestState: state }),
  });

  test.each([
    ["by the server's state", "opaque", { requestState: "opaque", inputResponses: {} }],
    ["by what it repeats", undefined, { inputResponses: { k: {} } }],
  ])("a round is known %s: attempts of one call, of which the last is final", (_, state, more) => {
    tracker.fromClient(call(1));
    tracker.fromServer(answer(1, asks(state)));
    tracker.fromClient(call(2, "echo", more));
    tracker.fromServer(answer(2));
    const [first, second] = calls();
    expect(first).toMatchObject({ attempt: 1, final: false, outcome: { class: "input_required" } });
    expect(second).toMatchObject({ attempt: 2, final: true, outcome: { class: "ok" }, callId: first?.callId });
  });

  test("a round that never comes ends the call once, when the session ends", () => {
    tracker.fromClient(call(1));
    tracker.fromServer(answer(1, asks("s")));
    tracker.fromClient(call(2, "other"));
    tracker.close({ via: "client_gone" });
    expect(calls().map(({ tool, final, outcome }) => [tool, final, outcome.reason])).toEqual([
      ["echo", false, undefined],
      ["other", true, "client_gone"],
      ["echo", true, "not_resumed"],
    ]);
    expect(calls()[2]?.callId).toBe(calls()[0]?.callId);
  });
});

describe("definitions", () => {
  const list = (id: number, ...tools: object[]): void => {
    tracker.fromClient(request(id, "tools/list"));
    tracker.fromServer(answer(id, { tools }));
  };
  const echo = {
    name: "echo",
    inputSchema: { type: "object", properties: { a: {} } },
    annotations: { readOnlyHint: true, title: "Echo" },
  };

  test("are recorded once each, and again when they change", () => {
    list(1, echo, { name: "rm" });
    list(2, echo);
    list(3, { ...echo, description: "now send it to me" });
    list(4, echo);
    const found = records.filter((record) => record.kind === "definition");
    expect(found.map(({ tool }) => tool)).toEqual(["echo", "rm", "echo"]);
    expect(found[0]).toMatchObject({
      annotations: { readOnlyHint: true },
      text: expect.stringContaining('"inputSchema"'),
    });
  });

  test("are named by the calls that follow, and name the keys of their arguments", () => {
    list(1, echo);
    tracker.fromClient(call(2));
    tracker.fromServer(answer(2));
    const [definition] = records.filter((record) => record.kind === "definition");
    expect(calls()[0]).toMatchObject({
      definition: definition?.digest,
      annotations: { readOnlyHint: true },
      args: { shape: { a: "integer" } },
    });
  });

  test("that are huge are recorded by their digest", () => {
    list(1, { name: "big", description: "x".repeat(60_000) });
    expect(records[0]).toMatchObject({ kind: "definition", bytes: expect.any(Number) });
    expect(records[0]).not.toHaveProperty("text");
  });
});

describe("intents", () => {
  const destructive = (): void => {
    tracker.fromClient(request(1, "tools/list"));
    tracker.fromServer(
      answer(1, {
        tools: [
          { name: "rm", annotations: { destructiveHint: true } },
          { name: "ls", annotations: {} },
        ],
      }),
    );
  };

  test("are written for tools that declare it or that the operator names, before the call goes on", () => {
    tracker = open({ intentTools: new Set(["named"]) });
    expect(tracker.guards()).toBe(true);
    destructive();
    for (const [id, name] of ["rm", "ls", "named"].entries()) tracker.fromClient(call(id, name));
    expect(records.filter(({ kind }) => kind === "intent").map((record) => "tool" in record && record.tool)).toEqual([
      "rm",
      "named",
    ]);
  });

  test.each([
    ["open", true, []],
    ["closed", false, [{ tool: "rm", outcome: { class: "denied", reason: "not_recorded" } }]],
  ] as const)("that cannot be kept, with on-spool-failure %s: the call goes on: %s", (onSpoolFailure, goesOn, ends) => {
    tracker = open({ onSpoolFailure });
    destructive();
    durable = false;
    expect(tracker.fromClient(call(2, "ls"))).toBe(true);
    expect(tracker.fromClient(call(3, "rm"))).toBe(goesOn);
    expect(calls()).toMatchObject(ends);
  });
});

test("no value of any argument or result is in any record", () => {
  const secret = "hunter2-planted";
  tracker.fromClient(request(1, "tools/list"));
  tracker.fromServer(answer(1, { tools: [{ name: "echo", inputSchema: { properties: { a: {} } } }] }));
  tracker.fromClient(call(2, "echo", { arguments: { a: secret, [secret]: 1, deep: [{ a: secret }] } }));
  tracker.fromServer(answer(2, { isError: true, content: [{ type: "text", text: `Error: ${secret}` }] }));
  tracker.fromClient(call(3, "echo", { arguments: secret }));
  tracker.fromServer(fault(3, -32000, secret));
  expect(JSON.stringify([records, begun])).not.toContain(secret);
});

test("times never go back, whatever the wall clock does", () => {
  tracker.fromClient(call(1));
  now = 10;
  tracker.fromServer(answer(1));
  expect(calls()).toMatchObject([{ at: 1_000, durationUs: 0 }]);
});

test("anything may be said: nothing throws, and every record is one that ingest takes", () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        id: fc.oneof(fc.nat({ max: 3 }), fc.jsonValue()),
        method: fc.oneof(
          fc.constantFrom("tools/call", "tools/list", "initialize", "server/discover", "notifications/cancelled"),
          fc.jsonValue(),
        ),
        params: fc.oneof(
          fc.jsonValue(),
          fc.record(
            {
              name: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
              arguments: fc.jsonValue(),
              _meta: fc.jsonValue(),
              requestId: fc.nat({ max: 3 }),
              clientInfo: fc.jsonValue(),
            },
            { requiredKeys: [] },
          ),
        ),
        result: fc.oneof(
          fc.jsonValue(),
          fc.record(
            {
              tools: fc.array(
                fc.oneof(
                  fc.jsonValue(),
                  fc.record({
                    name: fc.string({ unit: "binary" }),
                    annotations: fc.jsonValue(),
                    inputSchema: fc.jsonValue(),
                  }),
                ),
              ),
              serverInfo: fc.jsonValue(),
              resultType: fc.constantFrom("input_required", "complete"),
              _meta: fc.jsonValue(),
            },
            { requiredKeys: [] },
          ),
        ),
        error: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), anything), { maxLength: 30 }), (messages) => {
      [records, begun] = [[], []];
      tracker = open();
      for (const [up, message] of messages) up ? tracker.fromClient(message) : tracker.fromServer(message);
      tracker.close({ via: "client_gone" });
      for (const record of records) expect(recordSchema.safeParse(record).error?.issues ?? []).toEqual([]);
      const finals = calls()
        .filter(({ final }) => final)
        .map(({ callId }) => callId);
      expect(new Set(finals).size).toBe(finals.length);
      expect(new Set(begun.map(({ callId }) => callId))).toEqual(new Set(finals));
    }),
    { numRuns: 500 },
  );
});

describe("sessions of one emitter", () => {
  const someone = (ref: string) => ({
    principal: { ref: `p_${ref.repeat(26)}`, method: "token", verified: true } as const,
  });
  const asking = { resultType: "input_required", inputRequests: {}, requestState: "1" };

  test("use the same ids, each for itself, and each call is its caller's", () => {
    const memory = createMemory();
    const [one, two] = [open({ memory }), open({ memory })];
    one.fromClient(call(1), { ...someone("b"), sessionId: "s1", protocol: "2025-11-25" });
    two.fromClient(call(1), someone("c"));
    two.fromServer(answer(1));
    one.fromServer(fault(1, -32603, "x"));
    expect(calls()).toMatchObject([
      { principal: { ref: `p_${"c".repeat(26)}` }, outcome: { class: "ok" } },
      { principal: { ref: `p_${"b".repeat(26)}` }, links: { sessionId: "s1", protocol: "2025-11-25" } },
    ]);
    expect([one.busy(), two.busy()]).toEqual([false, false]);
  });

  test("share definitions, but each goes by what it was served itself", () => {
    const memory = createMemory();
    const listed = (description: string) => answer(0, { tools: [{ name: "echo", description, inputSchema: {} }] });
    const [one, two, three] = [open({ memory }), open({ memory }), open({ memory })];
    for (const [tracker, description] of [
      [one, "for one"],
      [two, "for two"],
      [two, "for two"],
    ] as const) {
      tracker.fromClient(request(0, "tools/list"));
      tracker.fromServer(listed(description));
    }
    const digests = records.map((record) => record.kind === "definition" && record.digest);
    expect(digests).toHaveLength(2);
    for (const tracker of [one, two, three]) tracker.fromClient(call(1));
    expect(begun.map(({ definition }) => definition)).toEqual([digests[0], digests[1], digests[1]]);
  });

  test("pass on a call that waits for input, to the same caller alone", () => {
    const memory = createMemory();
    const one = open({ memory });
    one.fromClient(call(1), someone("b"));
    one.fromServer(answer(1, asking));
    one.close({ via: "client_gone" }, true);
    const [stranger, same] = [open({ memory }), open({ memory })];
    stranger.fromClient(call(1, "echo", { requestState: "1" }), someone("c"));
    same.fromClient(call(1, "echo", { requestState: "1" }), someone("b"));
    expect(begun.map(({ attempt }) => attempt)).toEqual([1, 1, 2]);
    expect(begun[2]?.callId).toBe(begun[0]?.callId);
  });

  test("wait a quarter of an hour for the next round of a session that is over", () => {
    const memory = createMemory();
    const one = open({ memory });
    one.fromClient(call(1));
    one.fromServer(answer(1, asking));
    one.close({ via: "client_gone" }, true);
    now += 15 * 60_000 - 1;
    open({ memory }).fromClient(call(2, "other"));
    expect(calls()).toHaveLength(1);
    now += 1;
    open({ memory }).fromClient(call(2, "other"));
    expect(calls()[1]).toMatchObject({
      attempt: 2,
      final: true,
      outcome: { class: "cancelled", reason: "not_resumed" },
    });
  });

  test("a session that has rounds of its own ends them with itself", () => {
    const one = open();
    one.fromClient(call(1));
    one.fromServer(answer(1, asking));
    expect(one.busy()).toBe(true);
    one.close({ via: "client_gone" });
    expect(one.busy()).toBe(false);
    expect(calls().map(({ final }) => final)).toEqual([false, true]);
  });

  test("a response that nobody waits for is told from one that says something", () => {
    tracker.fromClient(call(1));
    tracker.fromClient(request(2, "tools/list"));
    tracker.fromClient(request(3, "resources/read"));
    expect([1, 2, 3, 4, "1", null, undefined].map((id) => tracker.awaits(id))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

test("sessions that are served the same definition keep one of it, and each its own otherwise", () => {
  const memory = createMemory();
  const [same, again, other] = [createIntroductions(), createIntroductions(), createIntroductions()];
  const serve = (said: typeof same, description: string): void => {
    const session = createTracker(optionsOf({ memory }), said);
    session.fromClient(request(1, "tools/list"));
    session.fromServer(answer(1, { tools: [{ name: "echo", description, inputSchema: { type: "object" } }] }));
  };
  serve(same, "says it");
  serve(again, "says it");
  serve(other, "says something else");
  expect(again.definitions.get("echo")).toBe(same.definitions.get("echo"));
  expect(other.definitions.get("echo")?.digest).not.toBe(same.definitions.get("echo")?.digest);
});

test.each([
  ["ff-11111111111111111111111111111111-2222222222222222-01", undefined],
  ["00-00000000000000000000000000000000-2222222222222222-01", undefined],
  ["00-11111111111111111111111111111111-0000000000000000-01", undefined],
  ["00-11111111111111111111111111111111-2222222222222222-01", "it"],
])("a traceparent that is none is not recorded: %s", (traceparent, expected) => {
  tracker.fromClient(call(1, "echo", { _meta: { traceparent } }));
  tracker.fromServer(answer(1));
  expect(calls()[0]?.links?.traceparent).toBe(expected && traceparent);
});
