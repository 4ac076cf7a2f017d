import { sha256 } from "@tooltrail/format";

/** Characters of one part. Four of them and what joins them stay under the 1,000 bytes of a key. */
const maxPart = 240;

/**
 * A name as a part of a row's key: ASCII without `/` and `#`, so that parts can be joined and every store orders them alike. Of a long one the beginning, `~`, and what
 * tells it from others. Two names, two parts: `~` stands nowhere else.
 */
export function keyPart(name: string): string {
  // Names in records are well-formed, as canonical JSON is; what a reader asks for may be anything.
  const text = encodeURIComponent(name.toWellFormed()).replaceAll("~", "%7E");
  return text.length <= maxPart ? text : `${text.slice(0, maxPart - 65)}~${sha256(name)}`;
}

/** Parts joined: those of one server are listed together. */
export const rowId = (...parts: readonly string[]): string => parts.map(keyPart).join("/");

/** What the ids of all rows begin with that have these first parts. */
export const idPrefix = (...parts: readonly string[]): string => `${rowId(...parts)}/`;
