import { sha256 } from "@tooltrail/format";
import {
  decodeBundle,
  hashLeaf,
  LogFormatError,
  parseTilePath,
  type ReadTile,
  reduced,
  sameBytes,
  type Tile,
  tilePath,
  tilesOf,
  widthIn,
} from "@tooltrail/format/log";
import type { Findings } from "./report.ts";
import type { LogSource, StoredObject } from "./sources.ts";

const width = 256;
const hashBytes = 32;
const none = new Uint8Array();
/** Of a log whose checkpoint says a size that is nowhere near, not all that it lacks is named. */
const maxMissing = 1_000;

/**
 * Every object that is there, also those that nobody reads any more or not yet: partial tiles of earlier sizes must be beginnings of what stands now, what lies beyond the
 * signed size must at least agree with itself, a staged commit must be what its name says. What has no place in a log is named.
 *
 * @param read tiles that have been checked against the signed root.
 * @param isRead whether the object of a tile has been read whole and checked already.
 * @returns how many objects were checked; undefined where the source cannot tell what is there.
 */
export async function checkObjects(
  log: LogSource,
  size: number,
  read: ReadTile,
  isRead: (tile: Tile) => boolean,
  findings: Findings,
): Promise<number | undefined> {
  const there = await log.list();
  if (there === undefined) return undefined;
  const names = new Set(there.flatMap(({ name, deleted }) => (deleted ? [] : [name])));
  let ahead = 0;
  for (const object of there) {
    const { name } = object;
    checkVersions(object, findings);
    if (object.deleted) continue; // as partials are that nobody needs any more; where it is needed, that is noticed below
    const wrong = await checkObject(name).catch(translated);
    if (wrong === "ahead") ahead += 1;
    else if (wrong !== undefined) findings.fail("object", wrong, { object: name });
  }
  // With a full tile there, its partials are not read: but a current object that is missing is named, although another one could stand in.
  let missing = 0;
  for (const tile of tilesOf(size)) {
    const name = tilePath(tile);
    const full = tilePath({ ...tile, width });
    if (names.has(name) || names.has(full)) continue;
    findings.fail("object", "It is missing.", { object: name });
    missing += 1;
    if (missing === maxMissing) break;
  }
  if (ahead > 0)
    findings.note("ahead", `${ahead} objects lie beyond the signed size ${size}: they are not signed yet.`);
  return there.length;

  async function checkObject(name: string): Promise<string | undefined> {
    if (name === "checkpoint" || name === "vkey") return undefined; // checked before all
    const tile = parseTilePath(name);
    if (tile && isRead(tile)) return undefined;
    const bytes = await log.read(name);
    if (bytes === undefined) return undefined; // retired since it was listed; where it is needed, that is noticed elsewhere
    if (name.startsWith("staged/"))
      return name === `staged/${sha256(bytes)}` ? undefined : "Its bytes are not those that its name promises.";
    if (tile === undefined) return "It has no place in a log.";
    const signed = Math.min(tile.width, widthIn(size, tile.level, tile.index));
    const same =
      tile.level === "entries" ? await checkBundle(tile, bytes, signed) : await checkTile(tile, bytes, signed);
    if (same !== undefined) return same;
    return signed < tile.width ? "ahead" : undefined;
  }

  /** What of it is signed equals what was checked. */
  async function checkBundle(tile: Tile, bytes: Uint8Array, signed: number): Promise<string | undefined> {
    const entries = decodeBundle(bytes, tile.width);
    if (signed > 0) {
      const current = decodeBundle(await read(signedTile(tile, size)), signedTile(tile, size).width);
      for (let i = 0; i < signed; i += 1)
        if (!sameBytes(entries[i] ?? none, current[i] ?? none))
          return `Its entry ${i} is not leaf ${tile.index * width + i} of the log.`;
    }
    if (signed === tile.width) return undefined;
    const hashes = await raw({ ...tile, level: 0 });
    return entries.every((entry, i) => sameBytes(hashLeaf(entry), hashAt(hashes, i)))
      ? undefined
      : "It lies beyond the signed size, and does not agree with its hash tile.";
  }

  async function checkTile(tile: Tile, bytes: Uint8Array, signed: number): Promise<string | undefined> {
    if (bytes.length !== tile.width * hashBytes)
      return `It has ${bytes.length} bytes, and not ${tile.width * hashBytes}.`;
    if (signed > 0) {
      const current = await read(signedTile(tile, size));
      if (!sameBytes(bytes.subarray(0, signed * hashBytes), current.subarray(0, signed * hashBytes)))
        return "It is not the beginning of the tile that stands there now.";
    }
    for (let i = signed; i < tile.width; i += 1) {
      if (!sameBytes(hashAt(bytes, i), await below(tile, i)))
        return "It lies beyond the signed size, and does not agree with what is below it.";
    }
    return undefined;
  }

  /** The hash that a place of a hash tile must have, from the bundle or the full tile below it. */
  async function below({ level, index }: Tile, i: number): Promise<Uint8Array> {
    if (level === 0) {
      const entry = decodeBundle(...(await bundleWith(index, i)))[i];
      return entry === undefined ? new Uint8Array() : hashLeaf(entry);
    }
    const hashes = await raw({ level: Number(level) - 1, index: index * width + i, width });
    return reduced(hashes.subarray(0, width * hashBytes));
  }

  async function bundleWith(index: number, i: number): Promise<[Uint8Array, number]> {
    for (let w = i + 1; w <= width; w += 1) {
      const tile: Tile = { level: "entries", index, width: w };
      if (!names.has(tilePath(tile))) continue;
      const bytes = await log.read(tilePath(tile));
      if (bytes !== undefined) return [bytes, w];
    }
    throw new LogFormatError(`tile/entries ${index}: no bundle has its entry ${i}`);
  }

  async function raw(tile: Tile): Promise<Uint8Array> {
    const bytes = (await log.read(tilePath(tile))) ?? (await log.read(tilePath({ ...tile, width })));
    if (bytes === undefined || bytes.length < tile.width * hashBytes)
      throw new LogFormatError(`${tilePath(tile)}: missing, or too short`);
    return bytes;
  }
}

function checkVersions({ name, versions }: StoredObject, findings: Findings): void {
  if (name === "checkpoint" || name === "vkey") return; // written again and again
  if (versions > 1) findings.fail("versions", `It has ${versions} versions, and is written once.`, { object: name });
}

/** The tile of the signed tree in the same place, as wide as it is there. */
const signedTile = (tile: Tile, size: number): Tile => ({ ...tile, width: widthIn(size, tile.level, tile.index) });

function translated(error: unknown): string {
  if (error instanceof LogFormatError) return error.message;
  throw error;
}

const hashAt = (tile: Uint8Array, i: number): Uint8Array => tile.subarray(i * hashBytes, (i + 1) * hashBytes);
