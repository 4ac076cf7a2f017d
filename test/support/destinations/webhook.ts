import { Webhook } from "standardwebhooks";
import {
  type Answer,
  answering,
  type Destination,
  isObject,
  objectIn,
  Refused,
  startServer,
  type Taken,
} from "./server.ts";

export interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly [name: string]: unknown };
}

export interface WebhookReceiver extends Destination {
  readonly signingKey: string;
  /** What arrived, each id once. */
  deliveries(): readonly Delivery[];
}

/**
 * A receiver that verifies with the same library as any other, and does each id once.
 *
 * @param now in milliseconds: what is signed more than five minutes from it is refused.
 */
export async function startWebhook(
  now: () => number = Date.now,
  signingKey = `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
): Promise<WebhookReceiver> {
  const deliveries = new Map<string, Delivery>();
  const server = await startServer((taken) => answering(() => receive(taken)));

  function receive(taken: Taken): Answer {
    if (taken.method !== "POST" || taken.path !== "/hook") return { status: 404, body: "not found" };
    const { "webhook-id": id = "", "webhook-timestamp": at = "", "webhook-signature": signature = "" } = taken.headers;
    if (id === "" || id.includes(".") || !/^\d{10}$/.test(at)) throw refused(400, "no id or no time");
    if (Math.abs(Number(at) * 1_000 - now()) > 300_000) throw refused(400, "too old, or too new");
    // The library's own check of the time takes the machine's clock, which a test may not.
    const expected = new Webhook(signingKey).sign(id, new Date(Number(at) * 1_000), taken.body);
    if (!signature.split(" ").includes(expected)) throw refused(401, "wrong signature");
    const { type, timestamp, data } = objectIn(taken, (why) => refused(400, why));
    if (
      typeof type !== "string" ||
      typeof timestamp !== "string" ||
      Number.isNaN(Date.parse(timestamp)) ||
      !isObject(data)
    )
      throw refused(400, "no type, time or data");
    if (!deliveries.has(id)) deliveries.set(id, { id, type, timestamp, data });
    return { status: 200, body: { accepted: id } };
  }

  return { ...server, url: `${server.url}/hook`, signingKey, deliveries: () => [...deliveries.values()] };
}

const refused = (status: number, why: string): Refused => new Refused({ status, body: why });
