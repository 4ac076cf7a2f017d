import {
  encodeBundle,
  grow,
  type Hash,
  hashLeaf,
  type ReadTile,
  tilePath,
  tileReader,
  tilesOf,
} from "@tooltrail/format/log";

/** A log in memory, as a sequencer writes it: hash tiles by `grow`, bundles beside them. No partial is ever taken away. */
export interface GrownTree {
  readonly size: number;
  readonly root: Hash;
  readonly objects: Map<string, Uint8Array>;
  readonly read: ReadTile;
}

/** @param steps how many entries each step appends; what is left comes in a last one. */
export async function grownTree(entries: readonly Uint8Array[], steps: readonly number[] = []): Promise<GrownTree> {
  const objects = new Map<string, Uint8Array>();
  const read = tileReader(async (name) => objects.get(name));
  let grown = await grow(0, read, []);
  for (const step of [...steps, entries.length]) {
    grown = await grow(grown.size, read, entries.slice(grown.size, grown.size + step).map(hashLeaf));
    for (const { tile, bytes } of grown.tiles) objects.set(tilePath(tile), bytes);
    for (const tile of tilesOf(grown.size)) {
      if (tile.level !== "entries" || objects.has(tilePath(tile))) continue;
      objects.set(tilePath(tile), encodeBundle(entries.slice(tile.index * 256, tile.index * 256 + tile.width)));
    }
  }
  return { size: grown.size, root: grown.root, objects, read };
}

/** Entries that differ, and that are not all of one length. */
export const someEntries = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => new TextEncoder().encode(`${"entry ".repeat(at % 3)}${at}`));
