/**
 * An official MCP server (SDK 1) with three tools, as it was deployed: `node server.ts FILE`, where the file says which version. 1.4.0 is sound. 2.0.0 fails whoever places an order, by an internal error,
 * and finds orders whose total is a text, which is not what it promises. 2.0.1 is 2.0.0, repaired.
 */
import { readFileSync } from "node:fs";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import {
  CallToolRequestSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";

const version = readFileSync(process.argv[2] ?? "", "utf8").trim();
const isBroken = version === "2.0.0";

const order: Tool["outputSchema"] = {
  type: "object",
  properties: { orderId: { type: "string" }, total: { type: "integer" } },
  required: ["orderId", "total"],
};

const tools: Tool[] = [
  {
    name: "find_order",
    description: "Finds an order.",
    inputSchema: { type: "object", properties: { orderId: { type: "string" } }, required: ["orderId"] },
    outputSchema: order,
  },
  {
    name: "place_order",
    description: "Places an order.",
    inputSchema: {
      type: "object",
      properties: { sku: { type: "string" }, quantity: { type: "integer", minimum: 1 } },
      required: ["sku", "quantity"],
    },
    outputSchema: order,
  },
  {
    name: "quote_shipping",
    description: "Says what it costs to send something.",
    inputSchema: { type: "object", properties: { country: { type: "string" } }, required: ["country"] },
    outputSchema: { type: "object", properties: { cents: { type: "integer" } }, required: ["cents"] },
  },
];

const answers: { readonly [tool: string]: () => { readonly [name: string]: unknown } } = {
  find_order: () => ({ orderId: "o-1", total: isBroken ? "1999" : 1999 }),
  place_order() {
    if (isBroken) throw new McpError(ErrorCode.InternalError, "the price service answered what nobody expected");
    return { orderId: "o-2", total: 1999 };
  },
  quote_shipping: () => ({ cents: 490 }),
};

const server = new Server({ name: "orders", version }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
server.setRequestHandler(CallToolRequestSchema, ({ params: { name } }) => {
  const answer = answers[name];
  if (answer === undefined) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${name}`);
  const structuredContent = answer();
  return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent };
});

await server.connect(new StdioServerTransport());
