import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
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
  /** How many of the next signatures are wrong ones. */
  wrongSignatures: number;
  /** What SES has sent and SNS has published, oldest first. */
  readonly told: Told[];
}

/** An address, or a topic; and what it was told. */
export interface Told {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** What the stand-in's one signing key goes by. */
export const kmsKey = "arn:aws:kms:us-east-1:000000000000:key/log";

/**
 * EventBridge (the one-machine bus, which checks what it gets), Secrets Manager with the keys and, under a name with `response` in it, what destinations want, KMS with one Ed25519 key (which moto
 * does not have), SES and SNS, as their clients meet them.
 */
export async function awsServices(keys = "", response = ""): Promise<AwsServices> {
  const published: PublishedEvent[] = [];
  const told: Told[] = [];
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
  const { privateKey } = generateKeyPairSync("ed25519");
  const kms = (target: string, { Message = "" }: { readonly Message?: string }) => {
    if (target === "TrentService.GetPublicKey") {
      const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
      return { status: 200, body: { KeyId: kmsKey, PublicKey: der.toString("base64") } };
    }
    const signature = sign(null, Buffer.from(Message, "base64"), privateKey);
    if (services.wrongSignatures > 0) {
      services.wrongSignatures -= 1;
      signature[0] = ~(signature[0] ?? 0);
    }
    return { status: 200, body: { KeyId: kmsKey, Signature: signature.toString("base64") } };
  };
  const server = createServer(async (request, answered) => {
    const body = await bodyOf(request);
    if (request.headers["x-amz-target"] === undefined) {
      const { type, text } = tell(told, body);
      answered.writeHead(200, { "content-type": type }).end(text);
      return;
    }
    const target = String(request.headers["x-amz-target"]);
    const fault = target === "AWSEvents.PutEvents" ? entryFaults.shift() : undefined;
    const answer = fault
      ? { status: 200, body: { FailedEntryCount: 1, Entries: [{ ErrorCode: fault, ErrorMessage: "as planned" }] } }
      : target === "secretsmanager.GetSecretValue"
        ? { status: 200, body: secretOf(JSON.parse(body).SecretId) }
        : target.startsWith("TrentService.")
          ? kms(target, JSON.parse(body))
          : bus.answer(target, body);
    answered.writeHead(answer.status, { "content-type": json }).end(JSON.stringify(answer.body));
  });
  const secretOf = (id: string) => ({ Name: id, SecretString: id.includes("response") ? response : keys });
  const services = { ...(await listening(server)), published, entryFaults, wrongSignatures: 0, told };
  return services;
}

/** SES (v2, JSON by path) and SNS (by form), neither of which names its operation in a header. */
function tell(told: Told[], body: string): { readonly type: string; readonly text: string } {
  const form = new URLSearchParams(body);
  if (form.get("Action") === "Publish") {
    const said = (name: string): string => form.get(name) ?? "";
    told.push({ to: said("TopicArn"), subject: said("Subject"), text: said("Message") });
    const result = `<PublishResult><MessageId>${told.length}</MessageId></PublishResult>`;
    return { type: "text/xml", text: `<PublishResponse xmlns="${snsNamespace}">${result}</PublishResponse>` };
  }
  const { Destination, Content } = JSON.parse(body);
  for (const to of Destination.ToAddresses)
    told.push({ to, subject: Content.Simple.Subject.Data, text: Content.Simple.Body.Text.Data });
  return { type: "application/json", text: JSON.stringify({ MessageId: String(told.length) }) };
}

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/";
