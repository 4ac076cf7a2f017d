/** SDK 1.x over stdio. Each call is recorded with the operating system's user. */
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { audited } from "@tooltrail/emitter/mcp";
import * as z from "zod";

const server = audited(new McpServer({ name: "greeter-v1", version: "1.0.0" })); // the one line

server.registerTool("greet", { inputSchema: { name: z.string() } }, ({ name }) => ({
  content: [{ type: "text", text: `Hello, ${name}.` }],
}));

await server.connect(new StdioServerTransport());
