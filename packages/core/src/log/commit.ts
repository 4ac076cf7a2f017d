import { sha256 } from "@tooltrail/format";
import { parseTilePath, type Tile, tilePath } from "@tooltrail/format/log";
import { halt } from "./halt.ts";
import type { BatchPlace, Blobs, Head, SequencerPorts } from "./ports.ts";

export interface LogObject {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything that one growth of the log writes. It is decided before the first of it is written, so whoever finishes it writes the same. */
export interface Commit {
  /** The head's version that it was made on, 0 for none: no two commits, and no two attempts at one that could both be due, have one name. */
  readonly over: number;
  readonly oldSize: number;
  readonly size: number;
  /** Bundles first, in the order of their leaves: what is there after a crash is then always a beginning. */
  readonly objects: readonly LogObject[];
  readonly index: readonly (BatchPlace & { readonly firstLeaf: number })[];
}

export type Staged = NonNullable<Head["staged"]>;

/** A commit as one object: a line of JSON that says what follows, then the bytes of its objects. */
export function encodeCommit(commit: Commit): Staged & { readonly bytes: Uint8Array } {
  const said: Said = {
    schema: "tooltrail.staged/1",
    over: commit.over,
    oldSize: commit.oldSize,
    size: commit.size,
    objects: commit.objects.map(({ name, bytes }) => [name, bytes.length]),
    index: commit.index.map(({ emitter, seq, firstLeaf }) => [emitter, seq, firstLeaf]),
  };
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(said)}\n`), ...commit.objects.map((one) => one.bytes)]);
  const digest = sha256(bytes);
  return { name: `staged/${digest}`, sha256: digest, bytes };
}

interface Said {
  readonly schema: "tooltrail.staged/1";
  readonly over: number;
  readonly oldSize: number;
  readonly size: number;
  readonly objects: readonly (readonly [name: string, length: number])[];
  readonly index: readonly (readonly [emitter: string, seq: number, firstLeaf: number])[];
}

/**
 * The way back. The digest in the head vouches for every byte, so the bytes are ours or they are refused.
 *
 * @throws AppError halted where they are others.
 */
export function decodeCommit({ name, sha256: digest }: Staged, bytes: Uint8Array): Commit {
  if (sha256(bytes) !== digest) throw halt(name, `its SHA-256 is not ${digest}, which the head names.`);
  const end = bytes.indexOf(0x0a);
  const said = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Said;
  let at = end + 1;
  const take = (length: number): Uint8Array => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  return {
    over: said.over,
    oldSize: said.oldSize,
    size: said.size,
    objects: said.objects.map(([name, length]) => ({ name, bytes: take(length) })),
    index: said.index.map(([emitter, seq, firstLeaf]) => ({ emitter, seq, firstLeaf })),
  };
}

/**
 * Puts a commit in place: objects, then the index, then away with the partials that it made superfluous. Any number of times, by any number of processes at once,
 * long after it was done by another: each step does what is done already once more, or nothing.
 *
 * @throws AppError halted where an object is there with other bytes.
 */
export async function putInPlace({ blobs, index }: Pick<SequencerPorts, "blobs" | "index">, commit: Commit) {
  const bundles = commit.objects.filter(({ name }) => parseTilePath(name)?.level === "entries");
  for (const bundle of bundles) await putOrCompare(blobs, bundle);
  await Promise.all(commit.objects.filter((one) => !bundles.includes(one)).map((one) => putOrCompare(blobs, one)));
  await index.put(commit.index);
  const superseded = await Promise.all(partialsBefore(commit).map((prefix) => blobs.list(prefix)));
  if (superseded.flat().length > 0) await blobs.retire(superseded.flat());
}

/** Puts an object, or finds the same bytes there. @throws AppError halted where others are there: nothing of ours ever writes two things under one name. */
export async function putOrCompare(blobs: Blobs, { name, bytes }: LogObject): Promise<void> {
  // A partial may be retired between the two looks, by who is already done with the commit that completes its tile: then it is put once more.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    if ((await blobs.put(name, bytes)) === "put") return;
    const there = await blobs.read(name);
    if (there === undefined) continue;
    if (Buffer.compare(there, bytes) === 0) return;
    throw halt(
      name,
      `there are other bytes (SHA-256 ${sha256(there)}) than those that belong there (${sha256(bytes)}).`,
    );
  }
}

/** Where the partials of the tiles lie that this commit completed and earlier ones had begun. A tile begun and completed at once has none. */
function partialsBefore({ oldSize, objects }: Commit): string[] {
  return objects.flatMap(({ name }) => {
    const tile = parseTilePath(name);
    return tile?.width === 256 && leavesBefore(tile) < oldSize ? [partialsOf(tile)] : [];
  });
}

const leavesBefore = ({ level, index }: Tile): number => index * 256 ** (level === "entries" ? 1 : level + 1);

/** The common prefix of a tile's partials. */
export const partialsOf = ({ level, index }: Tile): string => `${tilePath({ level, index, width: 256 })}.p/`;
