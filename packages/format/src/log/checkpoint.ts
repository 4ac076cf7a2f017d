import { decimal, hashFrom, quoted, toBase64 } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import type { Hash } from "./hash.ts";
import { isKeyName, parseNote, type SignedBy, type VerifierKey, verifyNote } from "./note.ts";

/** What a log says of itself at a time: its name, how many leaves it has, and their root. C2SP tlog-checkpoint, without extension lines. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** A checkpoint with its text as read (`text`), what of it is signed (`body`), and by whom. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly text: string;
  readonly body: string;
  readonly signedBy: readonly SignedBy[];
}

/** What is signed. */
export const checkpointBody = ({ origin, size, root }: Checkpoint): string => `${origin}\n${size}\n${toBase64(root)}\n`;

/** @throws LogFormatError naming the line: origin, size or root. Extension lines are refused: nobody could tell what they promise. */
export function parseCheckpointBody(text: string): Checkpoint {
  const [origin = "", size = "", root = "", ...more] = text.split("\n");
  if (!isKeyName(origin)) throw new LogFormatError(`origin: ${quoted(origin)} cannot be a log's name.`);
  if (more.length !== 1 || more[0] !== "")
    throw new LogFormatError("checkpoint: not exactly three lines: origin, size and root.");
  return { origin, size: decimal(size, "size"), root: hashFrom(root, "root") };
}

/**
 * A checkpoint that its log signed, as far as the keys go: those of the log (type 1, named as its origin) and of witnesses (type 4). Keys of other logs count for nothing.
 *
 * @throws LogFormatError where it is malformed, no key of its log signed it, or a signature of a known key is wrong.
 */
export async function openCheckpoint(text: string, keys: readonly VerifierKey[]): Promise<OpenedCheckpoint> {
  const note = parseNote(text);
  const checkpoint = parseCheckpointBody(note.body);
  const signedBy = await verifyNote(
    note,
    keys.filter(({ type, name }) => type === 4 || name === checkpoint.origin),
  );
  if (!signedBy.some(({ key }) => key.type === 1))
    throw new LogFormatError(`checkpoint: no key that is known signed for ${quoted(checkpoint.origin)}.`);
  return { ...checkpoint, text, body: note.body, signedBy };
}
