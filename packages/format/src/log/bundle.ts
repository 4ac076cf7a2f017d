import { LogFormatError } from "./error.ts";

/** An entry's length is written in two bytes. */
export const maxEntryBytes = 65_535;

/** Entries one after the other, each behind its length (16 bits, big-endian). */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const [index, entry] of entries.entries()) {
    if (entry.length > maxEntryBytes)
      throw new LogFormatError(`entry ${index}: ${entry.length} bytes, where at most ${maxEntryBytes} fit.`);
    bytes[at] = entry.length >>> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle of `width`, as views of its bytes. @throws LogFormatError where it has not exactly so many. */
export function decodeBundle(bytes: Uint8Array, width: number, what = "bundle"): Uint8Array[] {
  let start = 0;
  return entryEnds(bytes, width, what).map((end) => {
    const entry = bytes.subarray(start + 2, end);
    start = end;
    return entry;
  });
}

/** Where each entry ends. */
export function entryEnds(bytes: Uint8Array, width: number, what: string): number[] {
  const ends: number[] = [];
  let at = 0;
  for (let index = 0; index < width; index += 1) {
    at += 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    if (at > bytes.length) throw new LogFormatError(`${what}: ends within entry ${index} of ${width}.`);
    ends.push(at);
  }
  if (at !== bytes.length)
    throw new LogFormatError(`${what}: ${bytes.length - at} bytes more than its ${width} entries.`);
  return ends;
}
