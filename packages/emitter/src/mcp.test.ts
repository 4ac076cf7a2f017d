import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CallRecord,
  type Envelope,
  keyedDigest,
  maxCanonicalBytes,
  open,
  type ServerRef,
} from "@tooltrail/format";
import { afterAll, afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type AuditOptions, audited, stopAuditing } from "./mcp.ts";
import type { Transport } from "./tap.ts";

const folder = mkdtempSync(join(tmpdir(), "tooltrail-mcp-"));
afterEach(() => stopAuditing({ withinMs: 0 })); // some leave calls open
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const options = { spoolDir: join(folder, "spool"), endpoint: "http://127.0.0.1:1" };

/** What both SDKs do when they connect: handlers first, then the start. */
const aServer = (fail?: Error, name = "unit") => ({
  _serverInfo: { name, version: "1" },
  heard: [] as unknown[],
  async connect(transport: Transport): Promise<void> {
    if (fail) throw fail;
    transport.onmessage = (message) => void this.heard.push(message);
    transport.onclose = () => void this.heard.push("closed");
    await transport.start();
  },
});
const aTransport = (): Transport & { readonly sent: unknown[] } => {
  const sent: unknown[] = [];
  return {
    sent,
    start: () => Promise.resolve(),
    send: (message) => Promise.resolve(void sent.push(message)),
    onmessage: undefined,
    onclose: undefined,
  };
};
const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo", arguments: {} } };

/** A bus that takes everything. */
async function aBus() {
  const calls: (CallRecord & { readonly server: ServerRef })[] = [];
  const bus = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { Entries } = JSON.parse(text) as { Entries: { Detail: string }[] };
    for (const { headers, body } of Entries.map(({ Detail }) => JSON.parse(Detail) as Envelope)) {
      const read = open(headers, body);
      const records = ("records" in read ? read.records : []) as CallRecord[];
      calls.push(...records.filter(({ kind }) => kind === "call").map((call) => ({ ...call, server: headers.server })));
    }
    response.end(JSON.stringify({ Entries: Entries.map(() => ({ EventId: "e" })) }));
  });
  onTestFinished(() => void bus.close().closeAllConnections());
  await once(bus.listen(0, "127.0.0.1"), "listening");
  const endpoint = `http://127.0.0.1:${(bus.address() as AddressInfo).port}`;
  spools += 1;
  return { endpoint, spoolDir: join(folder, `spools-${spools}`, "spool"), calls };
}
let spools = 0;

/** What is said on stderr from here on. */
function heardOnStderr(): string[] {
  const lines: string[] = [];
  const said = vi.spyOn(process.stderr, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  onTestFinished(() => said.mockRestore());
  return lines;
}

async function connected(server: ReturnType<typeof aServer>, transport = aTransport()): Promise<typeof transport> {
  await server.connect(transport);
  return transport;
}
const answer = (result: unknown, id = 1) => ({ jsonrpc: "2.0", id, result });
const callBy = (id: number) => ({ ...call, id });

describe("an audited server", () => {
  test("is the same one, and audited once", () => {
    const server = aServer();
    expect(audited(server, options)).toBe(server);
    const { connect } = server;
    expect(audited(server, options).connect).toBe(connect);
  });

  test("hears, says and closes as before", async () => {
    const [server, transport] = [audited(aServer(), options), aTransport()];
    await server.connect(transport);
    for (const message of [call, null, 5, { jsonrpc: "2.0", method: "notifications/x" }, [call]])
      transport.onmessage?.(message);
    const answer = { jsonrpc: "2.0", id: 1, result: { content: [] } };
    await transport.send(answer);
    transport.onclose?.();
    expect(server.heard).toEqual([call, null, 5, { jsonrpc: "2.0", method: "notifications/x" }, [call], "closed"]);
    expect(transport.sent).toEqual([answer]);
  });

  test("fails to connect as before, and leaves the transport as it was", async () => {
    const [server, transport] = [audited(aServer(new Error("taken")), options), aTransport()];
    const { start } = transport;
    await expect(server.connect(transport)).rejects.toThrow("taken");
    await vi.waitFor(() => expect(transport.start).toBe(start));
  });

  test("works with a transport that cannot be listened to, and a server that cannot be changed", async () => {
    const frozen = Object.freeze(aServer());
    expect(audited(frozen, options)).toBe(frozen);
    const stubborn = { ...aTransport() };
    Object.defineProperty(stubborn, "send", { value: stubborn.send, writable: false });
    const server = audited(aServer(), options);
    await server.connect(stubborn);
    stubborn.onmessage?.(call);
    expect(server.heard).toEqual([call]);
  });

  test("gets a call whose record fails, and sends an answer that cannot be read", async () => {
    const [server, transport] = [audited(aServer(), options), aTransport()];
    await server.connect(transport);
    const hostile = {
      ...call,
      get params(): never {
        throw new Error("no");
      },
    };
    transport.onmessage?.(hostile);
    transport.onmessage?.(call);
    const cyclic: Record<string, unknown> = { jsonrpc: "2.0", id: 1 };
    cyclic.result = cyclic;
    await transport.send(cyclic);
    expect(server.heard).toEqual([hostile, call]);
    expect(transport.sent).toEqual([cyclic]);
  });

  test("says so once where it cannot be recorded, and asks again only after a while", async () => {
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const wrong = { ...options, endpoint: "https://elsewhere.example" };
      for (let n = 0; n < 3; n += 1) {
        const [server, transport] = [audited(aServer(), wrong), aTransport()];
        await server.connect(transport);
        transport.onmessage?.(call);
        expect(server.heard).toEqual([call]);
      }
      expect(said.mock.calls.map(([text]) => String(text))).toEqual([
        expect.stringMatching(/NOT recorded.*TOOLTRAIL_ENDPOINT/),
      ]);
    } finally {
      said.mockRestore();
    }
  });
});

