/**
 * Somebody who uses the server all day: `node traffic.ts PAUSE-MS FILE COMMAND...`. An official MCP client (SDK 1), whose session begins anew when another version is deployed. Its patience is real: no fast
 * clock under it. On stdout a line for each round: the version, and how many calls were asked and failed, by then.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [pauseMs = "1000", deployed = "", command = "", ...args] = process.argv.slice(2);
/** Of a round: the same as of those before, so what fails is tried again and again, as callers do. */
const calls = [
  { name: "find_order", arguments: { orderId: "o-1" } },
  { name: "place_order", arguments: { sku: "lamp-1", quantity: 2 } },
  { name: "quote_shipping", arguments: { country: "c-1" } },
];

const versionNow = (): string => readFileSync(deployed, "utf8").trim();

async function begin(): Promise<Client> {
  const client = new Client({ name: "storefront", version: "3.1.0" });
  const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ""]));
  await client.connect(new StdioClientTransport({ command, args, env, stderr: "inherit" }));
  await client.listTools(); // so that it knows what answers must be
  return client;
}

let isOver = false;
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, () => {
    isOver = true;
  });

let [asked, failed] = [0, 0];
while (!isOver) {
  const version = versionNow();
  const client = await begin();
  while (!isOver && versionNow() === version) {
    for (const call of calls) {
      asked += 1;
      await client.callTool(call).catch(() => {
        failed += 1;
      });
    }
    process.stdout.write(`${version} ${asked} ${failed}\n`);
    await sleep(Number(pauseMs));
  }
  await client.close();
}
