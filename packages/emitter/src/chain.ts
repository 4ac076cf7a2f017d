import { link, open, readFile, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  type Envelope,
  firstPrev,
  headersHash,
  type Identity,
  type ServerRef,
  type Sides,
  seal,
} from "@tooltrail/format";
import { type Line, numbersOf } from "./journal.ts";

/**
 * The sealed batches of one emitter in its folder: `<seq>.batch` until the bus acknowledges it, then `<seq>.sent`, kept only while it is the
 * newest, since the next batch names its hash.
 */

const name = (seq: number, state: "batch" | "sent" | "refused"): string => `${seq}.${state}`;

export const unsentSeqs = (dir: string): number[] => numbersOf(dir, /^(\d+)\.batch$/);

/** The newest sealed number, -1 where there is none. */
export const newestSealed = (dir: string): number => numbersOf(dir, /^(\d+)\.(?:batch|sent|refused)$/).at(-1) ?? -1;

/**
 * Seals records under a number, once: `link` fails where the number exists, and what stands there then is the batch. So being killed
 * anywhere in here, or two owners, cannot make two batches of one number.
 *
 * @throws as `fs` does (disk full): nothing has happened then, and calling again is safe.
 */
export async function sealBatch(
  dir: string,
  identity: Identity,
  place: { seq: number; server: ServerRef },
  lines: readonly Line[],
  sides: Sides,
  fsync: boolean,
): Promise<void> {
  const times = lines.map((line) => line.at);
  const envelope = await seal(
    identity,
    { ...place, prev: await previousHash(dir, place.seq) },
    lines.map((line) => line.text),
    { first: Math.min(...times), last: Math.max(...times) },
    sides,
  );
  const temporary = join(dir, `${place.seq}.batch.tmp`);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(envelope));
    if (fsync) await file.sync();
  } finally {
    await file.close();
  }
  await link(temporary, join(dir, name(place.seq, "batch"))).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await unlink(temporary);
  if (fsync) await syncFolder(dir);
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function previousHash(dir: string, seq: number): Promise<string> {
  if (seq === 0) return firstPrev;
  for (const state of ["batch", "sent", "refused"] as const) {
    const text = await readFile(join(dir, name(seq - 1, state)), "utf8").catch(() => undefined);
    if (text !== undefined) return headersHash((JSON.parse(text) as Envelope).headers);
  }
  throw new Error(`${join(dir, name(seq - 1, "batch"))} is missing, so the chain cannot go on.`);
}

/** The text that goes on the bus, the same each time. */
export const readBatch = (dir: string, seq: number): Promise<string> => readFile(join(dir, name(seq, "batch")), "utf8");

/** The bus has it. Older `.sent` files go: only the newest can be anybody's `prev`. */
export async function markSent(dir: string, seq: number): Promise<void> {
  await rename(join(dir, name(seq, "batch")), join(dir, name(seq, "sent")));
  for (const older of numbersOf(dir, /^(\d+)\.sent$/).slice(0, -1))
    await rm(join(dir, name(older, "sent")), { force: true });
}

/** The bus will never take it as it is. It is kept under another name for a person to see, and does not hold up the rest. */
export const markRefused = (dir: string, seq: number): Promise<void> =>
  rename(join(dir, name(seq, "batch")), join(dir, name(seq, "refused")));
