import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grownTree, someEntries } from "../../../../test/support/grown-tree.ts";
import {
  consistencyProof,
  emptyRoot,
  grow,
  hashLeaf,
  hashNode,
  inclusionProof,
  LogFormatError,
  type ReadTile,
  rootOf,
  tilesOf,
  verifyConsistency,
  verifyInclusion,
} from "./index.ts";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** RFC 6962, 2.1, word for word and slow: what the tiles are held to. */
const naive = {
  sha256: (...parts: Uint8Array[]) => parts.reduce((h, part) => h.update(part), createHash("sha256")).digest(),
  root(entries: readonly Uint8Array[]): Uint8Array {
    const [first] = entries;
    if (first === undefined) return naive.sha256();
    if (entries.length === 1) return naive.sha256(Uint8Array.of(0), first);
    const cut = naive.cut(entries.length);
    return naive.sha256(Uint8Array.of(1), naive.root(entries.slice(0, cut)), naive.root(entries.slice(cut)));
  },
  cut: (count: number): number => [...Array(31).keys()].map((bit) => 2 ** bit).findLast((power) => power < count) ?? 0,
  path(index: number, entries: readonly Uint8Array[]): Uint8Array[] {
    if (entries.length === 1) return [];
    const cut = naive.cut(entries.length);
    const [left, right] = [entries.slice(0, cut), entries.slice(cut)];
    return index < cut
      ? [...naive.path(index, left), naive.root(right)]
      : [...naive.path(index - cut, right), naive.root(left)];
  },
  between(old: number, entries: readonly Uint8Array[], whole = true): Uint8Array[] {
    if (old === entries.length) return whole ? [] : [naive.root(entries)];
    const cut = naive.cut(entries.length);
    const [left, right] = [entries.slice(0, cut), entries.slice(cut)];
    return old <= cut
      ? [...naive.between(old, left, whole), naive.root(right)]
      : [...naive.between(old - cut, right, false), naive.root(left)];
  },
};

/** Those of the Certificate Transparency reference implementation, which every other one is tested on. */
describe("published vectors", () => {
  const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
  const entries = inputs.map(fromHex);
  const roots = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ];
  const [, one = "", two = "", , four = ""] = roots;
  const b = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
  const cd = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
  const efgh = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
  const e = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
  const gh = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
  const ef = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

  test.each(roots.map((root, size) => ({ size, root })))("the root of $size leaves", async ({ size, root }) => {
    const tree = await grownTree(entries.slice(0, size));
    expect(hexOf(tree.root)).toBe(root);
    expect(hexOf(await rootOf(size, tree.read))).toBe(root);
  });

  test.each([
    { index: 0, size: 1, proof: [] },
    { index: 0, size: 8, proof: [b, cd, efgh] },
    { index: 5, size: 8, proof: [e, gh, four] },
    { index: 2, size: 3, proof: [two] },
    { index: 1, size: 5, proof: [one, cd, e] },
  ])("the path of leaf $index of $size", async ({ index, size, proof }) => {
    const { read } = await grownTree(entries.slice(0, size));
    expect((await inclusionProof(index, size, read)).map(hexOf)).toEqual(proof);
    const leaf = hashLeaf(entries[index] as Uint8Array);
    const root = fromHex(roots[size] as string);
    expect(verifyInclusion({ index, size, root, leaf, proof: proof.map(fromHex) })).toBe(true);
  });

  test.each([
    { oldSize: 1, size: 1, proof: [] },
    { oldSize: 1, size: 8, proof: [b, cd, efgh] },
    { oldSize: 6, size: 8, proof: [ef, gh, four] },
    { oldSize: 2, size: 5, proof: [cd, e] },
  ])("the proof from $oldSize to $size", async ({ oldSize, size, proof }) => {
    const { read } = await grownTree(entries.slice(0, size));
    expect((await consistencyProof(oldSize, size, read)).map(hexOf)).toEqual(proof);
    const [oldRoot, root] = [roots[oldSize], roots[size]].map((text) => fromHex(text as string)) as [Hash, Hash];
    expect(verifyConsistency({ oldSize, oldRoot, size, root, proof: proof.map(fromHex) })).toBe(true);
  });
});

type Hash = Uint8Array;

