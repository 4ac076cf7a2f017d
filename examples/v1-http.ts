/**
 * SDK 1.x over Streamable HTTP with sessions. Each call is recorded with whom its bearer token was issued to: what the verifier puts into
 * `extra.iss` and `extra.sub`. The port is `PORT`, or any.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { audited, stopAuditing } from "@tooltrail/emitter/mcp";
import * as z from "zod";

function greeter(): McpServer {
  const server = audited(new McpServer({ name: "greeter-v1-http", version: "1.0.0" })); // the one line
  server.registerTool("greet", { inputSchema: { name: z.string() } }, ({ name }) => ({
    content: [{ type: "text", text: `Hello, ${name}.` }],
  }));
  return server;
}

/** Yours checks a signature, an audience and a time. */
function verify(request: IncomingMessage) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  return token && { token, clientId: "desktop", scopes: [], extra: { iss: "https://id.example", sub: token } };
}

const sessions = new Map<string, StreamableHTTPServerTransport>();

async function transportOf(request: IncomingMessage): Promise<StreamableHTTPServerTransport> {
  const found = sessions.get(String(request.headers["mcp-session-id"]));
  if (found) return found;
  const made = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, made),
    onsessionclosed: (id) => void sessions.delete(id),
  });
  await greeter().connect(made as Transport);
  return made;
}

const http = createServer(async (request, response) => {
  const auth = verify(request);
  const transport = await transportOf(request);
  await transport.handleRequest(auth ? Object.assign(request, { auth }) : request, response);
});
http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  process.stderr.write(`port ${(http.address() as AddressInfo).port}\n`);
});

// A process that ends itself sends what it has before; without this, the next one with the same spool does.
process.once("SIGTERM", () => {
  http.close().closeAllConnections();
  void stopAuditing().then(() => process.exit(0));
});
