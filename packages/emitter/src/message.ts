import type { Annotations, Client } from "@tooltrail/format";

/** JSON-RPC messages of MCP, read with no trust in what they are. */
export type Message = { readonly [key: string]: unknown };

export const isObject = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A batch of JSON-RPC (2025-03-26) is an array of messages. @returns false where any answer was false. */
export const each = (message: unknown, see: (message: Message) => boolean): boolean =>
  (Array.isArray(message) ? message : [message]).filter(isObject).map(see).every(Boolean);

/** JSON-RPC ids 1 and "1" are two. */
export const keyOf = (id: unknown): string => JSON.stringify(id) ?? "";

/** Text from outside, cut to what a record takes. Lone surrogates have no canonical form. */
export const text = (value: unknown, max: number): string | undefined =>
  typeof value === "string" && value !== "" ? value.slice(0, max).toWellFormed() : undefined;

export function clientOf(info: unknown): Client | undefined {
  if (!isObject(info)) return undefined;
  const name = text(info.name, 256);
  const version = text(info.version, 128);
  return name === undefined ? undefined : { name, ...(version && { version }) };
}

export function annotationsOf(value: unknown): Annotations | undefined {
  if (!isObject(value)) return undefined;
  const hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] as const;
  const found = hints.filter((hint) => typeof value[hint] === "boolean").map((hint) => [hint, value[hint]]);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