describe("a tree in tiles is RFC 6962's", () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 200, max: 1_100 }),
    fc.constantFrom(256, 512),
  );

  test("its root, its paths, and what leads from an older root to it", async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.nat(), fc.nat(), async (count, place, earlier) => {
        const entries = someEntries(count);
        const { root, read } = await grownTree(entries);
        expect(hexOf(root)).toBe(hexOf(naive.root(entries)));

        const index = place % count;
        const proof = await inclusionProof(index, count, read);
        expect(proof.map(hexOf)).toEqual(naive.path(index, entries).map(hexOf));
        const leaf = hashLeaf(entries[index] as Uint8Array);
        expect(verifyInclusion({ index, size: count, root, leaf, proof })).toBe(true);

        const oldSize = 1 + (earlier % count);
        const oldRoot = naive.root(entries.slice(0, oldSize));
        const between = await consistencyProof(oldSize, count, read);
        expect(between.map(hexOf)).toEqual(naive.between(oldSize, entries).map(hexOf));
        expect(verifyConsistency({ oldSize, oldRoot, size: count, root, proof: between })).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("every leaf and every pair of sizes of a small one, and no other claim with the same proof", async () => {
    const entries = someEntries(33);
    const { read } = await grownTree(entries);
    for (let n = 1; n <= entries.length; n += 1) {
      const root = await naive.root(entries.slice(0, n));
      for (let m = 0; m < n; m += 1) {
        const leaf = hashLeaf(entries[m] as Uint8Array);
        const path = await inclusionProof(m, n, await readOf(entries, n));
        expect(verifyInclusion({ index: m, size: n, root, leaf, proof: path })).toBe(true);
        expect(verifyInclusion({ index: (m + 1) % n, size: n, root, leaf, proof: path })).toBe(n === 1);
        expect(verifyInclusion({ index: m, size: n, root, leaf: hashLeaf(root), proof: path })).toBe(false);
        expect(verifyInclusion({ index: m, size: n, root, leaf, proof: [...path, leaf] })).toBe(false);
        expect(verifyInclusion({ index: m, size: n, root, leaf, proof: path.slice(1) })).toBe(path.length === 0);

        const oldRoot = naive.root(entries.slice(0, m));
        const proof = await consistencyProof(m, n, await readOf(entries, n));
        expect(verifyConsistency({ oldSize: m, oldRoot, size: n, root, proof })).toBe(true);
        expect(verifyConsistency({ oldSize: m, oldRoot: root, size: n, root, proof })).toBe(false);
        expect(verifyConsistency({ oldSize: m, oldRoot, size: n, root, proof: [...proof, root] })).toBe(false);
        if (m > 0) {
          const other = verifyConsistency({ oldSize: m, oldRoot, size: n, root: oldRoot, proof });
          expect(other).toBe(false);
          expect(verifyConsistency({ oldSize: m, oldRoot, size: n, root, proof: proof.slice(1) })).toBe(false);
        }
      }
    }
    expect(hexOf(await rootOf(33, read))).toBe(hexOf(naive.root(entries)));
  });

  test("a proof with any bit turned is refused", async () => {
    const entries = someEntries(300);
    const { root, read, size } = await grownTree(entries);
    const proof = await inclusionProof(150, size, read);
    const between = await consistencyProof(150, size, read);
    const leaf = hashLeaf(entries[150] as Uint8Array);
    const oldRoot = naive.root(entries.slice(0, 150));
    let tried = 0;
    for (const [at, hash] of proof.entries()) {
      for (const turned of everyBitTurned(hash)) {
        tried += 1;
        expect(verifyInclusion({ index: 150, size, root, leaf, proof: proof.with(at, turned) })).toBe(false);
      }
    }
    for (const [at, hash] of between.entries()) {
      for (const turned of everyBitTurned(hash)) {
        tried += 1;
        expect(verifyConsistency({ oldSize: 150, oldRoot, size, root, proof: between.with(at, turned) })).toBe(false);
      }
    }
    expect(tried).toBe((proof.length + between.length) * 256);
  });

  test("a claim that makes no sense is not proven", () => {
    const leaf = hashLeaf(new Uint8Array(0));
    const claim = { index: 0, size: 1, root: leaf, leaf, proof: [] };
    expect(verifyInclusion(claim)).toBe(true);
    for (const more of [
      { index: 1 },
      { index: -1 },
      { index: 0.5 },
      { size: 0 },
      { size: 2 ** 53 },
      { size: Number.NaN },
    ])
      expect(verifyInclusion({ ...claim, ...more })).toBe(false);
    const short = leaf.subarray(1);
    expect(verifyInclusion({ ...claim, leaf: short, root: short })).toBe(false);
    const same = { oldSize: 1, oldRoot: leaf, size: 1, root: leaf, proof: [] };
    expect(verifyConsistency(same)).toBe(true);
    for (const more of [{ oldSize: 2 }, { oldSize: 0 }, { oldSize: -1 }, { size: 1.5 }, { root: emptyRoot }])
      expect(verifyConsistency({ ...same, ...more })).toBe(false);
    expect(verifyConsistency({ oldSize: 0, oldRoot: emptyRoot, size: 0, root: leaf, proof: [] })).toBe(false);
    expect(verifyConsistency({ oldSize: 0, oldRoot: leaf, size: 0, root: leaf, proof: [] })).toBe(false);
  });

  test("in steps or at once, the same tiles are written, and none twice with other bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 6 }), async (steps) => {
        const entries = someEntries(steps.reduce((sum, step) => sum + step, 0));
        const inSteps = await grownTree(entries, steps);
        const atOnce = await grownTree(entries);
        expect(hexOf(inSteps.root)).toBe(hexOf(naive.root(entries)));
        expect([...tilesOf(entries.length)]).toEqual([...tilesOf(atOnce.size)]);
        for (const [name, bytes] of atOnce.objects) expect(inSteps.objects.get(name), name).toEqual(bytes);
      }),
      { numRuns: 25 },
    );
  });

  test("what is written twice has the same bytes", async () => {
    const entries = someEntries(600);
    const { objects, read } = await grownTree(entries, [100, 0, 156, 1, 255]);
    for (const size of [100, 256, 257, 512]) {
      const grown = await grow(size, read, entries.slice(size).map(hashLeaf));
      expect(grown.size).toBe(600);
      for (const { tile, bytes } of grown.tiles)
        if (tile.level === 0)
          expect(bytes).toEqual(objects.get(`tile/0/00${tile.index}${tile.width < 256 ? ".p/88" : ""}`));
    }
  });
});

