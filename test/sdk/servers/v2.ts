/** A server of the 2.x SDK: `v2.ts stdio|http [audited]`. Otherwise as v1.ts. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, inputRequired, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { audited } from "@tooltrail/emitter/mcp";
import * as z from "zod";
import { odd, options, rows, said, until } from "./words.ts";

const [transport, mode] = process.argv.slice(2);

function tools(): McpServer {
  const server = new McpServer({ name: "notes", version: "1.2.3" });
  if (mode === "audited") audited(server, options()); // the one line
  server.registerTool("echo", { inputSchema: z.object({ message: z.string() }) }, ({ message }) => said(message));
  server.registerTool("fail", {}, () => {
    throw new Error("Access denied");
  });
  server.registerTool("odd", {}, odd);
  server.registerTool("rows", {}, rows);
  server.registerTool("wait", {}, ({ mcpReq }) => until(mcpReq.signal));
  server.registerTool("exit", {}, () => process.exit(7));
  server.registerTool(
    "wipe",
    { inputSchema: z.object({ id: z.string() }), annotations: { destructiveHint: true, readOnlyHint: false } },
    ({ id }) => said(`wiped ${id}`),
  );
  server.registerTool("deploy", { inputSchema: z.object({ rounds: z.number() }) }, async ({ rounds }, { mcpReq }) => {
    const round = Number(mcpReq.requestState() ?? "0");
    if (round >= rounds) return said(`deployed after ${round} rounds`);
    const confirm = inputRequired.elicit({ message: "Sure?", requestedSchema: z.object({ confirm: z.boolean() }) });
    return inputRequired({ inputRequests: { confirm }, requestState: String(round + 1) });
  });
  return server;
}

if (transport === "stdio") serveStdio(tools);
else {
  const answer = toNodeHandler(createMcpHandler(tools));
  const http = createServer((request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const auth = token !== undefined && {
      token,
      clientId: "desktop",
      scopes: [],
      extra: { iss: "https://id.example", sub: token },
    };
    void answer((auth ? Object.assign(request, { auth }) : request) as Parameters<typeof answer>[0], response);
  });
  http.listen(0, "127.0.0.1", () => process.stderr.write(`port ${(http.address() as AddressInfo).port}\n`));
}
