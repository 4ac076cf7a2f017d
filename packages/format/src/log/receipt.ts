import { maxEntryBytes } from "./bundle.ts";
import { decimal, fromBase64, hashFrom, quoted, toBase64 } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import type { Hash } from "./hash.ts";
import { maxNoteBytes, parseNote } from "./note.ts";

/**
 * That an entry is in a log, for who has only the log's key: C2SP tlog-proof. `extra` is vouched for by nobody until its hash is found in the tree: with us the leaf
 * itself. `checkpoint` is a signed checkpoint's text.
 */
export interface Receipt {
  readonly index: number;
  readonly extra?: Uint8Array;
  readonly proof: readonly Hash[];
  readonly checkpoint: string;
}

export const maxReceiptBytes = 262_144;
/** No tree of ours is higher; the protocols allow so many lines. */
export const maxProofHashes = 63;

const firstLine = "c2sp.org/tlog-proof@v1";

export function receiptText({ index, extra, proof, checkpoint }: Receipt): string {
  const extraLine = extra === undefined ? "" : `extra ${toBase64(extra)}\n`;
  return `${firstLine}\n${extraLine}index ${index}\n${proofLines(proof)}\n${checkpoint}`;
}

/** Reads the form of a receipt, and proves nothing. @throws LogFormatError naming the line. */
export function parseReceipt(text: string): Receipt {
  if (text.length > maxReceiptBytes) throw new LogFormatError(`receipt: more than ${maxReceiptBytes} bytes.`);
  const { lines, checkpoint } = splitAtNote(text, "receipt");
  if (lines.shift() !== firstLine) throw new LogFormatError(`receipt: its first line is not ${firstLine}.`);
  const extra = lines[0]?.startsWith("extra ") ? fromBase64((lines.shift() ?? "").slice(6), "extra") : undefined;
  if (extra !== undefined && extra.length > maxEntryBytes)
    throw new LogFormatError(`extra: ${extra.length} bytes, where an entry has at most ${maxEntryBytes}.`);
  const index = lines.shift() ?? "";
  if (!index.startsWith("index ")) throw new LogFormatError(`index: ${quoted(index)} is not the line with it.`);
  return {
    index: decimal(index.slice(6), "index"),
    ...(extra === undefined ? {} : { extra }),
    proof: parseProofLines(lines),
    checkpoint,
  };
}

export const proofLines = (proof: readonly Hash[]): string => proof.map((hash) => `${toBase64(hash)}\n`).join("");

export function parseProofLines(lines: readonly string[]): Hash[] {
  if (lines.length > maxProofHashes) throw new LogFormatError(`proof: more than ${maxProofHashes} hashes.`);
  return lines.map((line, at) => hashFrom(line, `proof line ${at + 1}`));
}

/** The lines before the first empty one, and the note behind it, of which the form is checked. */
export function splitAtNote(text: string, what: string): { lines: string[]; checkpoint: string } {
  const end = text.indexOf("\n\n");
  if (end < 0) throw new LogFormatError(`${what}: no checkpoint behind an empty line.`);
  const checkpoint = text.slice(end + 2);
  if (checkpoint.length > maxNoteBytes) throw new LogFormatError(`checkpoint: more than ${maxNoteBytes} bytes.`);
  parseNote(checkpoint);
  return { lines: text.slice(0, end).split("\n"), checkpoint };
}
