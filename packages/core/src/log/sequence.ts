import { tileReader } from "@tooltrail/format/log";
import type { StoredBatch } from "../ports.ts";
import { type Commit, encodeCommit, putOrCompare, type Staged } from "./commit.ts";
import { type Addition, compose, leavesOf } from "./compose.ts";
import { halt, haltingAt } from "./halt.ts";
import { areKnown, busy, checkEdge, dropStaged, maxAttempts, type Settled, settle } from "./head.ts";
import type { SequencerPorts } from "./ports.ts";

export interface Sequenced {
  /** Of the log, all of it in place. */
  readonly size: number;
  /** Batches and leaves that this call added. The others of its input were there, or came in by somebody else meanwhile. */
  readonly sequenced: number;
  readonly leaves: number;
}

/** A commit is cut after so many leaves, or so many bytes of them; a batch is never cut. */
const maxLeaves = 4_096;
const maxBytes = 8_388_608;

/**
 * Adds batches to the log, each record exactly once, whatever is delivered twice, at once, out of order, or after a crash at any point.
 *
 * In the numbers of the design: 1 `settle`; 2 `withoutKnown`; 3 and 4 `commit`; 5 to 7 the next `settle`. A commit is made by the compare-and-set of 4 alone: what
 * comes before it has changed nothing, and what comes after it is done again by whoever reads the head next. Done when it returns; calling again with the same input is always safe.
 *
 * @throws AppError halted where the log's objects are not what they must be: nothing more is written until a person has looked.
 * @throws AppError, retryable, where a port cannot be reached, or others were faster again and again.
 */
export async function sequence(ports: SequencerPorts, batches: readonly StoredBatch[]): Promise<Sequenced> {
  let waiting = inOrder(batches);
  let mine: Made | undefined;
  let sequenced = 0;
  let leaves = 0;
  for (let lost = 0; lost < maxAttempts; ) {
    // The head is compared on the version read here, before the index is asked: on a version read later, the log could already hold
    // batches that the index did not know when it was asked, and they would be added twice.
    const at = await settle(ports, mine);
    waiting = await withoutKnown(ports, at.size, waiting);
    if (waiting.length === 0) return { size: at.size, sequenced, leaves };
    if (!(await checkEdge(ports, at))) {
      lost += 1;
      continue;
    }
    const next = await make(ports, at, waiting);
    if (await commit(ports, at, next)) {
      mine = next;
      sequenced += next.commit.index.length;
      leaves += next.commit.size - next.commit.oldSize;
      waiting = waiting.slice(next.commit.index.length);
    } else {
      lost += 1;
    }
  }
  throw busy();
}

type Made = Staged & { readonly bytes: Uint8Array; readonly commit: Commit };

/** By arrival, and every batch once: what is known is told by the index, which knows nothing of this input. */
function inOrder(batches: readonly StoredBatch[]): StoredBatch[] {
  const byPlace = new Map<string, StoredBatch>();
  for (const batch of batches) {
    const place = `${batch.headers.emitter} ${batch.headers.seq}`;
    const known = byPlace.get(place);
    if (known && known.identity !== batch.identity)
      throw halt("ledger", `two batches claim the place ${place}: ${known.identity} and ${batch.identity}.`);
    byPlace.set(place, batch);
  }
  return [...byPlace.values()].sort(byArrival);
}

const byArrival = (a: StoredBatch, b: StoredBatch): number =>
  a.receivedAtMs - b.receivedAtMs ||
  (a.headers.emitter < b.headers.emitter ? -1 : a.headers.emitter > b.headers.emitter ? 1 : 0) ||
  a.headers.seq - b.headers.seq;

async function withoutKnown(
  ports: SequencerPorts,
  size: number,
  batches: readonly StoredBatch[],
): Promise<StoredBatch[]> {
  const places = batches.map(({ headers: { emitter, seq } }) => ({ emitter, seq }));
  const known = await areKnown(ports, size, places);
  return batches.filter((_, i) => !known[i]);
}

/** As many of the batches as one commit takes, and everything that they write. */
async function make(
  { blobs }: SequencerPorts,
  { size, version = 0 }: Settled,
  batches: readonly StoredBatch[],
): Promise<Made> {
  const addition = firstOf(size, batches);
  const read = tileReader((name) => blobs.read(name));
  const made = await haltingAt("right edge", () => compose(read, version, size, addition));
  return { ...encodeCommit(made), commit: made };
}

function firstOf(size: number, batches: readonly StoredBatch[]): Addition {
  const entries: Uint8Array[] = [];
  const index: { emitter: string; seq: number; firstLeaf: number }[] = [];
  let bytes = 0;
  for (const batch of batches) {
    const leaves = leavesOf(batch);
    bytes += leaves.reduce((sum, leaf) => sum + leaf.length, 0);
    if (index.length > 0 && (entries.length + leaves.length > maxLeaves || bytes > maxBytes)) break;
    const { emitter, seq } = batch.headers;
    index.push({ emitter, seq, firstLeaf: size + entries.length });
    entries.push(...leaves);
  }
  return { entries, index };
}

/** @returns false where somebody else has changed the head since it was read: nothing of this is in the log, and it never will be. */
async function commit(ports: SequencerPorts, { version }: Settled, made: Made): Promise<boolean> {
  const { name, sha256 } = made;
  await putOrCompare(ports.blobs, made);
  // Where this throws, what is staged stays, also where the head surely was not set: another sequencer may have made the very same, and be about to name it.
  if (await ports.head.write({ size: made.commit.size, staged: { name, sha256 } }, version)) return true;
  await dropStaged(ports, name);
  return false;
}
