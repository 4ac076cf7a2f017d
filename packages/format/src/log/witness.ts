import { decimal, quoted } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import type { Hash } from "./hash.ts";
import { parseProofLines, proofLines, splitAtNote } from "./receipt.ts";

/** What is posted to a witness: C2SP tlog-witness, `add-checkpoint`. `oldSize` is the size that the witness saw last; the proof leads from there to the checkpoint. */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Hash[];
  /** A signed checkpoint's text. */
  readonly checkpoint: string;
}

/** The protocol sets no bound to the notes that it carries; ours is that of a note, and of 63 hashes. */
export const maxAddCheckpointBytes = 72_000;

export const addCheckpointText = ({ oldSize, proof, checkpoint }: AddCheckpoint): string =>
  `old ${oldSize}\n${proofLines(proof)}\n${checkpoint}`;

/** Reads the form of a request: whether the proof leads there, and who signed, is for the witness to ask. @throws LogFormatError naming the line. */
export function parseAddCheckpoint(text: string): AddCheckpoint {
  if (text.length > maxAddCheckpointBytes)
    throw new LogFormatError(`request: more than ${maxAddCheckpointBytes} bytes.`);
  const { lines, checkpoint } = splitAtNote(text, "request");
  const old = lines.shift() ?? "";
  if (!old.startsWith("old ")) throw new LogFormatError(`old: ${quoted(old)} is not the line with the old size.`);
  return { oldSize: decimal(old.slice(4), "old"), proof: parseProofLines(lines), checkpoint };
}
