/** A stdio MCP server that does as little as a server can: it reads a frame, and says the arguments back. */

interface Request {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly arguments?: { readonly text?: string } };
}

const tool = {
  name: "echo",
  description: "Says what it is told.",
  inputSchema: { type: "object", properties: { text: { type: "string" }, n: { type: "integer" } } },
  annotations: { readOnlyHint: true },
};

function resultOf({ method, params }: Request): unknown {
  if (method === "tools/call") return { content: [{ type: "text", text: params?.arguments?.text ?? "" }] };
  if (method === "tools/list") return { tools: [tool] };
  return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "echo", version: "1.0.0" } };
}

let rest = "";
process.stdin.setEncoding("utf8").on("data", (text: string) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const request = JSON.parse(line) as Request;
    if (request.id === undefined) continue;
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, result: resultOf(request) })}\n`);
  }
});
process.stdin.on("end", () => process.exit(0));
