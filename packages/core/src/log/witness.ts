import {
  type Checkpoint,
  emptyRoot,
  fromBase64,
  LogFormatError,
  openCheckpoint,
  parseAddCheckpoint,
  parseCheckpointBody,
  parseNote,
  toBase64,
  type VerifierKey,
  verifyConsistency,
} from "@tooltrail/format/log";

/** The latest checkpoint of a log that a witness has signed. `root` in base64. */
export interface Seen {
  readonly size: number;
  readonly root: string;
}

/** What a witness answers: to sign `body`, once `seen` is kept for good; or why not, by HTTP's status. */
export type Judged =
  | { readonly status: 200; readonly origin: string; readonly seen: Seen; readonly body: string }
  | {
      readonly status: 400 | 403 | 404 | 409 | 422;
      readonly text: string;
      readonly contentType: "text/plain" | "text/x.tlog.size";
    };

/**
 * One `add-checkpoint` request (C2SP tlog-witness) against what was signed before. Between reading `seen` and keeping the new one no other request may be judged: else two
 * forks of one size both pass.
 *
 * @param logs the logs' keys, by name the origin; several of one name during a rotation.
 */
export async function judgeCheckpoint(
  logs: readonly VerifierKey[],
  seenOf: (origin: string) => Seen | undefined,
  request: string,
): Promise<Judged> {
  const asked = parse(request);
  if (typeof asked === "string") return refuse(400, asked);
  const { oldSize, proof, text, body, checkpoint } = asked;
  const { origin, size, root } = checkpoint;
  const keys = logs.filter(({ name }) => name === origin);
  if (keys.length === 0) return refuse(404, "This log is not watched here.");
  const refused = await openCheckpoint(text, keys).then(() => undefined, refusal);
  if (refused !== undefined) return refuse(403, refused);
  if (oldSize > size) return refuse(400, `old: ${oldSize} is more than the checkpoint's ${size} leaves.`);
  const seen = seenOf(origin) ?? { size: 0, root: toBase64(emptyRoot) };
  if (oldSize !== seen.size) return conflict(seen);
  if (size === seen.size && toBase64(root) !== seen.root) return conflict(seen);
  if (!hasGrown(seen, checkpoint, proof)) return refuse(422, "The proof does not show that the log has only grown.");
  return { status: 200, origin, seen: { size, root: toBase64(root) }, body };
}

/** From nothing everything grows, and nothing changes into itself: neither has a proof. */
function hasGrown(seen: Seen, { size, root }: Checkpoint, proof: readonly Uint8Array[]): boolean {
  if (seen.size === 0 || seen.size === size) return proof.length === 0;
  return verifyConsistency({
    oldSize: seen.size,
    oldRoot: fromBase64(seen.root, "root"),
    size,
    root,
    proof: [...proof],
  });
}

interface Asked {
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  readonly text: string;
  readonly body: string;
  readonly checkpoint: Checkpoint;
}

function parse(request: string): Asked | string {
  try {
    const { oldSize, proof, checkpoint: text } = parseAddCheckpoint(request);
    const { body } = parseNote(text);
    return { oldSize, proof, text, body, checkpoint: parseCheckpointBody(body) };
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): string {
  if (error instanceof LogFormatError) return error.message;
  throw error;
}

const refuse = (status: 400 | 403 | 404 | 422, text: string): Judged => ({
  status,
  text: `${text}\n`,
  contentType: "text/plain",
});
const conflict = ({ size }: Seen): Judged => ({ status: 409, text: `${size}\n`, contentType: "text/x.tlog.size" });
