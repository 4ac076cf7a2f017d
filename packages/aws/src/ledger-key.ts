import type { BatchPosition } from "@tooltrail/core/ports";

/**
 * Keys of the ledger and its index. Numbers are padded, so that the order of texts is the order of numbers.
 *
 * An emitter is 26 characters of base32 and a day 10, so what is joined with `#` can be told apart again, whatever a server is called.
 */
export const ledgerKey = (emitter: string, seq: number): { readonly pk: string; readonly sk: string } => ({
  pk: `E#${emitter}`,
  sk: seqText(seq),
});

/** The way back. What is no key of ours (a row that somebody put there by hand) keeps its text, with the number -1. */
export function batchKeyOf(pk = "", sk = ""): { readonly emitter: string; readonly seq: number } {
  return { emitter: pk.replace(/^E#/, ""), seq: /^\d{15}$/.test(sk) ? Number(sk) : -1 };
}

/** UTC day of a batch's last time. */
export const dayOf = (lastAtMs: number): string =>
  new Date(Math.min(Math.max(lastAtMs, 0), lastMs)).toISOString().slice(0, 10);

/** The index's partition. */
export const serverDay = (server: string, day: string): string => `${server}#${day}`;

/**
 * The index's order within a partition, and between partitions of whatever server and day. Also for a position that a reader made up: an
 * emitter longer than any of ours stands behind all that it begins with.
 */
export const timeKey = ({ lastAt, emitter, seq }: BatchPosition): string =>
  `${String(Math.min(Math.max(lastAt, 0), maxTime)).padStart(16, "0")}#${emitter.slice(0, 27).toWellFormed()}#${seqText(seq)}`;

/** The way back from `timeKey`, for what an index holds. */
export function positionOf(timeKeyText: string): BatchPosition {
  const [lastAt, emitter = "", seq] = timeKeyText.split("#");
  return { lastAt: Number(lastAt), emitter, seq: Number(seq) };
}

const seqText = (seq: number): string => String(Math.min(Math.max(seq, 0), maxSeq)).padStart(15, "0");

const maxSeq = 999_999_999_999_999;
/** Of a Date. */
const maxTime = 8_640_000_000_000_000;
/** Of the year 9999, the last whose days are ten characters. */
const lastMs = 253_402_300_799_999;
