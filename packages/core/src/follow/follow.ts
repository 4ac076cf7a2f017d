import { AppError } from "../errors.ts";
import { halt } from "../log/halt.ts";
import { type LeafPorts, openLeaves, type SignedLeaves } from "./leaves.ts";
import { type Cursor, type Generation, maxRowsPerCommit, type Projections, type RowKey } from "./ports.ts";
import type { LogLeaf, Projection, RowValue } from "./projection.ts";

export interface FollowPorts extends LeafPorts {
  readonly projections: Projections;
}

/** How far a projection has come. */
export interface Progress {
  readonly projection: string;
  /** The next leaf that readers of the projection do not see yet, and how many there are, signed, from it on. */
  readonly leaf: number;
  readonly behind: number;
  /** When the first of those arrived, in milliseconds. Absent where there is none. */
  readonly waitingSinceMs?: number;
  /** The next leaf of the generation that is being built beside it. */
  readonly building?: number;
  /** Another call would find something to do at once. */
  readonly more: boolean;
}

/** Leaves in one commit, however few rows they touch: what is done again after a failure stays small. */
const maxLeavesPerCommit = 1_024;

/**
 * Takes projections on, each from its own cursor, up to the signed checkpoint.
 *
 * Rows and cursor are one commit on the cursor that was read, so each leaf counts once, whoever else follows, is killed, or does not know
 * whether it was committed. Leaves are taken until their rows would be more than one commit holds, even inside a batch. Projections go in step, and read each bundle once.
 *
 * @param rounds commits of each projection at most: a call takes a bounded time, and the next goes on.
 * @throws AppError halted where the checkpoint is not signed, does not extend what was followed before, or objects under it are not what was signed: nothing
 *   is counted on from there. What a port throws, after the other projections have had their turn.
 */
export async function follow(
  ports: FollowPorts,
  projections: readonly Projection[],
  rounds: number,
): Promise<Progress[]> {
  // Cursors first: a checkpoint that is read after them is no older than what they have followed, or else the log was rolled back.
  const followers = await Promise.all(
    projections.map(async (projection) => ({
      projection,
      cursor: await ports.projections.cursor(projection.name),
      done: false,
    })),
  );
  const log = await openLeaves(ports);
  for (const { cursor } of followers) if (cursor?.followed) await mustExtend(log, cursor.followed);
  if (log === undefined) return projections.map(({ name }) => ({ projection: name, leaf: 0, behind: 0, more: false }));

  const failed: unknown[] = [];
  for (let round = 0; round < rounds && followers.some(({ done }) => !done); round += 1) {
    for (const follower of followers) {
      if (follower.done) continue;
      try {
        follower.done = !(await step(ports.projections, log, follower));
      } catch (error) {
        follower.done = true;
        failed.push(error);
      }
    }
  }
  if (failed.length > 0) throw failed[0];
  return Promise.all(followers.map((follower) => progressOf(log, follower)));
}

async function mustExtend(log: SignedLeaves | undefined, before: NonNullable<Cursor["followed"]>): Promise<void> {
  if (log) return log.mustExtend(before);
  throw halt("checkpoint", `it is gone; ${before.size} leaves of it were followed before.`);
}

interface Follower {
  readonly projection: Projection;
  cursor: Cursor | undefined;
  /** There is nothing more to do for it under this checkpoint. */
  done: boolean;
}

/** One thing that is due. @returns whether there may be more. */
async function step(rows: Projections, log: SignedLeaves, follower: Follower): Promise<boolean> {
  const { cursor, projection } = follower;
  // Somebody else has followed a newer checkpoint than this one: theirs is the next turn.
  if (cursor?.followed && cursor.followed.size > log.size) return false;
  if (cursor) {
    if (cursor.dropping !== undefined) {
      await rows.drop(projection.name, cursor.dropping);
      const { dropping, ...rest } = cursor;
      return change(rows, follower, rest, dropping);
    }
    if (isOutdated(cursor, projection.version)) {
      const next = nextGeneration(cursor, projection.version);
      return change(
        rows,
        follower,
        { ...cursor, next, ...(cursor.next && { dropping: cursor.next.number }) },
        next.number,
      );
    }
    const { next, ...rest } = cursor;
    if (next?.version === projection.version && next.leaf >= cursor.current.leaf)
      return change(rows, follower, { ...rest, current: next, dropping: cursor.current.number }, next.number);
  }
  const current = await advance(rows, log, follower, "current");
  const next = await advance(rows, log, follower, "next");
  return current || next;
}

/** Rows that older code has made are read on, but this code cannot go on with them. Newer code's are left to it. */
const isOutdated = ({ current, next }: Cursor, version: number): boolean =>
  current.version < version && (next === undefined || next.version < version);

