import { parseTilePath, tilePath } from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import { type Commit, decodeCommit, putInPlace, type Staged } from "./commit.ts";
import { halt } from "./halt.ts";
import type { BatchPlace, Head, SequencerPorts } from "./ports.ts";
import { signedSize } from "./published.ts";

/** A head with nothing staged: all of `size` leaves is in place, the index too. */
export interface Settled {
  readonly size: number;
  /** Of the register; undefined where nothing was ever written. */
  readonly version: number | undefined;
}

/** How often somebody else may be faster before the input is given back for later. */
export const maxAttempts = 10;
export const busy = (): AppError =>
  new AppError("unavailable", `Other sequencers were faster ${maxAttempts} times. Try again.`, {
    outcome: "not-applied",
  });

/**
 * Reads the head and, where a commit is staged, puts it in place first, whoever made it.
 *
 * @param mine the commit that the caller has just made, so that it need not be fetched.
 * @throws AppError halted; unavailable where others keep on being faster.
 */
export async function settle(ports: SequencerPorts, mine?: Staged & { readonly commit: Commit }): Promise<Settled> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const read = await ports.head.read();
    if (read === undefined) return { size: 0, version: undefined };
    const { value, version } = read;
    if (value.staged === undefined) return { size: value.size, version };
    const commit = mine?.name === value.staged.name ? mine.commit : await fetchStaged(ports, value.staged, version);
    if (commit !== undefined) await finish(ports, commit, value, version);
  }
  throw busy();
}

async function finish(ports: SequencerPorts, commit: Commit, { size, staged }: Head, version: number): Promise<void> {
  await putInPlace(ports, commit);
  if (!(await ports.head.write({ size }, version))) return; // somebody else has finished it
  if (staged) await ports.blobs.retire([staged.name]);
}

/**
 * Away with a staged commit that lost its race. Another sequencer may have committed the very same bytes, and not be done with them. Only after a head was seen that is later than
 * the one that the commit was made on: nobody can name it any more then.
 */
export async function dropStaged({ head, blobs }: Pick<SequencerPorts, "head" | "blobs">, name: string): Promise<void> {
  if ((await head.read())?.value.staged?.name !== name) await blobs.retire([name]);
}

/** Away with all that killed sequencers have staged for nothing. Only while no sequencer is at work: what it stages, the head does not name yet. */
export async function sweepStaged({ head, blobs }: Pick<SequencerPorts, "head" | "blobs">): Promise<void> {
  const staged = (await head.read())?.value.staged?.name;
  const left = (await blobs.list("staged/")).filter((name) => name !== staged);
  if (left.length > 0) await blobs.retire(left);
}

/** @returns undefined where it is gone because somebody else has finished it. */
async function fetchStaged(
  { head, blobs }: SequencerPorts,
  staged: Staged,
  version: number,
): Promise<Commit | undefined> {
  const bytes = await blobs.read(staged.name);
  if (bytes !== undefined) return decodeCommit(staged, bytes);
  if ((await head.read())?.version !== version) return undefined;
  throw halt(staged.name, "the commit that the head names is gone. Rebuild the head from the log's objects.");
}

/**
 * Whether each of these is in the log. A row of a leaf that the log does not have says nothing: of a log that was set back, or of a commit that was made since the head was read.
 *
 * @param size of the head that was read before.
 */
export async function areKnown(
  { index }: Pick<SequencerPorts, "index">,
  size: number,
  places: readonly BatchPlace[],
): Promise<boolean[]> {
  if (places.length === 0) return [];
  const firstLeaves = await index.firstLeaves(places.map(({ emitter, seq }) => ({ emitter, seq })));
  return firstLeaves.map((leaf) => leaf !== undefined && leaf < size);
}

/**
 * Looks whether the log goes on where the head says it ends: then the head is an old one, from a restored table, and going on would write a second history. Looked
 * at before each commit, since a table is restored under a running process, and to a moment with a commit staged, too.
 *
 * @returns whether the head still is the one that was read.
 * @throws AppError halted.
 */
export async function checkEdge(ports: SequencerPorts, { size, version }: Settled): Promise<boolean> {
  const beyond = (await objectBeyond(ports, size)) ?? (await signedBeyond(ports, size));
  if (beyond === undefined) return true;
  // Or else somebody has gone on since the head was read, which is no harm.
  if ((await ports.head.read())?.version !== version) return false;
  throw halt(
    "head",
    `it says ${size} leaves, but ${beyond}. Was a table restored? Rebuild the head from the log's objects.`,
  );
}

async function objectBeyond({ blobs }: SequencerPorts, size: number): Promise<string | undefined> {
  const edge = { level: "entries", index: Math.floor(size / 256), width: 256 } as const;
  const names = await blobs.list(tilePath(edge));
  const wider = names.find((name) => (parseTilePath(name)?.width ?? 0) > size % 256);
  return wider && `there is ${wider}`;
}

async function signedBeyond({ checkpoints }: SequencerPorts, size: number): Promise<string | undefined> {
  const text = await checkpoints.read();
  const signed = text === undefined ? 0 : signedSize(text);
  return signed > size ? `the checkpoint has ${signed}` : undefined;
}
