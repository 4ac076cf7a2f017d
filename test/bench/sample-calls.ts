import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type CallRecord, type Envelope, open } from "@tooltrail/format";
import { server } from "../support/pipeline.ts";
import { openMcpSession } from "./mcp-session.ts";
import { source } from "./processes.ts";
import { inScratch } from "./scratch.ts";

/**
 * Records as the tracker really writes them: of calls to official servers, one session with each behind the proxy. Other figures stand on
 * how large a record is and how well it compresses, so that is not made up.
 */
export const sampleCalls = (): Promise<CallRecord[]> =>
  inScratch(async (dir) => {
    const files = join(dir, "files");
    mkdirSync(files);
    writeFileSync(join(files, "notes.txt"), "What was decided, and why.\n".repeat(40));
    const envelopes: Envelope[] = [];
    const bus = await keepEnvelopes(envelopes);
    const env = {
      ...process.env,
      TOOLTRAIL_SPOOL: join(dir, "spool"),
      TOOLTRAIL_ENDPOINT: bus.endpoint,
      MEMORY_FILE_PATH: join(dir, "memory.jsonl"),
    };
    for (const [command, calls] of sessions(files)) {
      const args = [source("packages/cli/bin/tooltrail.js"), "proxy", "--", ...command];
      const session = await openMcpSession(args, env, "ignore");
      for (const [name, given] of calls)
        await session.request("tools/call", { name, arguments: given, _meta: { traceparent } });
      await session.end();
    }
    bus.stop();
    return envelopes.flatMap(callsIn);
  });

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Session = readonly [command: readonly string[], calls: readonly (readonly [tool: string, given: object])[]];

const sessions = (files: string): Session[] => [
  [
    server("mcp-server-filesystem", files),
    [
      ["list_directory", { path: files }],
      ["read_text_file", { path: join(files, "notes.txt"), head: 20 }],
      ["search_files", { path: files, pattern: "*.txt" }],
      ["write_file", { path: join(files, "todo.md"), content: "- say what it costs\n" }],
      ["read_text_file", { path: "/etc/hosts" }],
    ],
  ],
  [
    server("mcp-server-memory"),
    [
      [
        "create_entities",
        { entities: [{ name: "Ada", entityType: "person", observations: ["wrote the first program"] }] },
      ],
      ["search_nodes", { query: "program" }],
      ["read_graph", {}],
    ],
  ],
];

async function keepEnvelopes(envelopes: Envelope[]): Promise<{ endpoint: string; stop(): void }> {
  const bus = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as { Entries: { Detail: string }[] };
    for (const { Detail } of Entries) envelopes.push(JSON.parse(Detail) as Envelope);
    response.end(JSON.stringify({ FailedEntryCount: 0, Entries: Entries.map((_, i) => ({ EventId: `${i}` })) }));
  });
  await once(bus.listen(0, "127.0.0.1"), "listening");
  return {
    endpoint: `http://127.0.0.1:${(bus.address() as AddressInfo).port}`,
    stop: () => void bus.close().closeAllConnections(),
  };
}

function callsIn({ headers, body }: Envelope): CallRecord[] {
  const opened = open(headers, body);
  if ("fault" in opened) throw new Error(`A batch of the proxy cannot be read: ${opened.fault}.`);
  return (opened.records as { kind: string }[]).filter((record): record is CallRecord => record.kind === "call");
}