describe("an option that is undefined was not given:", () => {
  const without = (name: keyof AuditOptions, options: AuditOptions): AuditOptions => ({
    ...options,
    [name]: undefined,
  });

  test("each server keeps its own name", async () => {
    const { calls, ...bus } = await aBus();
    for (const name of ["alpha", "beta"]) {
      const transport = await connected(audited(aServer(undefined, name), without("serverId", bus)));
      transport.onmessage?.(call);
      await transport.send(answer({ content: [] }));
    }
    await stopAuditing();
    expect(calls.map(({ server }) => server.id).sort()).toEqual(["alpha", "beta"]);
  });

  test("what the environment says counts", async () => {
    const { calls, endpoint, spoolDir } = await aBus();
    vi.stubEnv("TOOLTRAIL_ENDPOINT", endpoint);
    onTestFinished(() => void vi.unstubAllEnvs());
    const transport = await connected(audited(aServer(), without("endpoint", { spoolDir })));
    transport.onmessage?.(call);
    await transport.send(answer({ content: [] }));
    await stopAuditing();
    expect(calls).toHaveLength(1);
  });
});

describe("a server that is not recorded says so:", () => {
  test.each<[string, (server: ReturnType<typeof aServer>) => unknown, RegExp]>([
    [
      "an option that no batch takes",
      (server) => audited(server, { ...options, environment: "x".repeat(65) }),
      /environment/,
    ],
    ["an option of the wrong kind", (server) => audited(server, { ...options, serverId: 5 as never }), /serverId/],
    [
      "an option that cannot be told from others",
      (server) => audited(server, { ...options, maxSpoolBytes: 1n as never }),
      /BigInt/,
    ],
  ])("%s", async (_, audit, expected) => {
    const said = heardOnStderr();
    const server = aServer();
    audit(server);
    (await connected(server)).onmessage?.(call);
    expect(server.heard).toEqual([call]);
    expect(said).toEqual([expect.stringMatching(expected)]);
    expect(said[0]).toMatch(/^tooltrail: calls are NOT recorded: /);
  });

  test("audited when it is connected already", async () => {
    const said = heardOnStderr();
    for (const server of [aServer(), aServer()]) {
      const transport = await connected(server);
      audited(Object.assign(server, { transport }), options);
      audited(server, options);
    }
    expect(said).toEqual([expect.stringMatching(/NOT recorded: audited\(\) came after connect\(\)/)]);
  });

  test("something that is none", () => {
    const said = heardOnStderr();
    for (const thing of [undefined, { foo: 1 }, 5]) expect(audited(thing as never, options)).toBe(thing);
    expect(said).toEqual([expect.stringMatching(/NOT recorded: .*no connect\(\)/)]);
  });
});

test("who calls over a transport that is neither SDK's stdio is nobody known", async () => {
  const { calls, ...bus } = await aBus();
  const transports = [aTransport(), { ...aTransport(), _stdin: { fd: 0 } }, { ...aTransport(), _stdin: { fd: 9 } }];
  for (const [id, transport] of transports.entries()) {
    await connected(audited(aServer(), bus), transport);
    transport.onmessage?.(callBy(id));
    await transport.send(answer({ content: [] }, id));
  }
  await stopAuditing();
  expect(calls.map(({ principal: { method, verified } }) => ({ method, verified }))).toEqual([
    { method: "none", verified: false },
    { method: "os", verified: true },
    { method: "none", verified: false },
  ]);
});

