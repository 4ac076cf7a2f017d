import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { bodyLines, type Envelope } from "@tooltrail/format";

/** A bus that takes everything and keeps a count, so that what is measured is who sends. Says its port on stdout; GET answers with the calls taken. */

let calls = 0;
const callsIn = (detail: string): number =>
  bodyLines((JSON.parse(detail) as Envelope).body)?.filter((line) => line.includes('"kind":"call"')).length ?? 0;

const server = createServer((request, response) => {
  if (request.method === "GET") return void response.end(String(calls));
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as { Entries: { Detail: string }[] };
    for (const { Detail } of Entries) calls += callsIn(Detail);
    response.end(JSON.stringify({ FailedEntryCount: 0, Entries: Entries.map((_, i) => ({ EventId: `${i}` })) }));
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
