import { isCount } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import { emptyRoot, type Hash, hashNode } from "./hash.ts";
import { completeSubtrees, cutOf, type Span, stepsTo } from "./path.ts";
import { hashBytes, hashesAt, type ReadTile, type Tile, tilePath, tileWidth, widthIn } from "./tile.ts";

/** The root of the tree of the first `size` leaves. The tiles are taken at their word: see `verifiedTiles`. */
export async function rootOf(size: number, read: ReadTile): Promise<Hash> {
  mustBeCount(size, "size");
  return spanHash({ from: 0, to: size }, size, readOnce(read));
}

/** RFC 6962, 2.1.1: the hashes beside the way from a leaf to the root. At most 53. */
export async function inclusionProof(index: number, size: number, read: ReadTile): Promise<Hash[]> {
  mustBeCount(size, "size");
  mustBeCount(index, "index");
  if (index >= size) throw new LogFormatError(`index: ${index} is not in a tree of ${size}.`);
  const once = readOnce(read);
  return Promise.all(stepsTo(index, size).map((span) => spanHash(span, size, once)));
}

/** RFC 6962, 2.1.2: what shows that the first tree is the beginning of the second. Empty where they are one, or the first is empty. */
export async function consistencyProof(oldSize: number, size: number, read: ReadTile): Promise<Hash[]> {
  mustBeCount(size, "size");
  mustBeCount(oldSize, "oldSize");
  if (oldSize > size) throw new LogFormatError(`oldSize: ${oldSize} is larger than ${size}.`);
  const once = readOnce(read);
  return Promise.all(spansBetween(oldSize, size).map((span) => spanHash(span, size, once)));
}

/**
 * What a log of `size` has to write when these leaves are appended: every hash tile that becomes full, and the new partial ones at the right edge. A
 * tile that stays as it is, is not among them, nor is any bundle. In one step or in many, the tiles are the same.
 *
 * @param leaves leaf hashes.
 */
export async function grow(
  size: number,
  read: ReadTile,
  leaves: readonly Hash[],
): Promise<{ size: number; root: Hash; tiles: { tile: Tile; bytes: Uint8Array }[] }> {
  const newSize = size + leaves.length;
  mustBeCount(size, "size");
  mustBeCount(newSize, "size");
  const tiles: { tile: Tile; bytes: Uint8Array }[] = [];
  let added = leaves;
  for (let level = 0; added.length > 0; level += 1) {
    const written = await growLevel(level, hashesAt(level, size), read, added);
    tiles.push(...written);
    added = written.filter(({ tile }) => tile.width === tileWidth).map(({ bytes }) => reduced(bytes));
  }
  const written = new Map(tiles.map(({ tile, bytes }) => [tilePath(tile), bytes]));
  const root = await rootOf(newSize, async (tile) => written.get(tilePath(tile)) ?? read(tile));
  return { size: newSize, root, tiles };
}

async function growLevel(level: number, before: number, read: ReadTile, added: readonly Hash[]) {
  const tiles: { tile: Tile; bytes: Uint8Array }[] = [];
  const after = before + added.length;
  for (let index = Math.floor(before / tileWidth); index * tileWidth < after; index += 1) {
    const first = index * tileWidth;
    const width = Math.min(tileWidth, after - first);
    const bytes = new Uint8Array(width * hashBytes);
    if (before > first) bytes.set(await read({ level, index, width: before - first }));
    for (let at = Math.max(before, first); at < first + width; at += 1)
      bytes.set(added[at - before] as Hash, (at - first) * hashBytes);
    tiles.push({ tile: { level, index, width }, bytes });
  }
  return tiles;
}

/** The hash over a power of two of hashes that lie one after the other. */
export function reduced(hashes: Uint8Array): Hash {
  let row: Hash[] = [];
  for (let at = 0; at < hashes.length; at += hashBytes) row.push(hashes.subarray(at, at + hashBytes));
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let at = 0; at + 1 < row.length; at += 2) above.push(hashNode(row[at] as Hash, row[at + 1] as Hash));
    row = above;
  }
  return (row[0] as Hash).slice();
}

/** The hash of a span of a tree of `size`, from its tiles. */
async function spanHash(span: Span, size: number, read: ReadTile): Promise<Hash> {
  const subtrees = await Promise.all(
    completeSubtrees(span).map(({ height, index }) => subtreeHash(height, index, size, read)),
  );
  return subtrees.reduceRight((right, left) => hashNode(left, right), subtrees.pop() ?? emptyRoot);
}

/** The hash of the complete subtree of 2^height leaves: a tile has it, or the hashes that it is made of. */
async function subtreeHash(height: number, index: number, size: number, read: ReadTile): Promise<Hash> {
  const level = Math.floor(height / 8);
  const hashes = 2 ** (height % 8);
  const first = index * hashes;
  const tileIndex = Math.floor(first / tileWidth);
  const bytes = await read({ level, index: tileIndex, width: widthIn(size, level, tileIndex) });
  const at = (first % tileWidth) * hashBytes;
  return reduced(bytes.subarray(at, at + hashes * hashBytes));
}

/** Each tile once, however many hashes of it are asked for at the same time. */
function readOnce(read: ReadTile): ReadTile {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return (tile) => {
    const path = tilePath(tile);
    const known = tiles.get(path);
    if (known) return known;
    const bytes = read(tile);
    tiles.set(path, bytes);
    return bytes;
  };
}

/** The subtrees of a consistency proof, in its order. */
function spansBetween(oldSize: number, size: number): Span[] {
  if (oldSize === 0) return [];
  const spans: Span[] = [];
  let [from, to] = [0, size];
  while (oldSize !== to) {
    const middle = from + cutOf(to - from);
    if (oldSize <= middle) {
      spans.push({ from: middle, to });
      to = middle;
    } else {
      spans.push({ from, to: middle });
      from = middle;
    }
  }
  // Where the old tree is the whole left side at each cut, whoever checks has its root already.
  if (from > 0) spans.push({ from, to });
  return spans.reverse();
}

function mustBeCount(value: number, what: string): void {
  if (!isCount(value)) throw new LogFormatError(`${what}: not a number from 0 to 2^53-1.`);
}
