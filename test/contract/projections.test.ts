import type { Cursor, Row } from "@tooltrail/core/follow/ports";
import { maxRowsPerCommit } from "@tooltrail/core/follow/ports";
import { maxRowBytes } from "@tooltrail/core/follow/row-limits";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";

describe.each(adapterSets)("projections on %s", (_, open) => {
  let ports: OpenPorts;
  beforeEach(async () => {
    ports = await open();
  });
  afterEach(() => ports.close());

  const at = (leaf: number, more: Partial<Cursor> = {}): Cursor => ({
    current: { number: 0, version: 1, leaf },
    ...more,
  });
  const row = (id: string, value: Row["value"] = { id }, collection = "tools"): Row => ({ collection, id, value });
  const commit = (
    from: Cursor | undefined,
    to: Cursor,
    rows: Row[],
    { projection = "inventory", generation = 0 } = {},
  ) => ports.projections.commit(projection, { from, to, generation, rows });
  const ids = (rows: readonly Row[]): string[] => rows.map(({ id }) => id);
  const list = (
    query: Omit<Parameters<OpenPorts["projections"]["list"]>[2], "collection" | "limit"> = {},
    limit = 10,
  ) => ports.projections.list("inventory", 0, { collection: "tools", limit, ...query });

  test("rows and cursor are committed together, and another process reads both", async () => {
    expect(await ports.projections.cursor("inventory")).toBeUndefined();
    const value = { count: 3, first: 1_800_000_000_000, names: ["ä", "\u{1f600}", '"'], nested: { a: null, b: true } };
    expect(await commit(undefined, at(5), [row("one", value), row("two", {}, "servers")])).toBe(true);
    ports = ports.reopen();
    expect(await ports.projections.cursor("inventory")).toEqual(at(5));
    const keys = [
      { collection: "servers", id: "two" },
      { collection: "tools", id: "none" },
      { collection: "tools", id: "one" },
      { collection: "servers", id: "two" },
    ];
    const two = row("two", {}, "servers");
    expect(await ports.projections.read("inventory", 0, keys)).toEqual([two, undefined, row("one", value), two]);
    expect(await ports.projections.read("inventory", 0, [])).toEqual([]);
  });

  test("a commit from anywhere but the cursor, as a whole, changes nothing", async () => {
    const next = { number: 1, version: 2, leaf: 0 };
    const there = at(5, { next, followed: { size: 7, root: "cm9vdA==" } });
    await commit(undefined, there, [row("one")]);
    const others = [undefined, at(5), at(5, { next }), { ...there, dropping: 3 }, { ...there, current: next }];
    for (const from of others) expect(await commit(from, at(9), [row("one", { changed: 1 }), row("new")])).toBe(false);
    expect(await ports.projections.cursor("inventory")).toEqual(there);
    expect(await list()).toEqual([row("one")]);
    const reordered = { followed: { root: "cm9vdA==", size: 7 }, next, current: there.current };
    expect(await commit(reordered, at(9), [])).toBe(true); // the same value, spelled in another order
  });

  test("of many followers at one place exactly one goes on, with all of its rows and none of the others'", async () => {
    let from: Cursor | undefined;
    for (let round = 0; round < 3; round += 1) {
      const rivals = Array.from({ length: 8 }, (_, n) => ({
        to: at(round * 100 + n + 1),
        rows: Array.from({ length: 20 }, (_, i) => row(`row ${i}`, { round, by: n })),
      }));
      const base = from;
      const answers = await Promise.all(rivals.map(({ to, rows }) => commit(base, to, rows).catch(() => false)));
      expect(answers.filter((answer) => answer)).toHaveLength(1);
      const winner = answers.indexOf(true);
      expect(await list({}, 50)).toEqual(rivals[winner]?.rows.sort((a, b) => (a.id < b.id ? -1 : 1)));
      from = rivals[winner]?.to;
      expect(await ports.projections.cursor("inventory")).toEqual(from);
    }
  });

  test("a row is replaced, and removed, whether it was there or not", async () => {
    await commit(undefined, at(1), [row("one"), row("two")]);
    const gone = (id: string) => ({ collection: "tools", id, value: undefined });
    const rows = [gone("one"), gone("never"), row("two", { again: 1 })];
    await ports.projections.commit("inventory", { from: at(1), to: at(2), generation: 0, rows });
    expect(await list()).toEqual([row("two", { again: 1 })]);
  });

  test("rows are listed by id, upwards after one, or downwards from one on, as many as asked", async () => {
    const all = ["a", "a#", "a#b", "ab", "b", "z", "é", "\uffee", "\u{1f600}"];
    await commit(
      undefined,
      at(1),
      [...all].reverse().map((id) => row(id)),
    );
    await commit(at(1), at(2), [row("a", {}, "tools#"), row("b", {}, "tool"), row("c", {}, "servers")]);
    expect(ids(await list())).toEqual(all);
    expect(ids(await list({}, 3))).toEqual(all.slice(0, 3));
    expect(ids(await list({ newestFirst: true }))).toEqual([...all].reverse());
    expect(ids(await list({ newestFirst: true }, 2))).toEqual(["\u{1f600}", "\uffee"]);
    for (const [i, id] of all.entries()) {
      expect(ids(await list({ after: id }))).toEqual(all.slice(i + 1));
      expect(ids(await list({ upTo: id, newestFirst: true }))).toEqual(all.slice(0, i + 1).reverse());
    }
    expect(ids(await list({ after: "" }))).toEqual(all);
    expect(ids(await list({ after: "aa" }, 1))).toEqual(["ab"]);
    expect(ids(await list({ after: "b".repeat(5_000) }, 1))).toEqual(["z"]);
    expect(ids(await list({ upTo: "b".repeat(5_000), newestFirst: true }, 1))).toEqual(["b"]);
    expect(ids(await list({ upTo: "A", newestFirst: true }))).toEqual([]);
    expect(await ports.projections.list("inventory", 0, { collection: "none", limit: 5 })).toEqual([]);
  });

  test("a long collection is listed whole", async () => {
    const value = { text: "x".repeat(20_000) }; // more than one page of DynamoDB's
    let from: Cursor | undefined;
    for (let n = 0; n < 90; n += 30) {
      const rows = Array.from({ length: 30 }, (_, i) => row(String(n + i).padStart(3, "0"), value));
      await commit(from, at(n + 30), rows);
      from = at(n + 30);
    }
    expect(ids(await list({}, 85))).toEqual(Array.from({ length: 85 }, (_, n) => String(n).padStart(3, "0")));
    expect(await list({ newestFirst: true }, 1_000)).toHaveLength(90);
  });

  test("projections and generations know nothing of each other, and one that is dropped takes no other along", async () => {
    const collections = Array.from({ length: 60 }, (_, n) => row("same", { n }, `collection ${n}`));
    await commit(undefined, at(1), collections);
    await commit(undefined, at(1), [row("same", { other: 1 })], { projection: "emitters" });
    await commit(at(1), at(2), [row("same", { newer: 1 })], { generation: 1 });
    await commit(at(2), at(3), [row("same", { newer: 2 })], { generation: 10 });
    await ports.projections.drop("inventory", 0);
    await ports.projections.drop("inventory", 0);
    expect((await ports.projections.read("inventory", 0, collections)).filter(Boolean)).toEqual([]);
    const values = async (projection: string, generation: number) =>
      (await ports.projections.list(projection, generation, { collection: "tools", limit: 5 })).map(
        ({ value }) => value,
      );
    expect(await values("inventory", 1)).toEqual([{ newer: 1 }]);
    expect(await values("inventory", 10)).toEqual([{ newer: 2 }]);
    expect(await values("emitters", 0)).toEqual([{ other: 1 }]);
    expect(await ports.projections.cursor("inventory")).toEqual(at(3));
    await ports.projections.drop("nobody", 7);
  });

  test("a commit takes as many rows as it says, of the largest keys, and no more", async () => {
    const rows = Array.from({ length: maxRowsPerCommit }, (_, n) =>
      row(String(n).padStart(3, "0").padEnd(1_000, "é".repeat(500)).slice(0, 501), { n }, "c".repeat(1_000)),
    );
    expect(await commit(undefined, at(1), rows)).toBe(true);
    const found = await ports.projections.list("inventory", 0, { collection: "c".repeat(1_000), limit: 200 });
    expect(found).toEqual(rows);
    expect(await ports.projections.read("inventory", 0, rows)).toEqual(rows);
    const refused = { code: "invalid", outcome: "not-applied" };
    await expect(commit(at(1), at(2), [...rows, row("one more")])).rejects.toMatchObject(refused);
  });

  test.each([
    ["too large", [row("large", { text: "x".repeat(maxRowBytes) })], /\["tools","large"\]: its value has \d+ bytes/],
    ["there twice", [row("one"), row("one", { other: 1 })], /\["tools","one"\] is in one commit twice/],
    ["without an id", [row("")], /its id must be a text of 1 to 1000 bytes/],
    ["called too long", [row("é".repeat(501))], /its id must be/],
    ["called by half a character", [row("\ud800")], /its id must be/],
    ["in no collection", [row("one", {}, "")], /its collection must be/],
  ])("a row that is %s is refused by its name, and the whole commit with it", async (_case, rows, message) => {
    const refused = { code: "invalid", outcome: "not-applied", message: expect.stringMatching(message) };
    await expect(commit(undefined, at(1), [row("good"), ...rows])).rejects.toMatchObject(refused);
    expect(await ports.projections.cursor("inventory")).toBeUndefined();
    expect(await list()).toEqual([]);
  });
});
