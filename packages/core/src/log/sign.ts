import {
  type Checkpoint,
  checkpointBody,
  consistencyProof,
  fromBase64,
  LogFormatError,
  logSignature,
  type NoteSignature,
  noteText,
  openCheckpoint,
  parseNote,
  type ReadTile,
  rootOf,
  sameBytes,
  tileReader,
  toBase64,
  type VerifierKey,
  verifierKey,
  verifyConsistency,
  vkeyText,
} from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import { type Cosigned, cosignatures, hasCosigned } from "./cosign.ts";
import { halt, haltingAt } from "./halt.ts";
import type { Promised, SignerPorts } from "./ports.ts";
import { saidBy } from "./published.ts";

/** So often at least a checkpoint is published, also where nothing happens: a reader can tell a quiet log from one that is held back. */
const republishAfterMs = 600_000;

/** While a witness has not signed what is published, it is asked by each call of the schedule, which comes each minute, more or less. */
const askAgainAfterMs = 55_000;

export interface Signed {
  /**
   * `empty`: there is no leaf yet. `waiting`: a commit is being put in place; who does it calls again. `current`: everything is signed and published. `overtaken`: another
   * signer was faster.
   */
  readonly outcome: "empty" | "waiting" | "current" | "overtaken" | "published";
  readonly size: number;
  readonly cosignatures: number;
  /** Witnesses without a signature on it, and why. The checkpoint is published all the same. */
  readonly failed: Cosigned["failed"];
}

/**
 * Signs what the log has grown to, and publishes it.
 *
 * Never two checkpoints that contradict each other: what is signed extends everything that was promised before, it is promised, by compare-and-set, before it is signed, and what was
 * promised is what is signed after a crash. What was published counts as promised as well, so that a restored register does no harm. Any number of times, by any number of processes at once.
 *
 * @throws AppError halted where the tree does not extend what was promised or published: nothing is signed.
 * @throws AppError, retryable, where a port cannot be reached.
 */
export async function sign(ports: SignerPorts, nowMs: number): Promise<Signed> {
  // In this order: each was made after, and from, the one that is read after it, so that in an honest life none is larger than the next.
  const published = await ports.checkpoints.read();
  const promised = await ports.promised.read();
  const head = await ports.head.read();
  const said = published === undefined ? undefined : saidBy(published);
  const before = promised?.value;
  checkSizes(ports.origin, head?.value.size ?? 0, before, said);

  // Of a commit that is being put in place tiles may be missing. What was promised stands on tiles that are there.
  const size = (head?.value.staged ? before?.size : head?.value.size) ?? 0;
  const idle = head?.value.staged ? "waiting" : size === 0 ? "empty" : "current";
  const keys = ports.keys.map(({ publicKey }) => verifierKey(ports.origin, publicKey));
  const sameKeys = published !== undefined && isSignedBy(published, keys, ports.origin);
  if (size === 0 || (said && said.size > size)) return answer(idle, size);
  const allSigned = published !== undefined && ports.witnesses.every(({ key }) => hasCosigned(published, key));
  const againAfterMs = allSigned ? republishAfterMs : askAgainAfterMs;
  if (sameKeys && isCurrent(size, before, said, nowMs, againAfterMs)) return answer(idle, size);

  const read = tileReader((name) => ports.blobs.read(name));
  const root = await haltingAt("tiles", () => rootOf(size, read));
  if (before) await checkExtends(read, { size, root }, promisedTree(before), "promised");
  if (said) await checkExtends(read, { size, root }, said, "published");
  // Before anything is signed. A size that was promised already was promised with this root.
  if (before?.size !== size) {
    const next = { ...before, size, root: toBase64(root) };
    if (!(await ports.promised.write(next, promised?.version))) return answer("overtaken", size);
  }

  const body = checkpointBody({ origin: ports.origin, size, root });
  const signatures = await signaturesOf(ports, keys, body);
  const text = noteText({ body, signatures });
  await checkOwn(text, keys);
  const cosigned = await cosignatures(ports.witnesses, { read, size, body, text, published });
  // Again from time to time: who takes it away has not stopped anybody for good.
  if (!sameKeys || slotOf(before?.published?.atMs ?? 0) !== slotOf(nowMs))
    await ports.checkpoints.publishKeys(keys.map((key) => `${vkeyText(key)}\n`).join(""));
  const whole = noteText({ body, signatures: [...signatures, ...cosigned.signatures] });
  if (!(await ports.checkpoints.publish(whole, published))) return answer("overtaken", size, cosigned);
  if ((before?.published?.size ?? 0) < size) {
    const { origin } = ports;
    await ports.events.publish({
      type: "log.advanced",
      origin,
      size,
      root: toBase64(root),
      cosignatures: cosigned.signatures.length,
    });
  }
  await remember(ports, size, nowMs);
  return answer("published", size, cosigned);
}

