import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { line, type Started, start } from "../support/proxied.ts";

/** What a client of either SDK does here. An answer that is an error is an answer. */
export interface McpSession {
  list(): Promise<unknown>;
  call(name: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

export interface Command {
  readonly command: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

const self = { name: "official", version: "1" };

export async function stdioV1(command: Command): Promise<McpSession> {
  const client = new Client(self);
  await client.connect(new StdioClientTransport({ ...command, stderr: "inherit" }));
  return sessionV1(client);
}

export async function httpV1(url: string, token?: string): Promise<McpSession> {
  const client = new Client(self);
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: bearer(token) } });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return sessionV1(client, () => transport.terminateSession());
}

const sessionV1 = (client: Client, leave = async () => {}): McpSession => ({
  list: () => client.listTools(),
  call: (name, args, signal) =>
    client.callTool({ name, ...(args && { arguments: args }) }, undefined, { ...(signal && { signal }) }).catch(String),
  async close() {
    await leave();
    await client.close();
  },
});

export const stdioV2 = (command: Command): Promise<McpSession> =>
  sessionV2(new StdioV2({ ...command, stderr: "inherit" }));

export const httpV2 = (url: string, token?: string): Promise<McpSession> =>
  sessionV2(new HttpV2(new URL(url), { requestInit: { headers: bearer(token) } }));

async function sessionV2(transport: Parameters<ClientV2["connect"]>[0]): Promise<McpSession> {
  const client = new ClientV2(self, {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  });
  client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { confirm: true } }));
  await client.connect(transport);
  return {
    list: () => client.listTools(),
    call: (name, args, signal) =>
      client.callTool({ name, ...(args && { arguments: args }) }, { ...(signal && { signal }) }).catch(String),
    close: () => client.close(),
  };
}

const bearer = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

/** A server that listens. @returns its address, once it does. */
export async function listening({ command, args, env }: Command): Promise<{ url: string; server: Started }> {
  const server = start([command, ...args], { env });
  server.stdout.resume();
  const [, port] = await line(server.stderr, /port (\d+)/);
  server.stderr.resume();
  return { url: `http://127.0.0.1:${port}/mcp`, server };
}