const readOf = async (entries: readonly Uint8Array[], size: number): Promise<ReadTile> =>
  (await grownTree(entries.slice(0, size))).read;

function* everyBitTurned(hash: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < hash.length * 8; bit += 1) {
    const turned = hash.slice();
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield turned;
  }
}

describe("a tree up to 2^53-1 leaves", () => {
  /** All leaves are the same, so that a subtree's hash depends on its height alone, and any tile can be made at once. */
  const leaf = hashLeaf(new Uint8Array(0));
  const byHeight = [leaf];
  for (let height = 0; height < 56; height += 1)
    byHeight.push(hashNode(byHeight.at(-1) as Hash, byHeight.at(-1) as Hash));
  const read: ReadTile = async ({ level, width }) => {
    const bytes = new Uint8Array(width * 32);
    for (let at = 0; at < width; at += 1) bytes.set(byHeight[8 * (level as number)] as Hash, at * 32);
    return bytes;
  };

  test.each([2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 12_345, 2 ** 53 - 1])("%d leaves", async (size) => {
    const root = await rootOf(size, read);
    for (const index of [0, 2 ** 31, size - 2, size - 1]) {
      const proof = await inclusionProof(index, size, read);
      expect(verifyInclusion({ index, size, root, leaf, proof })).toBe(true);
    }
    for (const oldSize of [1, 2 ** 31 + 1, size - 1]) {
      const oldRoot = await rootOf(oldSize, read);
      const proof = await consistencyProof(oldSize, size, read);
      expect(verifyConsistency({ oldSize, oldRoot, size, root, proof })).toBe(true);
      expect(verifyConsistency({ oldSize, oldRoot: root, size, root, proof })).toBe(false);
    }
    const grown = await grow(size - 3, read, [leaf, leaf, leaf]);
    expect(hexOf(grown.root)).toBe(hexOf(root));
  });

  test("not one more", async () => {
    await expect(rootOf(2 ** 53, read)).rejects.toThrow(LogFormatError);
    await expect(grow(2 ** 53 - 1, read, [leaf])).rejects.toThrow(LogFormatError);
    await expect(inclusionProof(5, 5, read)).rejects.toThrow(/index: 5 is not in a tree of 5/);
    await expect(consistencyProof(6, 5, read)).rejects.toThrow(/oldSize: 6 is larger than 5/);
  });
});