/** Numbers are never used again: rows that are being dropped have another. */
export const nextGeneration = ({ current, next, dropping }: Cursor, version: number): Generation => ({
  number: Math.max(current.number, next?.number ?? 0, dropping ?? 0) + 1,
  version,
  leaf: 0,
});

async function change(rows: Projections, follower: Follower, to: Cursor, generation: number): Promise<true> {
  const { projection, cursor } = follower;
  const committed = await rows.commit(projection.name, { from: cursor, to, generation, rows: [] });
  follower.cursor = committed ? to : await rows.cursor(projection.name);
  return true;
}

/** Takes one generation on by one commit. @returns false where there was nothing to take. */
async function advance(
  rows: Projections,
  log: SignedLeaves,
  follower: Follower,
  which: "current" | "next",
): Promise<boolean> {
  const { projection, cursor } = follower;
  const first = { current: { number: 1, version: projection.version, leaf: 0 } };
  const from: Cursor = cursor ?? first;
  const generation = from[which];
  if (generation?.version !== projection.version) return false;
  for (let most = maxLeavesPerCommit; ; ) {
    const { leaves, keys } = await take(projection, log, generation.leaf, most);
    if (leaves.length === 0) return false;
    const changed = await fold(rows, projection, generation.number, leaves, keys);
    const to: Cursor = {
      ...from,
      [which]: { ...generation, leaf: generation.leaf + leaves.length },
      followed: { size: log.size, root: log.root },
    };
    try {
      const commit = { from: cursor, to, generation: generation.number, rows: changed };
      follower.cursor = (await rows.commit(projection.name, commit)) ? to : await rows.cursor(projection.name);
      return true;
    } catch (error) {
      // Few rows may have more bytes than a commit holds. Those of fewer leaves are fewer.
      if (!(error instanceof AppError) || error.code !== "invalid" || leaves.length === 1) throw error;
      most = Math.floor(leaves.length / 2);
    }
  }
}

const textOf = ({ collection, id }: RowKey): string => `${collection}\n${id}`;

/** As many leaves as one commit holds the rows of, and no more than `most`. */
async function take(
  projection: Projection,
  log: SignedLeaves,
  from: number,
  most: number,
): Promise<{ leaves: { leaf: LogLeaf; rows: string[] }[]; keys: Map<string, RowKey> }> {
  const leaves: { leaf: LogLeaf; rows: string[] }[] = [];
  const keys = new Map<string, RowKey>();
  while (leaves.length < most) {
    const leaf = await log.at(from + leaves.length);
    if (leaf === undefined) break;
    const touched = projection.rowsOf(leaf);
    const texts = touched.map(textOf);
    const added = texts.filter((text) => !keys.has(text)).length;
    if (keys.size + added > maxRowsPerCommit) {
      if (leaves.length > 0) break;
      throw new AppError(
        "internal",
        `${projection.name}: leaf ${leaf.number} touches ${added} rows, and a commit holds ${maxRowsPerCommit}.`,
      );
    }
    for (const [i, text] of texts.entries()) keys.set(text, touched[i] as RowKey);
    leaves.push({ leaf, rows: texts });
  }
  return { leaves, keys };
}

/** The rows that leaves change, as they shall be. */
async function fold(
  rows: Projections,
  projection: Projection,
  generation: number,
  leaves: readonly { readonly leaf: LogLeaf; readonly rows: readonly string[] }[],
  keys: ReadonlyMap<string, RowKey>,
): Promise<(RowKey & { readonly value: RowValue | undefined })[]> {
  const read = keys.size === 0 ? [] : await rows.read(projection.name, generation, [...keys.values()]);
  const before = new Map([...keys.keys()].map((text, i) => [text, read[i]?.value]));
  const now = new Map(before);
  for (const { leaf, rows: touched } of leaves) {
    if (touched.length === 0) continue;
    const values = projection.fold(
      touched.map((text) => now.get(text)),
      leaf,
    );
    for (const [i, text] of touched.entries()) now.set(text, values[i]);
  }
  return [...keys].flatMap(([text, key]) =>
    now.get(text) === before.get(text) ? [] : [{ ...key, value: now.get(text) }],
  );
}

async function progressOf(log: SignedLeaves, { projection, cursor, done }: Follower): Promise<Progress> {
  const leaf = cursor?.current.leaf ?? 0;
  const waiting = await log.at(leaf);
  return {
    projection: projection.name,
    leaf,
    behind: Math.max(0, log.size - leaf),
    ...(waiting && { waitingSinceMs: waiting.receivedAtMs }),
    ...(cursor?.next && { building: cursor.next.leaf }),
    more: !done,
  };
}
