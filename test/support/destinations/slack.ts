import {
  type Answer,
  answering,
  type Destination,
  isObject,
  isText,
  objectIn,
  Refused,
  startServer,
  type Taken,
} from "./server.ts";

export interface Slack extends Destination {
  /** What the channel shows, a text for each message: of each block its text, in Slack's markup. */
  messages(): readonly string[];
}

/** An incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). Its address, which is the secret, is `url`. */
export async function startSlack(): Promise<Slack> {
  const messages: string[] = [];
  const path = "/services/T0000/B0000/s3cretPartOfTheAddress";
  const server = await startServer((taken) => answering(() => post(taken)));

  function post(taken: Taken): Answer {
    if (taken.path !== path) return { status: 404, body: "no_service" };
    if (taken.method !== "POST") return { status: 405, body: "method not allowed" };
    const { text, blocks } = objectIn(taken, () => refused("invalid_payload"));
    if (!isText(text, 40_000)) throw refused("no_text");
    if (!Array.isArray(blocks) || blocks.length === 0 || blocks.length > 50) throw refused("invalid_blocks");
    messages.push(blocks.map(textOf).join("\n"));
    return { status: 200, body: "ok" };
  }

  return { ...server, url: `${server.url}${path}`, messages: () => messages };
}

function textOf(block: unknown): string {
  if (!isObject(block) || !isObject(block.text)) throw refused("invalid_blocks");
  const { type, text } = block.text;
  if (block.type === "header" && type === "plain_text" && isText(text, 150)) return text;
  if (block.type === "section" && type === "mrkdwn" && isText(text, 3_000)) return text;
  throw refused("invalid_blocks");
}

const refused = (why: string): Refused => new Refused({ status: 400, body: why });
