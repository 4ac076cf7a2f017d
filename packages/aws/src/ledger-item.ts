import { AppError } from "@tooltrail/core/errors";
import type { StoredBatch } from "@tooltrail/core/ports";
import { decoded, encoded, type Item, keyItem, number, text } from "./item.ts";
import { dayOf, ledgerKey, serverDay, timeKey } from "./ledger-key.ts";

/** A batch as an item. Bytes as bytes: body, signature and identity are a third smaller so, and DynamoDB bills each KB. */
export const itemOf = ({ headers, sig, body, identity, receivedAtMs, account }: StoredBatch): Item => ({
  ...keyItem(ledgerKey(headers.emitter, headers.seq)),
  gpk: { S: serverDay(headers.server.id, dayOf(headers.lastAt)) },
  gsk: { S: timeKey(headers) },
  headers: { S: JSON.stringify(headers) },
  ...(sig !== undefined && { sig: encoded(sig, "base64") }),
  body: encoded(body, "base64"),
  identity: encoded(identity, "hex"),
  receivedAtMs: { N: String(receivedAtMs) },
  account: { S: account },
});

/** The way back from `itemOf`. */
export function batchOf(item: Item): StoredBatch {
  const sig = decoded(item.sig, "base64");
  return {
    headers: JSON.parse(text(item, "headers")),
    ...(sig !== undefined && { sig }),
    body: decoded(item.body, "base64") ?? "",
    identity: decoded(item.identity, "hex") ?? "",
    receivedAtMs: number(item, "receivedAtMs"),
    account: text(item, "account"),
  };
}

/** An item as Lambda shows it in a stream's event: as the client has it, but bytes in base64. */
export interface Image {
  readonly [name: string]: { readonly S?: string; readonly N?: string; readonly B?: string };
}

/** A batch as the stream would show it: for who makes such events himself. */
export function imageOf(batch: StoredBatch): { readonly keys: Image; readonly item: Image } {
  const item = Object.fromEntries(
    Object.entries(itemOf(batch)).map(([name, { S, N, B }]) => [name, shown({ S, N, B })]),
  );
  const { pk = {}, sk = {} } = item;
  return { keys: { pk, sk }, item };
}

const shown = ({
  S,
  N,
  B,
}: {
  S?: string | undefined;
  N?: string | undefined;
  B?: Uint8Array | undefined;
}): Image[string] =>
  S !== undefined ? { S } : N !== undefined ? { N } : { B: Buffer.from(B ?? []).toString("base64") };

/**
 * The batch that a stream's event shows.
 *
 * @throws AppError invalid that names what is missing: then somebody put an item there by hand.
 */
export function batchOfImage(image: Image): StoredBatch {
  for (const name of ["headers", "body", "identity", "receivedAtMs", "account"])
    if (image[name] === undefined) throw notABatch(image, `it has no ${name}`);
  const item = Object.fromEntries(
    Object.entries(image).map(([name, { S, N, B }]) => [
      name,
      B !== undefined ? { B: Buffer.from(B, "base64") } : S !== undefined ? { S } : { N: N ?? "" },
    ]),
  );
  if (!Number.isSafeInteger(number(item, "receivedAtMs"))) throw notABatch(image, "its receivedAtMs is no time");
  try {
    return batchOf(item);
  } catch {
    throw notABatch(image, "its headers are no JSON");
  }
}

const notABatch = ({ pk, sk }: Image, why: string): AppError =>
  new AppError("invalid", `The ledger's item ${pk?.S ?? "?"} ${sk?.S ?? "?"} is no batch: ${why}.`);
