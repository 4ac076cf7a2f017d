import { decodeBundle } from "./bundle.ts";
import { sameBytes } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import { type Hash, hashLeaf } from "./hash.ts";
import { hashBytes, hashesAt, type ReadTile, type Tile, tilePath, tileWidth, widthIn } from "./tile.ts";
import { reduced, rootOf } from "./tree.ts";

/** Hash tiles kept, 8 KB each. Who reads in order needs one a level; who makes proofs anywhere, some more. */
const keptTiles = 256;

/**
 * Tiles and bundles of the tree of this size and root, each checked before it is given out: the partial ones at the right edge make the root, and a full one makes the
 * hash that the tile above has in its place. Hash tiles are read and hashed once, as long as they are kept; a bundle is read each time, and needs no tile of
 * level 0 but at the edge. A narrower tile than the tree has is cut from the one that it has.
 *
 * @throws LogFormatError naming the tile, and in a bundle the first entry, that is not the tree's; or what `read` throws. The next call tries again.
 */
export function verifiedTiles(size: number, root: Hash, read: ReadTile): ReadTile {
  const kept = new Map<string, Promise<Uint8Array>>();
  let edge: Promise<ReadonlyMap<number, Uint8Array>> | undefined;

  return async (asked) => {
    const width = widthIn(size, asked.level, asked.index);
    if (!(asked.width >= 1 && asked.width <= width))
      throw new LogFormatError(`${tilePath(asked)}: not in a tree of ${size}.`);
    if (asked.level !== "entries") {
      const bytes = await hashTile(asked.level, asked.index, width);
      return bytes.slice(0, asked.width * hashBytes);
    }
    const bundle = { ...asked, width };
    const bytes = await read(bundle);
    const entries = decodeBundle(bytes, width, tilePath(bundle));
    await checkBundle(bundle, entries);
    const kept = entries.slice(0, asked.width).reduce((sum, entry) => sum + 2 + entry.length, 0);
    return bytes.subarray(0, kept);
  };

  /** The tile that the tree has there: what is kept is never changed, and never given away. */
  function hashTile(level: number, index: number, width: number): Promise<Uint8Array> {
    if (width < tileWidth) return edgeTile(level);
    const path = tilePath({ level, index, width });
    const known = kept.get(path);
    kept.delete(path); // and again at the end: the first in the map is the one that nobody asked for the longest
    const bytes = known ?? fullTile({ level, index, width });
    kept.set(path, bytes);
    if (known) return known;
    for (const [oldest] of kept) {
      if (kept.size <= keptTiles) break;
      kept.delete(oldest);
    }
    bytes.catch(() => kept.get(path) === bytes && kept.delete(path));
    return bytes;
  }

  async function fullTile(tile: Tile & { level: number }): Promise<Uint8Array> {
    const [bytes, wanted] = await Promise.all([read(tile).then(copyOf(tile)), hashAbove(tile.level, tile.index)]);
    if (!sameBytes(reduced(bytes), wanted)) throw new LogFormatError(`${tilePath(tile)}: not the one in the tree.`);
    return bytes;
  }

  /** What the full tile at this place must hash to. */
  async function hashAbove(level: number, index: number): Promise<Hash> {
    const above = Math.floor(index / tileWidth);
    const bytes = await hashTile(level + 1, above, widthIn(size, level + 1, above));
    const at = (index % tileWidth) * hashBytes;
    return bytes.subarray(at, at + hashBytes);
  }

  async function edgeTile(level: number): Promise<Uint8Array> {
    edge ??= edgeTiles();
    const reading = edge;
    reading.catch(() => {
      if (edge === reading) edge = undefined;
    });
    return (await reading).get(level) as Uint8Array;
  }

  /** The partial tiles by level: together, and only together, they make the root. */
  async function edgeTiles(): Promise<ReadonlyMap<number, Uint8Array>> {
    const tiles: (Tile & { level: number })[] = [];
    for (let level = 0; hashesAt(level, size) > 0; level += 1) {
      const index = Math.floor(hashesAt(level, size) / tileWidth);
      const width = widthIn(size, level, index);
      if (width > 0) tiles.push({ level, index, width });
    }
    const bytes = await Promise.all(tiles.map((tile) => read(tile).then(copyOf(tile))));
    const byLevel = new Map(tiles.map(({ level }, at) => [level, bytes[at] as Uint8Array]));
    if (!sameBytes(await rootOf(size, (tile) => fromEdge(tile, byLevel)), root))
      throw new LogFormatError(`${tiles.map(tilePath).join(", ")}: not the root of the tree of ${size}.`);
    return byLevel;
  }

  async function checkBundle(bundle: Tile, entries: readonly Uint8Array[]): Promise<void> {
    const leaves = new Uint8Array(entries.length * hashBytes);
    for (const [at, entry] of entries.entries()) leaves.set(hashLeaf(entry), at * hashBytes);
    const tile = { level: 0, index: bundle.index, width: bundle.width };
    const needsNoTile = tile.width === tileWidth && !kept.has(tilePath(tile));
    if (needsNoTile && sameBytes(reduced(leaves), await hashAbove(0, tile.index))) return;
    const wanted = await hashTile(0, tile.index, tile.width);
    for (let at = 0; at < entries.length; at += 1) {
      const same = sameBytes(
        leaves.subarray(at * hashBytes, (at + 1) * hashBytes),
        wanted.subarray(at * hashBytes, (at + 1) * hashBytes),
      );
      if (!same)
        throw new LogFormatError(
          `${tilePath(bundle)}: entry ${at} (leaf ${bundle.index * tileWidth + at}) is not the one in the tree.`,
        );
    }
  }
}

async function fromEdge(tile: Tile, edge: ReadonlyMap<number, Uint8Array>): Promise<Uint8Array> {
  return edge.get(tile.level as number) as Uint8Array;
}

/** A copy: what was checked stays what is used, whatever the reader does with its array. */
const copyOf =
  (tile: Tile) =>
  (bytes: Uint8Array): Uint8Array => {
    if (bytes.length === tile.width * hashBytes) return bytes.slice();
    throw new LogFormatError(
      `${tilePath(tile)}: ${bytes.length} bytes, where there must be ${tile.width * hashBytes}.`,
    );
  };
