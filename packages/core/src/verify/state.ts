import type { BatchPlace } from "../log/ports.ts";
import type { ListedBatch } from "../ports.ts";
import type { EmitterState } from "./emitters.ts";
import { TextSet } from "./text-set.ts";

export const placeText = ({ emitter, seq }: BatchPlace): string => `${emitter}/${seq}`;
export const listingText = ({ emitter, seq, lastAt, server }: ListedBatch): string =>
  `${emitter}/${seq}/${lastAt}/${server}`;

/** What is known after a log was found to be sound: enough to go on at its next leaf as though it had been read from its first. */
export interface VerifiedState {
  /** How many leaves have been read. */
  readonly size: number;
  /** Whether all of them were held against the ledger. */
  readonly withLedger: boolean;
  readonly newestArrivalMs: number;
  readonly emitters: readonly EmitterState[];
  /** The log's batches, as `placeText` names them. */
  readonly places: TextSet;
  /** Of those that the ledger has: where it must list them, as `listingText` says it. */
  readonly listing: TextSet;
}

const schema = "tooltrail.verified/1";

/** The state as bytes, not copied: a line of JSON, filled up to a multiple of four, and the slots of both sets in this machine's byte order. */
export function stateBytes({ places, listing, ...rest }: VerifiedState): Uint8Array[] {
  const line = JSON.stringify({ schema, ...rest, places: places.slots.byteLength, listing: listing.slots.byteLength });
  const bytes = Buffer.byteLength(line) + 1;
  return [
    Buffer.from(`${line}${" ".repeat(-bytes & 3)}\n`),
    ...[places, listing].map(({ slots }) => new Uint8Array(slots.buffer, slots.byteOffset, slots.byteLength)),
  ];
}

/** @param given as `stateBytes` made it: whether it is, is for the caller to know. The state keeps it. @returns undefined where another version did. */
export function parseState(given: Uint8Array<ArrayBuffer>): VerifiedState | undefined {
  const bytes = given.byteOffset % 4 === 0 ? given : new Uint8Array(given); // where words can be read
  const end = bytes.indexOf(10) + 1;
  const parsed = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString("utf8")) as Omit<
    VerifiedState,
    "places" | "listing"
  > & { readonly schema: string; readonly places: number; readonly listing: number };
  if (parsed.schema !== schema) return undefined;
  const { size, withLedger, newestArrivalMs, emitters } = parsed;
  const set = (from: number, length: number): TextSet =>
    new TextSet(new Uint32Array(bytes.buffer, bytes.byteOffset + from, length / 4));
  return {
    size,
    withLedger,
    newestArrivalMs,
    emitters,
    places: set(end, parsed.places),
    listing: set(end + parsed.places, parsed.listing),
  };
}
