import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grownTree, someEntries } from "../../../../test/support/grown-tree.ts";
import {
  decodeBundle,
  encodeBundle,
  LogFormatError,
  parseTilePath,
  rootOf,
  servingOf,
  type Tile,
  tilePath,
  tileReader,
  tilesOf,
  verifiedTiles,
} from "./index.ts";

const aTile = fc.record({
  level: fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant("entries" as const)),
  index: fc.oneof(fc.nat(2_000), fc.maxSafeNat()),
  width: fc.integer({ min: 1, max: 256 }),
});

describe("a tile's path", () => {
  test.each<[string, Tile]>([
    ["tile/0/000", { level: 0, index: 0, width: 256 }],
    ["tile/0/x001/067.p/3", { level: 0, index: 1_067, width: 3 }],
    ["tile/2/x001/x234/067", { level: 2, index: 1_234_067, width: 256 }],
    ["tile/entries/000.p/255", { level: "entries", index: 0, width: 255 }],
    ["tile/63/x009/x007/x199/x254/x740/991", { level: 63, index: 2 ** 53 - 1, width: 256 }],
  ])("%s", (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test("is read back as the tile that it is made of", () => {
    fc.assert(fc.property(aTile, (tile) => void expect(parseTilePath(tilePath(tile))).toEqual(tile)));
  });

  test.each([
    "tile/0/0",
    "tile/0/0000",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/0/x000/001",
    "tile/0/x001/x001",
    "tile/0/001/001",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000.p/",
    "tile/0/000/",
    "/tile/0/000",
    "tile/0/000\n",
    "tile/entry/000",
    "tile/0/x999/x999/x999/x999/x999/999",
    "tile/0/../000",
    "",
  ])("has no other spelling: %j", (path) => expect(parseTilePath(path)).toBeUndefined());

  test("is found in no other text", () => {
    fc.assert(
      fc.property(fc.string(), aTile, fc.nat(), (noise, tile, at) => {
        const path = tilePath(tile);
        const place = at % (path.length + 1);
        const text = path.slice(0, place) + noise + path.slice(place);
        const parsed = parseTilePath(text);
        if (parsed !== undefined) expect(tilePath(parsed)).toBe(text);
      }),
    );
  });
});

describe("the tiles of a tree", () => {
  test("of 70,000 leaves are those of the specification's example", () => {
    const tiles = [...tilesOf(70_000)];
    const at = (level: Tile["level"]) => tiles.filter((tile) => tile.level === level);
    expect(at(0).filter(({ width }) => width === 256)).toHaveLength(273);
    expect(at(0).at(-1)).toEqual({ level: 0, index: 273, width: 112 });
    expect(at(1)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
    ]);
    expect(at(2)).toEqual([{ level: 2, index: 0, width: 1 }]);
    expect(at("entries").map(({ index, width }) => ({ index, width }))).toEqual(
      at(0).map(({ index, width }) => ({ index, width })),
    );
    expect(tiles).toHaveLength(274 * 2 + 2 + 1);
  });

  test("are all there, and are all that is needed", async () => {
    for (const size of [0, 1, 255, 256, 257, 700]) {
      const { objects, root } = await grownTree(someEntries(size));
      const named = [...tilesOf(size)].map(tilePath);
      expect([...objects.keys()].sort()).toEqual(named.sort());
      const only = tileReader(async (name) => (named.includes(name) ? objects.get(name) : undefined));
      expect(await rootOf(size, only)).toEqual(root);
    }
  });
});

describe("a bundle", () => {
  test("has its entries again, empty ones and the largest", () => {
    const entries = [new Uint8Array(0), Uint8Array.of(1, 2), new Uint8Array(65_535).fill(7)];
    const bytes = encodeBundle(entries);
    expect([...bytes.subarray(0, 6)]).toEqual([0, 0, 0, 2, 1, 2]);
    expect(decodeBundle(bytes, 3)).toEqual(entries);
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(/entry 0: 65536 bytes/);
  });

  test("cut, continued, or of another width is none", () => {
    const bytes = encodeBundle(someEntries(5));
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => decodeBundle(bytes.subarray(0, length), 5)).toThrow(LogFormatError);
    expect(() => decodeBundle(Uint8Array.of(...bytes, 0), 5)).toThrow(/1 bytes more than its 5 entries/);
    expect(() => decodeBundle(bytes, 4)).toThrow(LogFormatError);
    expect(() => decodeBundle(bytes, 6)).toThrow(/ends within entry 5 of 6/);
  });
});

