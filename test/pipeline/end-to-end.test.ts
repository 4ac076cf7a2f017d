import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { behindProxy, eventually, makePlace, type RunningPipeline, records, server, startPipeline } from "../support/pipeline.ts";

const place = makePlace();
let pipeline: RunningPipeline;
beforeAll(async () => {
  pipeline = await startPipeline(place);
});
afterAll(async () => {
  await pipeline.stop();
  place.remove();
});

describe("the official client, a server behind the proxy, and a query", () => {
  test("a call is answered by a query within 5 s", async () => {
    const client = new Client({ name: "check", version: "1.2.3" });
    await client.connect(
      new StdioClientTransport({ ...behindProxy(place, pipeline.endpoint, server("mcp-server-everything")), stderr: "inherit" }),
    );
    await client.listTools();
    await client.callTool({ name: "echo", arguments: { message: "planted-secret" } });
    const [call] = await eventually(
      () => records(place, pipeline.endpoint, "--tool", "echo"),
      (seen) => seen.length > 0,
      5_000,
    );
    expect(call).toMatchObject({ kind: "call", tool: "echo", outcome: { class: "ok" }, final: true, sealed: true });
    await client.close();
  });
});