const slotOf = (ms: number): number => Math.floor(ms / republishAfterMs);
const nobody: Cosigned = { signatures: [], failed: [] };
const answer = (outcome: Signed["outcome"], size: number, { signatures, failed }: Cosigned = nobody): Signed => ({
  outcome,
  size,
  cosignatures: signatures.length,
  failed,
});

interface Tree {
  readonly size: number;
  readonly root: Uint8Array;
}

function checkSizes(origin: string, size: number, before: Promised | undefined, said: Checkpoint | undefined): void {
  if (said && said.origin !== origin)
    throw halt("checkpoint", `it is of the log "${said.origin}", and this one is "${origin}".`);
  const signed = Math.max(before?.size ?? 0, said?.size ?? 0);
  if (size < signed) throw halt("head", `it says ${size} leaves, and ${signed} were signed. Was a table restored?`);
}

const isCurrent = (
  size: number,
  before: Promised | undefined,
  said: Checkpoint | undefined,
  nowMs: number,
  againAfterMs: number,
): boolean =>
  before?.published?.size === size &&
  Math.abs(nowMs - before.published.atMs) < againAfterMs &&
  said?.size === size &&
  toBase64(said.root) === before.root;

/** @throws AppError halted where `now` is not `then` and what was appended to it. */
async function checkExtends(read: ReadTile, now: Tree, then: Tree, what: "promised" | "published"): Promise<void> {
  if (then.size === 0) return;
  const proof = await haltingAt("tiles", () => consistencyProof(then.size, now.size, read));
  const { size, root } = now;
  if (verifyConsistency({ oldSize: then.size, oldRoot: then.root, size, root, proof })) return;
  throw halt(
    "tiles",
    `the tree of ${size} leaves does not extend the one of ${then.size} leaves that was ${what}. History was rewritten.`,
  );
}

function signaturesOf(
  { keys }: SignerPorts,
  verifiers: readonly VerifierKey[],
  body: string,
): Promise<NoteSignature[]> {
  const message = new TextEncoder().encode(body);
  return Promise.all(
    verifiers.map(async (verifier, i) => logSignature(verifier, (await keys[i]?.sign(message)) ?? new Uint8Array())),
  );
}

/** What a reader would refuse is not published. */
async function checkOwn(text: string, keys: readonly VerifierKey[]): Promise<void> {
  try {
    if ((await openCheckpoint(text, keys)).signedBy.length === keys.length) return;
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    throw new AppError("internal", `A key signed, and its signature does not hold: ${error.message}`, { cause: error });
  }
  throw new AppError("internal", "Not all keys have signed.");
}

/** Whether these keys and no other of the log's have signed: else the keys have changed since it was published. */
function isSignedBy(text: string, keys: readonly VerifierKey[], origin: string): boolean {
  const ids = parseNote(text).signatures.flatMap(({ name, id }) => (name === origin ? [id] : []));
  return ids.length === keys.length && keys.every((key) => ids.some((id) => sameBytes(id, key.id)));
}

/** Killed before this, the next one publishes the same and announces it again. */
async function remember({ promised }: SignerPorts, size: number, atMs: number): Promise<void> {
  const now = await promised.read();
  if (now?.value.size === size) await promised.write({ ...now.value, published: { size, atMs } }, now.version);
}

const promisedTree = ({ size, root }: Promised): Tree => ({ size, root: fromBase64(root, "promised") });
