/**
 * What an answer costs a server of SDK 1 in its one thread, from call to serialised answer, plain and audited: medians, for answers of rows.
 *
 *     npx node test/sdk/cost.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { audited, stopAuditing } from "@tooltrail/emitter/mcp";

const folder = mkdtempSync(join(tmpdir(), "tooltrail-cost-"));
const options = { spoolDir: join(folder, "spool"), endpoint: "http://127.0.0.1:1" };

function serverOf(rows: number): McpServer {
  const server = new McpServer({ name: "cost", version: "1" });
  const structuredContent = {
    rows: Array.from({ length: rows }, (_, id) => ({ id, name: `row ${id}`, price: id / 3, tags: ["a", "b"] })),
  };
  server.registerTool("rows", {}, () => ({ content: [], structuredContent }));
  return server;
}

async function measure(server: McpServer, times: number): Promise<{ ms: number; bytes: number }> {
  let answered: (bytes: number) => void = () => undefined;
  const transport: Transport = {
    start: async () => undefined,
    close: async () => undefined,
    send: async (message) => answered(JSON.stringify(message).length),
  };
  await server.connect(transport);
  const taken: number[] = [];
  let bytes = 0;
  for (let id = 0; id < times; id += 1) {
    const began = performance.now();
    bytes = await new Promise<number>((resolve) => {
      answered = resolve;
      transport.onmessage?.({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "rows", arguments: {} } });
    });
    taken.push(performance.now() - began);
  }
  return { ms: taken.sort((a, b) => a - b)[times >> 1] ?? 0, bytes };
}

for (const [rows, times] of [
  [1, 3_000],
  [150, 1_000],
  [1_500, 200],
  [14_500, 20],
  [20_000, 20],
  [200_000, 5],
] as const) {
  const plain = await measure(serverOf(rows), times);
  const { ms, bytes } = await measure(audited(serverOf(rows), options), times);
  process.stdout.write(`${bytes} bytes: ${plain.ms.toFixed(2)} -> ${ms.toFixed(2)} ms\n`);
}
await stopAuditing();
rmSync(folder, { recursive: true, force: true });
