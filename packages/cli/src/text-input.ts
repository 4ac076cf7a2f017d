import { createReadStream } from "node:fs";
import { Refused } from "./client.ts";

/** What is said of a place that cannot be read: a matter of usage. */
export const unreadable = (place: string, error: unknown): Refused =>
  new Refused(400, `${place} cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`);

/**
 * A file, or stdin (`-`), as text. Of what has more bytes than these, not much more is read, as it may be a pipe without an end: whoever reads the text refuses it.
 *
 * @throws Refused (400) for what cannot be read.
 */
export async function readText(place: string, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    const stream = place === "-" ? process.stdin : createReadStream(place);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) break;
    }
  } catch (error) {
    throw unreadable(nameOf(place), error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** As messages name a place. */
export const nameOf = (place: string): string => (place === "-" ? "stdin" : place);
