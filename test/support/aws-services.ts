import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createBus } from "@tooltrail/local/bus";
import type { PublishedEvent } from "./adapters.ts";

/** Something on a free port of loopback. */
export interface Listening {
  /** `http://127.0.0.1:N` */
  readonly endpoint: string;
  close(): Promise<void>;
}

export async function listening(server: Server): Promise<Listening> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

export const json = "application/x-amz-json-1.1";

export interface AwsServices extends Listening {
  /** What has been put on the bus, oldest first. */
  readonly published: PublishedEvent[];
  /** Codes that the next entries fail with, one each; the request itself goes well. */
  readonly entryFaults: string[];
}

/** EventBridge (the one-machine bus, which checks what it gets) and Secrets Manager with one secret, as their clients meet them. */
export async function awsServices(secret = ""): Promise<AwsServices> {
  const published: PublishedEvent[] = [];
  const entryFaults: string[] = [];
  const bus = createBus({
    queue: {
      send: (messages: readonly { body: string }[]) => published.push(...messages.map(({ body }) => JSON.parse(body))),
    } as never,
    now: Date.now,
    onSent: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
  const server = createServer(async (request, response) => {
    const target = String(request.headers["x-amz-target"]);
    const body = await bodyOf(request);
    const fault = target === "AWSEvents.PutEvents" ? entryFaults.shift() : undefined;
    const answer = fault
      ? { status: 200, body: { FailedEntryCount: 1, Entries: [{ ErrorCode: fault, ErrorMessage: "as planned" }] } }
      : target === "secretsmanager.GetSecretValue"
        ? { status: 200, body: { Name: JSON.parse(body).SecretId, SecretString: secret } }
        : bus.answer(target, body);
    response.writeHead(answer.status, { "content-type": json }).end(JSON.stringify(answer.body));
  });
  return { ...(await listening(server)), published, entryFaults };
}
