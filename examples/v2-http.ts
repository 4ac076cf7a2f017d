/**
 * SDK 2.x over Streamable HTTP, revision 2026-07-28: a server for each request. Each call is recorded with whom its bearer token was issued to.
 * The port is `PORT`, or any.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { audited, stopAuditing } from "@tooltrail/emitter/mcp";
import * as z from "zod";

const answer = toNodeHandler(
  createMcpHandler(() => {
    const server = audited(new McpServer({ name: "greeter-v2-http", version: "1.0.0" })); // the one line
    server.registerTool("greet", { inputSchema: z.object({ name: z.string() }) }, ({ name }) => ({
      content: [{ type: "text", text: `Hello, ${name}.` }],
    }));
    return server;
  }),
);

/** Yours checks a signature, an audience and a time. */
function verify(request: IncomingMessage) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  return token && { token, clientId: "desktop", scopes: [], extra: { iss: "https://id.example", sub: token } };
}

const http = createServer((request, response) => {
  const auth = verify(request);
  const asked = auth ? Object.assign(request, { auth }) : request;
  void answer(asked as Parameters<typeof answer>[0], response);
});
http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  process.stderr.write(`port ${(http.address() as AddressInfo).port}\n`);
});

// A process that ends itself sends what it has before; without this, the next one with the same spool does.
process.once("SIGTERM", () => {
  http.close().closeAllConnections();
  void stopAuditing().then(() => process.exit(0));
});
