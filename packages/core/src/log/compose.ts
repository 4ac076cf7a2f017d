import { bodyLines } from "@tooltrail/format";
import {
  encodeBundle,
  grow,
  hashLeaf,
  LogFormatError,
  leafBytes,
  type ReadTile,
  tilePath,
} from "@tooltrail/format/log";
import type { StoredBatch } from "../ports.ts";
import type { Commit, LogObject } from "./commit.ts";
import { halt } from "./halt.ts";

/**
 * The leaves of a batch: its records' lines as they came, each with its place around it. No record is parsed.
 *
 * @throws AppError halted where the body is none, not of `count` lines, or has one that no leaf holds: ingest stores no such batch, so somebody else wrote into the ledger.
 */
export function leavesOf(batch: StoredBatch): Uint8Array[] {
  const { emitter, seq, count } = batch.headers;
  const what = `batch ${seq} of emitter ${emitter}`;
  const lines = bodyLines(batch.body);
  if (lines?.length !== count)
    throw halt("ledger", `${what} cannot be read, or has not the ${count} records that it says.`);
  try {
    return lines.map((line, index) => leafBytes({ batch, index, line }));
  } catch (error) {
    if (error instanceof LogFormatError) throw halt("ledger", `${what}: ${error.message}`, error);
    throw error;
  }
}

/** Leaves to append, and where the batches begin that begin among them. */
export interface Addition {
  readonly entries: readonly Uint8Array[];
  readonly index: Commit["index"];
}

/**
 * What the log writes when it grows from `size` by these leaves. Reads its right edge.
 *
 * @throws LogFormatError where the edge is missing or malformed.
 */
export async function compose(
  read: ReadTile,
  over: number,
  size: number,
  { entries, index }: Addition,
): Promise<Commit> {
  const grown = await grow(size, read, entries.map(hashLeaf));
  const tiles = grown.tiles.map(({ tile, bytes }) => ({ name: tilePath(tile), bytes }));
  const bundles = await bundlesOf(read, size, entries);
  return { over, oldSize: size, size: grown.size, objects: [...bundles, ...tiles], index };
}

async function bundlesOf(read: ReadTile, size: number, entries: readonly Uint8Array[]): Promise<LogObject[]> {
  const bundles: LogObject[] = [];
  for (let taken = 0; taken < entries.length; ) {
    const index = Math.floor((size + taken) / 256);
    const before = (size + taken) % 256;
    const added = entries.slice(taken, taken + 256 - before);
    // Entries stand one after the other, so a bundle grows by what is appended to its bytes.
    const begun = before === 0 ? new Uint8Array() : await read({ level: "entries", index, width: before });
    const name = tilePath({ level: "entries", index, width: before + added.length });
    bundles.push({ name, bytes: Buffer.concat([begun, encodeBundle(added)]) });
    taken += added.length;
  }
  return bundles;
}
