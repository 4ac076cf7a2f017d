import {
  type Checkpoint,
  decodeBundle,
  type Leaf,
  openCheckpoint,
  parseLeaf,
  parseTilePath,
  rootOf,
  tilePath,
  tileReader,
  toBase64,
  type VerifierKey,
  verifiedTiles,
} from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import type { Ledger } from "../ports.ts";
import { putOrCompare } from "./commit.ts";
import { compose, leavesOf } from "./compose.ts";
import { halt, haltingAt } from "./halt.ts";
import { settle } from "./head.ts";
import type { Promised, Register, SequencerPorts } from "./ports.ts";
import { positionPages } from "./positions.ts";

export interface RebuildPorts extends SequencerPorts {
  readonly ledger: Pick<Ledger, "positions" | "read">;
  readonly promised: Pick<Register<Promised>, "read">;
  /** The log's own, with one of which its checkpoint must be signed. */
  readonly keys: readonly VerifierKey[];
}

export interface Rebuilt {
  /** What the head said before. */
  readonly from: number;
  /** What the last checkpoint says, and what the head says now. */
  readonly signed: number;
  readonly size: number;
  /** Leaves that were taken from the ledger, since of the last batch only a part was there. */
  readonly completed: number;
  /** Leaves that the head counted before and that are gone, unsigned: their batches must come again, from the ledger. */
  readonly lost: number;
}

/** Bundles of the unsigned tail that are held at once: as many leaves as a commit has. */
const bundlesAtOnce = 16;
/** Of a leaf that was lost. A row cannot be taken out of the index; a leaf that no log has says the same. */
const nowhere = Number.MAX_SAFE_INTEGER;

/**
 * Sets the head anew from the objects that are there: up to the last signed checkpoint, whose signature and root they must match, and on over those that nobody has
 * signed yet, as far as one follows the other. For a head that was restored, or lost; a person asks for it, having looked.
 *
 * Index rows are put again for the batches from `indexFrom` on, and rows of leaves that are lost are put out of the way. The head comes last, so killed at any point it has changed
 * nothing that a second run would not write too. Afterwards the ledger is to be looked through (`reconcile` from 0): what was lost comes from there.
 *
 * @param indexFrom a leaf with which a batch begins. Absent: where the head stands, or 0 where a commit is staged. 0 also repairs an index that was lost, or has rows of leaves that nobody has.
 * @throws AppError halted where the objects contradict the checkpoint, what was promised, or one another, or fewer are there than were promised: then no head would be right.
 * @throws AppError conflict where the head changes meanwhile: a sequencer is at work, so there is nothing to rebuild.
 */
export async function rebuild(ports: RebuildPorts, indexFrom?: number): Promise<Rebuilt> {
  await finishStaged(ports);
  const old = await ports.head.read();
  const from = old?.value.size ?? 0;
  const start = indexFrom ?? (old?.value.staged ? 0 : from);
  const { signed, size, completed } = await haltingAt("log", () => readOver(ports, start));
  await checkPromised(ports, size);
  // A head that is lost does not say how many leaves the index may know of; and who asks for the whole index gets it without rows that are too many.
  if (size < from || start === 0 || old === undefined) await forget(ports, size, old?.version);
  if (!(await ports.head.write({ size }, old?.version))) throw atWork();
  return { from, signed, size, completed, lost: Math.max(0, from - size) };
}

const atWork = (): AppError =>
  new AppError("conflict", "The head changed while it was being rebuilt: a sequencer is at work.", {
    outcome: "not-applied",
  });

/** What was promised is signed, or may be: a log that is less, or other, is one that the signer never signs again. */
async function checkPromised({ promised, blobs }: RebuildPorts, size: number): Promise<void> {
  const before = (await promised.read())?.value;
  if (before === undefined || before.size === 0) return;
  if (size < before.size)
    throw halt(
      "log",
      `${size} leaves of it are there, and ${before.size} were promised. Put the objects back, from a copy or from older versions, and rebuild then.`,
    );
  const read = tileReader((name) => blobs.read(name));
  const root = await haltingAt("log", () => rootOf(before.size, read));
  if (toBase64(root) !== before.root)
    throw halt(
      "log",
      `its first ${before.size} leaves are others than those that were promised. Put the objects back, and rebuild then.`,
    );
}

