import { entryEnds } from "./bundle.ts";
import { LogFormatError } from "./error.ts";

/** Hashes in a full tile, and entries in a full bundle. */
export const tileWidth = 256;
export const hashBytes = 32;

/**
 * A run of hashes at one level of the tree, or of entries: C2SP tlog-tiles. `level` counts in steps of eight of the tree's own; `width` is 1 to 256, where 256
 * is full.
 */
export interface Tile {
  readonly level: number | "entries";
  readonly index: number;
  readonly width: number;
}

/**
 * Gives a tile's bytes: exactly `width` hashes, or a bundle of `width` entries.
 *
 * @throws LogFormatError where there is no such tile, or it is not that long; or what the storage throws.
 */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>;

/** `tile/0/x001/067`, `tile/entries/000.p/3`. */
export function tilePath({ level, index, width }: Tile): string {
  let path = threeDigits(index % 1_000);
  for (let rest = Math.floor(index / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    path = `x${threeDigits(rest % 1_000)}/${path}`;
  return `tile/${level}/${path}${width === tileWidth ? "" : `.p/${width}`}`;
}

const threeDigits = (value: number): string => String(value).padStart(3, "0");

const pathPattern = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** @returns undefined where the path is no tile's, or is another spelling of one. */
export function parseTilePath(path: string): Tile | undefined {
  const [, level, digits, partial] = pathPattern.exec(path) ?? [];
  if (level === undefined || digits === undefined) return undefined;
  const tile: Tile = {
    level: level === "entries" ? level : Number(level),
    index: Number(digits.replaceAll(/[x/]/g, "")),
    width: partial === undefined ? tileWidth : Number(partial),
  };
  const inBounds = Number.isSafeInteger(tile.index) && (tile.level === "entries" || tile.level <= 63);
  return inBounds && tilePath(tile) === path ? tile : undefined;
}

/** How many hashes a tree of `size` has at a tile level: those of its complete subtrees of 256^level leaves. */
export const hashesAt = (level: number, size: number): number => Math.floor(size / tileWidth ** level);

/** How wide a tile is in a tree of `size`; 0 where the tree has none. */
export function widthIn(size: number, level: Tile["level"], index: number): number {
  const beyond = hashesAt(level === "entries" ? 0 : level, size) - index * tileWidth;
  return Math.max(0, Math.min(tileWidth, beyond));
}

/** Every tile of a tree of `size`, bundles included, partial ones at the right edge: bottom up, from the left, each bundle after its hashes. */
export function* tilesOf(size: number): Generator<Tile, void, undefined> {
  for (let level = 0; hashesAt(level, size) > 0; level += 1) {
    const hashes = hashesAt(level, size);
    for (let index = 0; index * tileWidth < hashes; index += 1) {
      const width = Math.min(tileWidth, hashes - index * tileWidth);
      yield { level, index, width };
      if (level === 0) yield { level: "entries", index, width };
    }
  }
}

/**
 * Reads tiles by their names. A partial one may be gone as soon as the full one is there, and then that is read instead, and cut.
 *
 * @param read undefined where there is nothing of that name.
 */
export function tileReader(read: (name: string) => Promise<Uint8Array | undefined>): ReadTile {
  return async (tile) => {
    const bytes = await read(tilePath(tile));
    if (bytes !== undefined) return exactly(tile, tile, bytes);
    const full = { ...tile, width: tileWidth };
    const whole = tile.width === tileWidth ? undefined : await read(tilePath(full));
    if (whole === undefined) throw new LogFormatError(`${tilePath(tile)}: missing.`);
    return exactly(tile, full, whole);
  };
}

/** The part of what was found that was asked for. */
function exactly(asked: Tile, found: Tile, bytes: Uint8Array): Uint8Array {
  if (found.level === "entries") {
    const ends = entryEnds(bytes, found.width, tilePath(found));
    return bytes.subarray(0, ends[asked.width - 1]);
  }
  if (bytes.length !== found.width * hashBytes)
    throw new LogFormatError(
      `${tilePath(found)}: ${bytes.length} bytes, where there must be ${found.width * hashBytes}.`,
    );
  return bytes.subarray(0, asked.width * hashBytes);
}
