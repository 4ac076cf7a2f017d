import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Witness } from "./witness-state.ts";

/** A note of 64 KB, and a proof of 63 hashes. */
const maxBodyBytes = 72 * 1024;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType: string;
}

/**
 * `POST /add-checkpoint` over HTTP. It asks for no proof of who asks, as the protocol has it: the log's signature is the proof. Transport security is for whoever stands before it.
 *
 * @throws Error where the address cannot be used.
 */
export async function serveWitness(
  witness: Witness,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    answer(request)
      .catch((error: Error): Answer => {
        process.stderr.write(`tooltrail: a checkpoint could not be signed: ${error.message}\n`);
        return said(500, "It could not be signed here.");
      })
      .then(({ status, text, contentType }) => {
        response.writeHead(status, { "content-type": contentType, ...(status === 413 && { connection: "close" }) });
        response.end(text);
      });
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.maxConnections = 100;
  server.listen(port, host);
  await once(server, "listening");
  const { port: taken, address, family } = server.address() as AddressInfo;
  return {
    address: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`,
    async stop() {
      server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 2_000);
      await once(server, "close");
      clearTimeout(cut);
    },
  };

  async function answer(request: IncomingMessage): Promise<Answer> {
    if (request.url !== "/add-checkpoint") return said(404, "There is only /add-checkpoint here.");
    if (request.method !== "POST") return said(405, "add-checkpoint is asked by POST.");
    const body = await read(request);
    return body === undefined ? said(413, `A request has at most ${maxBodyBytes} bytes.`) : witness.answer(body);
  }
}

const said = (status: number, text: string): Answer => ({ status, text: `${text}\n`, contentType: "text/plain" });

/** @returns undefined where there is more than anybody needs to say. Bytes that are no UTF-8 become what no note contains. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
