import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import canonicalize from "canonicalize";

/**
 * RFC 8785 (JCS): one spelling for one value.
 *
 * @param value JSON data. A member that is `undefined` is left out.
 * @throws Error where the value has a lone surrogate, NaN, an infinity or a cycle: such a value has no canonical bytes.
 */
export function canonical(value: unknown): string {
  const text = canonicalAtOnce(value) ?? canonicalize(value);
  if (text === undefined) throw new Error("Only JSON data has canonical bytes.");
  return text;
}

/**
 * The same for nearly every value that there is, in a fraction of the time: JSON.stringify spells numbers and texts as RFC 8785 does and keeps the
 * order of members, so that order is all that is left to see to. Lone surrogates apart, which it writes as escapes.
 *
 * @returns undefined where this cannot be told at a glance.
 */
function canonicalAtOnce(value: unknown): string | undefined {
  const order = orderOf(value, maxPlainDepth);
  if (order === "unclear") return undefined;
  const text = JSON.stringify(order === "sorted" ? value : sortedCopy(value));
  return text.includes("\\ud") ? undefined : text;
}

/** How the members of all objects in a value lie; `unclear` for what may be more than JSON data, is nested deeply, or cannot be put in order. */
type Order = "sorted" | "unsorted" | "unclear";

/** A cycle ends here, too. */
const maxPlainDepth = 32;

function orderOf(value: unknown, depth: number): Order {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return "sorted";
  if (typeof value === "number") return Number.isFinite(value) ? "sorted" : "unclear";
  if (typeof value !== "object" || depth === 0) return "unclear";
  return Array.isArray(value) ? orderOfElements(value, depth - 1) : orderOfMembers(value, depth - 1);
}

function orderOfElements(array: readonly unknown[], depth: number): Order {
  if (Object.getPrototypeOf(array) !== Array.prototype) return "unclear";
  let all: Order = "sorted";
  for (let i = 0; i < array.length; i += 1) {
    const order = orderOf(array[i], depth);
    if (order === "unclear") return order;
    if (order === "unsorted") all = order;
  }
  return all;
}

/** In order of UTF-16 code units, which is how `<` compares. Another prototype may have a `toJSON`, and so may the object itself: a function is no data. */
function orderOfMembers(object: object, depth: number): Order {
  if (Object.getPrototypeOf(object) !== Object.prototype) return "unclear";
  let all: Order = "sorted";
  let previous: string | undefined;
  let numbered = false;
  for (const name of Object.keys(object)) {
    const order = orderOf((object as Members)[name], depth);
    if (order === "unclear" || name === "__proto__") return "unclear";
    if (order === "unsorted" || (previous !== undefined && name < previous)) all = "unsorted";
    numbered ||= name < ":" && name >= "0";
    previous = name;
  }
  // Members named by numbers come first in any object, so a copy has them where they were.
  return numbered && all === "unsorted" ? "unclear" : all;
}

type Members = { readonly [name: string]: unknown };

function sortedCopy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sortedCopy);
  const copy: { [name: string]: unknown } = {};
  for (const name of Object.keys(value).sort()) copy[name] = sortedCopy((value as Members)[name]);
  return copy;
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

/** A value with more JSON than this is digested as it was sent: to put it in order costs as much again as to write it. */
export const maxCanonicalBytes = 1_048_576;

/**
 * Keyed digest of a value that is not stored: equal values compare equal, and nobody without the key can confirm a guess.
 *
 * The bytes are canonical, so a tap that sees text and an SDK that sees objects agree. Over `maxCanonicalBytes` they are those of
 * `JSON.stringify`, members in the order in which they were sent, on which the two agree as well. Both texts are of one length.
 *
 * @param json what `JSON.stringify` makes of the value, from who has it.
 */
export function keyedDigest(
  key: Uint8Array,
  value: unknown,
  json: string = JSON.stringify(value) ?? "null",
): { digest: string; bytes: number } {
  const bytes = Buffer.byteLength(json);
  const text = bytes > maxCanonicalBytes ? json : steadyText(value);
  return { digest: `hmac-sha256:${hmac(key, text).toString("hex")}`, bytes };
}

/** The canonical text, or for data that has none (a lone surrogate) what `JSON.stringify` makes of it. Never throws on parsed JSON. */
export function steadyText(value: unknown): string {
  try {
    return canonical(value);
  } catch {
    return JSON.stringify(value) ?? "null";
  }
}
