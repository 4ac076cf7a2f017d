/** SDK 2.x over stdio, revisions 2026-07-28 and before. Each call is recorded with the operating system's user. */
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { audited } from "@tooltrail/emitter/mcp";
import * as z from "zod";

serveStdio(() => {
  const server = audited(new McpServer({ name: "greeter-v2", version: "1.0.0" })); // the one line
  server.registerTool("greet", { inputSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    content: [{ type: "text", text: `Hello, ${name}.` }],
  }));
  return server;
});
