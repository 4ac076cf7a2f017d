import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { audited, stopAuditing } from "./mcp.ts";
import type { Transport } from "./tap.ts";

const folder = mkdtempSync(join(tmpdir(), "tooltrail-mcp-"));
afterAll(async () => {
  await stopAuditing();
  rmSync(folder, { recursive: true, force: true });
});
const options = { spoolDir: join(folder, "spool"), endpoint: "http://127.0.0.1:1" };

/** What both SDKs do when they connect: handlers first, then the start. */
const aServer = (fail?: Error) => ({
  _serverInfo: { name: "unit", version: "1" },
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
