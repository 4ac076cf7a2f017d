import { appendFileSync } from "node:fs";

/**
 * A stdio MCP server that starts fast: `node server.ts FILE`. Every call that reaches it is in FILE before anything is done about it,
 * so that the audit knows what the server saw although it may be killed at any moment.
 */

const file = process.argv[2] ?? "";

interface Request {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly arguments?: { n: number; delayMs: number; fails: boolean } };
}

const tool = (name: string, destructiveHint: boolean) => ({
  name,
  description: `The tool ${name}.`,
  inputSchema: {
    type: "object",
    properties: { n: { type: "integer" }, delayMs: { type: "integer" }, fails: { type: "boolean" } },
  },
  annotations: { readOnlyHint: !destructiveHint, destructiveHint },
});

function answer({ id, method, params }: Request): void {
  if (id === undefined) return;
  if (method === "initialize") send(id, introduction);
  else if (method === "tools/list") send(id, { tools: [tool("look", false), tool("wipe", true)] });
  else if (method === "tools/call") call(id, params);
}

const introduction = {
  protocolVersion: "2025-06-18",
  capabilities: { tools: {} },
  serverInfo: { name: "chaos", version: "1.0.0" },
  _meta: { pid: process.pid },
};

function call(id: number | string, params: Request["params"]): void {
  const { n = -1, delayMs = 0, fails = false } = params?.arguments ?? {};
  appendFileSync(file, `${n} ${process.pid}\n`);
  const result = { content: [{ type: "text", text: `done ${n}` }], isError: fails };
  if (delayMs === 0) send(id, result);
  else setTimeout(() => send(id, result), delayMs);
}

const send = (id: number | string, result: unknown): void =>
  void process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text: string) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) answer(JSON.parse(line));
});
process.stdin.on("end", () => process.exit(0));
process.stdout.on("error", () => process.exit(0));