test.each([
  ["cut within a character", `${"x".repeat(255)}😀`, `${"x".repeat(255)}\ufffd`],
  ["that is no text", "a\ud83d", "a\ufffd"],
])("a server with a name %s is recorded all the same", async (_, name, expected) => {
  const { calls, ...bus } = await aBus();
  for (const [server, more] of [
    [aServer(undefined, name), {}],
    [aServer(), { environment: name.slice(-60), serverId: name.slice(-60) }],
  ] as const) {
    const transport = await connected(audited(server, { ...bus, ...more }));
    transport.onmessage?.(call);
    await transport.send(answer({ content: [] }));
    await stopAuditing();
  }
  expect(calls.map(({ server }) => server)).toMatchObject([{ id: expected }, { id: expect.any(String) }]);
});

test("a folder that cannot be finished is named once", async () => {
  const said = heardOnStderr();
  const { calls, ...bus } = await aBus();
  const dead = join(bus.spoolDir, "a".repeat(26));
  mkdirSync(dead, { recursive: true });
  writeFileSync(join(dead, "emitter.json"), JSON.stringify({ key: "another", nonce: "AAAA" }));
  writeFileSync(join(dead, "0.journal"), "");
  await connected(audited(aServer(), bus));
  await vi.waitFor(() =>
    expect(said).toEqual([expect.stringMatching(/a{26} holds is not sent.*another installation key/)]),
  );
  expect(calls).toEqual([]);
  await stopAuditing();
});

describe("an answer", () => {
  async function recorded(result: unknown): Promise<CallRecord | undefined> {
    const { calls, ...bus } = await aBus();
    const transport = await connected(audited(aServer(), { ...bus, digestKey: "ab".repeat(32) }));
    transport.onmessage?.(call);
    await transport.send(answer(result));
    expect(transport.sent).toEqual([answer(result)]);
    await stopAuditing();
    expect(calls).toHaveLength(1);
    return calls[0];
  }

  const rows = (characters: number) => ({
    content: [{ type: "text", text: "rows" }],
    structuredContent: { z: new Date(0), a: Number.NaN, none: undefined, rows: ["é".repeat(characters)] },
  });
  test.each([
    ["of any size", rows(10)],
    ["that is small in characters and large in bytes", rows(maxCanonicalBytes / 2 + 10)],
    ["of more than 1 MiB", rows(maxCanonicalBytes)],
    ["of more than 1 MiB, an error", { ...rows(maxCanonicalBytes), isError: true }],
  ])("%s is digested as whoever reads its text would", async (_, result) => {
    const text = JSON.stringify(result);
    const call = await recorded(result);
    expect(call?.result).toEqual(keyedDigest(Buffer.from("ab".repeat(32), "hex"), JSON.parse(text)));
    expect(call?.outcome.class).toBe("isError" in result ? "tool_error" : "ok");
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  test.each([
    ["a cycle", cycle],
    ["a number that JSON does not have", { n: 1n }],
  ])("with %s is one that nobody gets", async (_, result) => {
    expect(await recorded(result)).toMatchObject({
      final: true,
      outcome: { class: "transport_error", reason: "invalid_output" },
    });
  });
});

describe("when auditing is stopped", () => {
  test("a call that is open is waited for", async () => {
    const { calls, ...bus } = await aBus();
    const transport = await connected(audited(aServer(), bus));
    transport.onmessage?.(call);
    const stopped = stopAuditing();
    setTimeout(() => void transport.send(answer({ content: [] })), 100);
    await stopped;
    expect(calls.map(({ outcome }) => outcome)).toEqual([{ class: "ok" }]);
  });

  test("one that takes longer ends as unknown, whatever it answers then", async () => {
    const { calls, ...bus } = await aBus();
    const transport = await connected(audited(aServer(), bus));
    transport.onmessage?.(call);
    await Promise.all([stopAuditing({ withinMs: 50 }), stopAuditing({ withinMs: 10 })]);
    await transport.send(answer({ content: [] }));
    expect(calls.map(({ outcome }) => outcome)).toEqual([{ class: "unknown", reason: "not_recorded" }]);
  });

  test("a call that comes later is recorded all the same, with what the session had said before", async () => {
    const { calls, ...bus } = await aBus();
    const [server, transport] = [audited(aServer(), bus), aTransport()];
    await connected(server, transport);
    const clientInfo = { name: "inspector", version: "1" };
    transport.onmessage?.({ jsonrpc: "2.0", id: 0, method: "initialize", params: { clientInfo } });
    await transport.send(answer({ protocolVersion: "2025-11-25", serverInfo: { name: "unit", version: "1" } }, 0));
    for (const id of [1, 2, 3]) {
      transport.onmessage?.(callBy(id));
      await transport.send(answer({ content: [] }, id));
      await stopAuditing();
    }
    expect(server.heard).toHaveLength(4);
    expect(calls).toHaveLength(3);
    for (const call of calls)
      expect(call).toMatchObject({
        client: clientInfo,
        outcome: { class: "ok" },
        links: { protocol: "2025-11-25" },
        server: { id: "unit", version: "1" },
      });
  });
});
