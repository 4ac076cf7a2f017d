import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
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
 * Files are written synchronously, here and below: some 0.1 ms a batch, while a dozen turns of a busy event loop let sealing and sending fall so far
 * behind that records were lost for want of room.
 *
 * @param place with `prev`, the hash of the batch before where it is known; else it is read.
 * @returns the hash of the batch that stands under the number, which the next one names.
 * @throws as `fs` does (disk full): nothing has happened then, and calling again is safe.
 */
export async function sealBatch(
  dir: string,
  identity: Identity,
  { prev, ...place }: { seq: number; server: ServerRef; prev?: string | undefined },
  lines: readonly Line[],
  sides: Sides,
  fsync: boolean,
): Promise<string> {
  const times = lines.map((line) => line.at);
  const envelope = await seal(
    identity,
    { ...place, prev: prev ?? hashBefore(dir, place.seq) },
    lines.map((line) => line.text),
    { first: Math.min(...times), last: Math.max(...times) },
    sides,
  );
  const temporary = join(dir, `${place.seq}.batch.tmp`);
  writeFileSync(temporary, JSON.stringify(envelope), { mode: 0o600, flush: fsync });
  const mine = linkOnce(temporary, join(dir, name(place.seq, "batch")));
  unlinkSync(temporary);
  if (fsync) syncFolder(dir);
  return mine ? headersHash(envelope.headers) : hashBefore(dir, place.seq + 1);
}

/** @returns false where something has that name already. */
function linkOnce(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The hash of the batch before this number, from whichever state it is in. */
function hashBefore(dir: string, seq: number): string {
  if (seq === 0) return firstPrev;
  for (const state of ["batch", "sent", "refused"] as const) {
    const path = join(dir, name(seq - 1, state));
    if (existsSync(path)) return headersHash((JSON.parse(readFileSync(path, "utf8")) as Envelope).headers);
  }
  throw new Error(`${join(dir, name(seq - 1, "batch"))} is missing, so the chain cannot go on.`);
}

/** The text that goes on the bus, the same each time. */
export const readBatch = (dir: string, seq: number): string => readFileSync(join(dir, name(seq, "batch")), "utf8");

/** The bus has it. */
export const markSent = (dir: string, seq: number): void =>
  renameSync(join(dir, name(seq, "batch")), join(dir, name(seq, "sent")));

/** What was sent goes, but for the newest: only that can be anybody's `prev`. */
export function forgetSent(dir: string): void {
  for (const older of numbersOf(dir, /^(\d+)\.sent$/).slice(0, -1))
    rmSync(join(dir, name(older, "sent")), { force: true });
}

/** The bus will never take it as it is. It is kept under another name for a person to see, and does not hold up the rest. */
export const markRefused = (dir: string, seq: number): void =>
  renameSync(join(dir, name(seq, "batch")), join(dir, name(seq, "refused")));