describe("a tile reader", () => {
  const store = async (size: number) => (await grownTree(someEntries(size))).objects;

  test("takes the full tile, cut, where the partial one is gone", async () => {
    const [full, partial] = [await store(256), await store(100)];
    const read = tileReader(async (name) => full.get(name));
    for (const level of [0, "entries"] as const) {
      const tile = { level, index: 0, width: 100 };
      expect(await read(tile)).toEqual(partial.get(tilePath(tile)));
    }
  });

  test("says what is missing, and what has another length than it must", async () => {
    const objects = await store(100);
    const read = tileReader(async (name) => objects.get(name));
    await expect(read({ level: 0, index: 1, width: 256 })).rejects.toThrow("tile/0/001: missing.");
    await expect(read({ level: 1, index: 0, width: 3 })).rejects.toThrow("tile/1/000.p/3: missing.");
    objects.set("tile/0/000.p/100", new Uint8Array(3_199));
    await expect(read({ level: 0, index: 0, width: 100 })).rejects.toThrow(/^tile\/0\/000.p\/100: 3199 bytes/);
    objects.set("tile/entries/000.p/100", encodeBundle(someEntries(99)));
    await expect(read({ level: "entries", index: 0, width: 100 })).rejects.toThrow(/entries\/000.p\/100: ends within/);
  });
});

