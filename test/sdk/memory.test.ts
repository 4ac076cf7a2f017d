/** A server that is made for each request leaves nothing behind. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { audited, stopAuditing } from "@tooltrail/emitter/mcp";
import { afterAll, expect, test } from "vitest";
import * as z from "zod";

const folder = mkdtempSync(join(tmpdir(), "tooltrail-memory-"));
afterAll(async () => {
  await stopAuditing();
  rmSync(folder, { recursive: true, force: true });
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const settle = async () => {
  for (let n = 0; n < 5; n += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage().heapUsed;
};

test("3,000 requests, some of them given up, leave no server alive and no more memory", async () => {
  const made: WeakRef<object>[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "short-lived", version: "1" });
    audited(server, { spoolDir: join(folder, "spool"), endpoint: "http://127.0.0.1:1", maxSpoolBytes: 4_000_000 });
    server.registerTool("echo", { inputSchema: z.object({ n: z.number() }) }, ({ n }) => ({
      content: [{ type: "text", text: String(n) }],
    }));
    server.registerTool("wait", {}, () => new Promise<never>(() => undefined));
    made.push(new WeakRef(server));
    return server;
  });
  const ask = async (id: number, name: string): Promise<void> => {
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    };
    const stop = new AbortController();
    const request = new Request("http://127.0.0.1/mcp", {
      method: "POST",
      signal: stop.signal,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": name,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: { n: id }, _meta } }),
    });
    const sub = `person ${id}`; // and each by somebody else
    const answered = handler.fetch(request, { authInfo: { token: "t", clientId: "c", scopes: [], extra: { sub } } });
    if (name === "wait") setImmediate(() => stop.abort());
    await (await answered).text();
  };
  const many = async (from: number, to: number): Promise<void> => {
    for (let id = from; id < to; id += 1) await ask(id, id % 10 === 0 ? "wait" : "echo");
  };
  await many(0, 1_000);
  const before = await settle();
  await many(1_000, 3_000);
  const after = await settle();
  expect(made).toHaveLength(3_000);
  expect(made.filter((reference) => reference.deref() !== undefined).length).toBeLessThan(5);
  expect(after - before).toBeLessThan(8 * 1_048_576); // the spool keeps at most 4 MiB while it has no room
  expect(readdirSync(join(folder, "spool"))).toHaveLength(1); // one emitter for all of them
});
