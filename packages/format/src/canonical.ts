import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import canonicalize from "canonicalize";

/**
 * RFC 8785 (JCS): one spelling for one value.
 *
 * @param value JSON data. A member that is `undefined` is left out.
 * @throws Error where the value has a lone surrogate, NaN, an infinity or a cycle: such a value has no canonical bytes.
 */
export function canonical(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Error("Only JSON data has canonical bytes.");
  return text;
}

/** SHA-256, lower-case hex. Strings are hashed as UTF-8. */
export const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** HMAC-SHA256, raw. With a key that Node has made its own it takes a fifth of the time, and a call needs two. */
export const hmac = (key: Uint8Array, data: string | Uint8Array): Buffer =>
  createHmac("sha256", secretOf(key)).update(data).digest();

const secrets = new WeakMap<Uint8Array, KeyObject>();

function secretOf(key: Uint8Array): KeyObject {
  const known = secrets.get(key);
  if (known) return known;
  const secret = createSecretKey(key);
  secrets.set(key, secret);
  return secret;
}

/**
 * Keyed digest of a value that is not stored: equal values compare equal, and nobody without the key can confirm a guess.
 *
 * The bytes are canonical, so a tap that sees text and an SDK that sees objects agree.
 */
export function keyedDigest(key: Uint8Array, value: unknown): { digest: string; bytes: number } {
  const text = steadyText(value);
  return { digest: `hmac-sha256:${hmac(key, text).toString("hex")}`, bytes: Buffer.byteLength(text) };
}

/** The canonical text, or for data that has none (a lone surrogate) what `JSON.stringify` makes of it. Never throws on parsed JSON. */
export function steadyText(value: unknown): string {
  try {
    return canonical(value);
  } catch {
    return JSON.stringify(value) ?? "null";
  }
}