/** Else the batches of the lost leaves would count as known once the log has grown over their numbers again. */
async function forget({ head, index, ledger }: RebuildPorts, size: number, version: number | undefined): Promise<void> {
  for await (const positions of positionPages(ledger, 0)) {
    const firstLeaves = await index.firstLeaves(positions);
    const lost = positions.filter((_, i) => (firstLeaves[i] ?? 0) >= size);
    if (lost.length === 0) continue;
    if ((await head.read())?.version !== version) throw atWork();
    await index.put(lost.map(({ emitter, seq }) => ({ emitter, seq, firstLeaf: nowhere })));
  }
}

/** What can still be put in place is: a sequencer may be about to, and cutting it off would leave objects behind that stand in the way. */
async function finishStaged(ports: RebuildPorts): Promise<void> {
  try {
    await settle(ports);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "halted") throw error;
  }
}

async function readOver(
  ports: RebuildPorts,
  indexFrom: number,
): Promise<Pick<Rebuilt, "signed" | "size" | "completed">> {
  const read = tileReader((name) => ports.blobs.read(name));
  const checkpoint = await signedCheckpoint(ports);
  const signed = checkpoint?.size ?? 0;
  let last: Leaf | undefined;
  const take = async (first: number, entries: readonly Uint8Array[]): Promise<void> => {
    const leaves = entries.map(parseLeaf);
    const begun = leaves.map(({ emitter, seq, index }, i) => ({ emitter, seq, index, firstLeaf: first + i }));
    const rows = begun.filter(({ index, firstLeaf }) => index === 0 && firstLeaf >= indexFrom);
    await ports.index.put(rows.map(({ emitter, seq, firstLeaf }) => ({ emitter, seq, firstLeaf })));
    last = leaves.at(-1) ?? last;
  };

  if (checkpoint) {
    const verified = verifiedTiles(signed, checkpoint.root, read);
    // The last one in any case: the root stands on the edge that is read with it, and whether its batch is whole decides what follows.
    for (let index = Math.floor(Math.min(indexFrom, signed - 1) / 256); index * 256 < signed; index += 1) {
      const width = Math.min(256, signed - index * 256);
      await take(index * 256, decodeBundle(await verified({ level: "entries", index, width }), width));
    }
  }
  let size = signed;
  const append = async (entries: readonly Uint8Array[]): Promise<void> => {
    if (entries.length === 0) return;
    const { objects } = await compose(read, 0, size, { entries, index: [] });
    for (const object of objects) await putOrCompare(ports.blobs, object);
    size += entries.length;
  };
  for await (const entries of unsigned(ports, signed)) {
    await take(size, entries);
    await append(entries);
  }
  const rest = await restOf(ports, last);
  await append(rest);
  return { signed, size, completed: rest.length };
}

async function signedCheckpoint({ checkpoints, keys }: RebuildPorts): Promise<Checkpoint | undefined> {
  const text = await checkpoints.read();
  const checkpoint = text === undefined ? undefined : await haltingAt("checkpoint", () => openCheckpoint(text, keys));
  return checkpoint?.size === 0 ? undefined : checkpoint;
}

/** The entries after the last signed one, some bundles at a time, as long as one follows the other: a commit puts them in that order. */
async function* unsigned({ blobs }: RebuildPorts, signed: number): AsyncGenerator<Uint8Array[], void, undefined> {
  let entries: Uint8Array[] = [];
  for (let index = Math.floor(signed / 256); ; index += 1) {
    const names = await blobs.list(tilePath({ level: "entries", index, width: 256 }));
    const width = Math.max(0, ...names.map((name) => parseTilePath(name)?.width ?? 0));
    const bytes = width === 0 ? undefined : await blobs.read(tilePath({ level: "entries", index, width }));
    if (bytes) entries.push(...decodeBundle(bytes, width).slice(index * 256 < signed ? signed - index * 256 : 0));
    const isLast = bytes === undefined || width < 256;
    if (isLast || index % bundlesAtOnce === bundlesAtOnce - 1) {
      yield entries;
      entries = [];
    }
    if (isLast) return;
  }
}

/** What is missing of the last batch, where a commit was cut off within it. */
async function restOf({ ledger }: RebuildPorts, last: Leaf | undefined): Promise<Uint8Array[]> {
  if (last === undefined || last.index === last.count - 1) return [];
  const batch = await ledger.read(last.emitter, last.seq);
  if (batch?.identity !== last.batch)
    throw halt("ledger", `batch ${last.seq} of emitter ${last.emitter} is in the log in part, and not in the ledger.`);
  return leavesOf(batch).slice(last.index + 1);
}