describe("verified tiles", () => {
  /** More than one tile at level 0, at level 1, and one at level 2. */
  const size = 65_536 + 256 + 30;
  const tree = grownTree(someEntries(size));

  test("are those of the tree, and each hash tile is read once for all bundles", async () => {
    const { objects, root } = await tree;
    const asked: string[] = [];
    const read = tileReader(async (name) => {
      asked.push(name);
      return objects.get(name);
    });
    const verified = verifiedTiles(size, root, read);
    for (const tile of tilesOf(size))
      if (tile.level === "entries") expect(await verified(tile)).toEqual(objects.get(tilePath(tile)));
    const hashes = asked.filter((name) => !name.startsWith("tile/entries/"));
    expect(hashes.sort()).toEqual(["tile/0/257.p/30", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"].sort());
    expect(asked).toHaveLength(hashes.length + 258);
    for (const tile of tilesOf(size)) expect(await verified(tile)).toEqual(objects.get(tilePath(tile)));
  });

  test("many readers at once read each tile once", async () => {
    const { objects, root } = await tree;
    const asked: string[] = [];
    const verified = verifiedTiles(
      size,
      root,
      tileReader(async (name) => {
        asked.push(name);
        return objects.get(name);
      }),
    );
    await Promise.all(Array.from({ length: 50 }, () => verified({ level: 0, index: 3, width: 256 })));
    expect(asked).toHaveLength(new Set(asked).size);
  });

  test("a bit turned, anywhere in anything, is found, and the object named", async () => {
    const { objects, root } = await tree;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...objects.keys()), fc.nat(), async (name, place) => {
        const bytes = (objects.get(name) as Uint8Array).slice();
        const bit = place % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const verified = verifiedTiles(
          size,
          root,
          tileReader(async (asked) => (asked === name ? bytes : objects.get(asked))),
        );
        const tile = parseTilePath(name) as Tile;
        await expect(verified(tile)).rejects.toThrow(LogFormatError);
        await expect(verified(tile)).rejects.toThrow(name);
      }),
      { numRuns: 200 },
    );
  });

  test("the first wrong entry is named, in a full bundle and in the last one", async () => {
    const { objects, root } = await tree;
    for (const [name, leaf] of [
      ["tile/entries/256", 256 * 256 + 7],
      ["tile/entries/257.p/30", 257 * 256 + 7],
    ] as const) {
      const tile = parseTilePath(name) as Tile;
      const entries = decodeBundle(objects.get(name) as Uint8Array, tile.width);
      const wrong = encodeBundle(entries.with(7, Uint8Array.of(1)).with(9, Uint8Array.of(2)));
      const read = tileReader(async (asked) => (asked === name ? wrong : objects.get(asked)));
      await expect(verifiedTiles(size, root, read)(tile)).rejects.toThrow(`${name}: entry 7 (leaf ${leaf}) is not`);
    }
  });

  test("a bundle is checked against the tile itself where somebody read that before", async () => {
    const { objects, root } = await tree;
    const swapped = objects.get("tile/entries/001");
    const read = tileReader(async (name) => (name === "tile/entries/000" ? swapped : objects.get(name)));
    const verified = verifiedTiles(size, root, read);
    await verified({ level: 0, index: 0, width: 256 });
    await expect(verified({ level: "entries", index: 0, width: 256 })).rejects.toThrow("entry 0 (leaf 0)");
  });

  test("another root, and what is not in the tree, are refused; an older, narrower tile is cut from this tree's", async () => {
    const { objects, root, read } = await tree;
    const verified = verifiedTiles(size, root, read);
    for (const tile of [
      { level: 0, index: 257, width: 31 },
      { level: 0, index: 258, width: 1 },
      { level: 3, index: 0, width: 1 },
      { level: "entries", index: 0, width: 0 },
    ] as const)
      await expect(verified(tile)).rejects.toThrow(`not in a tree of ${size}`);
    expect(await verified({ level: 0, index: 0, width: 2 })).toEqual(objects.get("tile/0/000")?.slice(0, 64));
    const cut = await verified({ level: "entries", index: 257, width: 9 });
    expect(decodeBundle(cut, 9)).toEqual(someEntries(size).slice(257 * 256, 257 * 256 + 9));
    const older = await grownTree(someEntries(300));
    expect(await rootOf(300, verified)).toEqual(older.root);
    const other = verifiedTiles(size, older.root, read);
    await expect(other({ level: 0, index: 0, width: 256 })).rejects.toThrow("not the root of the tree");
  });

  test("after a failure the next call reads again", async () => {
    const { objects, root } = await tree;
    let down = true;
    const read = tileReader(async (name) => {
      if (down) throw new Error("down");
      return objects.get(name);
    });
    const verified = verifiedTiles(size, root, read);
    const tile = { level: 0, index: 5, width: 256 };
    await expect(verified(tile)).rejects.toThrow("down");
    down = false;
    expect(await verified(tile)).toEqual(objects.get("tile/0/005"));
  });

  test("what was given out may be changed by who has it", async () => {
    const { objects, root, read } = await tree;
    const verified = verifiedTiles(size, root, read);
    for (const tile of [
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 1 },
    ]) {
      (await verified(tile)).fill(0);
      expect(await verified(tile)).toEqual(objects.get(tilePath(tile)));
    }
  });

  test("a tree without leaves has none", async () => {
    const { root, read } = await grownTree([]);
    await expect(verifiedTiles(0, root, read)({ level: 0, index: 0, width: 1 })).rejects.toThrow("not in a tree of 0");
  });
});

test("what never changes may be kept for ever, the checkpoint not at all, and what is staged is nobody's", () => {
  expect(servingOf("checkpoint")).toEqual({ contentType: "text/plain; charset=utf-8", cacheControl: "no-cache" });
  expect(servingOf("vkey")).toMatchObject({ cacheControl: "public, max-age=3600" });
  for (const name of ["tile/0/000", "tile/0/000.p/7", "tile/entries/x001/000"])
    expect(servingOf(name)).toEqual({
      contentType: "application/octet-stream",
      cacheControl: "public, max-age=31536000, immutable",
    });
  expect(servingOf("staged/00")).toMatchObject({ cacheControl: "no-store" });
});
