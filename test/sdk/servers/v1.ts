/**
 * A server of the 1.x SDK: `v1.ts stdio|http|stateless [audited]`. What differs between a server that is audited and one that is not is one line.
 *
 * By HTTP it says its port on stderr, and takes any bearer token for the name in it; without one, nobody is known.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { audited } from "@tooltrail/emitter/mcp";
import * as z from "zod";
import { odd, options, rows, said, until } from "./words.ts";

const [transport, mode] = process.argv.slice(2);

function tools(): McpServer {
  const server = new McpServer({ name: "notes", version: "1.2.3" });
  if (mode === "audited") audited(server, options()); // the one line
  server.registerTool("echo", { inputSchema: { message: z.string() } }, ({ message }) => said(message));
  server.registerTool("fail", {}, () => {
    throw new Error("Access denied");
  });
  server.registerTool("odd", {}, odd);
  server.registerTool("rows", {}, rows);
  server.registerTool("wait", {}, ({ signal }) => until(signal));
  server.registerTool("exit", {}, () => process.exit(7));
  server.registerTool(
    "wipe",
    { inputSchema: { id: z.string() }, annotations: { destructiveHint: true, readOnlyHint: false } },
    ({ id }) => said(`wiped ${id}`),
  );
  return server;
}

if (transport === "stdio") await tools().connect(new StdioServerTransport());
else listen(transport === "http" ? bySession() : byRequest);

function listen(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>): void {
  const http = createServer((request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const auth = token !== undefined && {
      token,
      clientId: "desktop",
      scopes: [],
      extra: { iss: "https://id.example", sub: token },
    };
    void answer(auth ? Object.assign(request, { auth }) : request, response);
  });
  http.listen(0, "127.0.0.1", () => process.stderr.write(`port ${(http.address() as AddressInfo).port}\n`));
}

function bySession() {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const found = sessions.get(String(request.headers["mcp-session-id"]));
    if (found) return found.handleRequest(request, response);
    const made = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, made),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await tools().connect(made as Parameters<McpServer["connect"]>[0]);
    await made.handleRequest(request, response);
  };
}

async function byRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const made = new StreamableHTTPServerTransport();
  const server = tools();
  response.on("close", () => void server.close());
  await server.connect(made as Parameters<McpServer["connect"]>[0]);
  await made.handleRequest(request, response);
}
