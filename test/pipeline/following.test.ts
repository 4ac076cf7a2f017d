import { continuity, type EmitterRow, emitters } from "@tooltrail/core/follow/continuity";
import { type FollowPorts, follow } from "@tooltrail/core/follow/follow";
import { inventory, inventoryLists } from "@tooltrail/core/follow/inventory";
import { maxRowsPerCommit, type Projections } from "@tooltrail/core/follow/ports";
import { readPostings } from "@tooltrail/core/follow/postings";
import type { Projection } from "@tooltrail/core/follow/projection";
import { projections as all } from "@tooltrail/core/follow/projections";
import { startRebuild } from "@tooltrail/core/follow/rebuild";
import { keyPart } from "@tooltrail/core/follow/row-id";
import { haltEvent } from "@tooltrail/core/log/halt";
import type { StoredBatch } from "@tooltrail/core/ports";
import { describe, expect, test } from "vitest";
import { aCall } from "../support/batches.ts";
import { aFleet, aSignedBatch, start } from "../support/fleets.ts";
import {
  aLog,
  faults,
  faultyAt,
  followAll,
  interleaved,
  memoryProjections,
  projectionStores,
} from "../support/followed.ts";
import { countedAtOnce, countedInRows, missingAtOnce, postedAtOnce, rowsOf } from "../support/recomputed.ts";

/** What the rows of all projections say, in the words of a recomputation. */
async function said(projections: Projections, batches: readonly StoredBatch[]) {
  const rows = Object.values((await rowsOf(projections, continuity.name, [emitters]))[emitters] ?? {}) as EmitterRow[];
  const postings = readPostings(projections);
  const posted: { [term: string]: string[] } = {};
  for (const term of Object.keys(postedAtOnce(batches))) {
    const [kind = "", ...words] = term.split(" ");
    const found = await postings.newest({ [kind]: words.join(" ") } as { tool: string }, { limit: 10_000 });
    posted[term] = found.map(({ emitter, seq }) => `${emitter} ${seq}`).sort();
  }
  return {
    inventory: countedInRows(await rowsOf(projections, inventory.name, inventoryLists)),
    missing: Object.fromEntries(
      rows.map(({ emitter, batches: count, missing }) => [
        `${emitter}: ${count}`,
        missing.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
      ]),
    ),
    posted,
  };
}

const due = (batches: readonly StoredBatch[]) => ({
  inventory: countedAtOnce(batches),
  missing: missingAtOnce(batches),
  posted: postedAtOnce(batches),
});

async function aFollowedLog(batches: readonly StoredBatch[], projections = memoryProjections()) {
  const log = aLog();
  await log.append(batches);
  const ports: FollowPorts = { ...log, projections };
  return { log, ports };
}

/** Counts commits; `version` is what its rows say, so that a test sees whose they are. */
const counter = (version: number): Projection => ({
  name: "counter",
  version,
  rowsOf: () => [{ collection: "count", id: "all" }],
  fold: ([value]) => [{ count: Number(value?.count ?? 0) + 1, version }],
});
const counted = async (projections: Projections) =>
  Object.values((await rowsOf(projections, "counter", ["count"])).count ?? {})[0];

describe.each(projectionStores)("following on %s", (_, open) => {
  test.each([1, 2, 3])(
    "rows are what a recomputation from scratch gives, however the log grew (seed %i)",
    async (seed) => {
      const { projections, close } = await open();
      const batches = await aFleet(seed, 60);
      const log = aLog();
      const ports = { ...log, projections };
      for (let from = 0; from < batches.length; from += 7 + seed) {
        await log.append(batches.slice(from, from + 7 + seed));
        await follow(ports, all, 1 + seed); // often not all of it: the next call goes on
      }
      const progress = await followAll(ports, all);
      expect(progress.map(({ behind }) => behind)).toEqual([0, 0, 0, 0]);
      expect(Object.keys(due(batches).posted).length).toBeGreaterThan(8);
      expect(await said(projections, batches)).toEqual(due(batches));
      await close();
    },
  );

  test("a commit ends inside a batch where its rows would not fit", async () => {
    const { projections, close } = await open();
    const records = Array.from({ length: 400 }, (_, i) => aCall({ at: start + i, tool: `tool-${i}` }));
    const batch = await aSignedBatch({ records });
    const { ports } = await aFollowedLog([batch], projections);
    const sizes: number[] = [];
    const counting: Projections = {
      ...projections,
      commit: (name, change) => {
        sizes.push(change.rows.length);
        return projections.commit(name, change);
      },
    };
    await followAll({ ...ports, projections: counting }, all);
    expect(Math.max(...sizes)).toBe(maxRowsPerCommit);
    expect(await said(projections, [batch])).toEqual(due([batch]));
    await close();
  });

  test("a commit takes fewer leaves where their rows have more bytes than a store takes at once", async () => {
    const { projections, close } = await open();
    const large = (i: number): string => `${i}`.repeat(300_000).slice(0, 300_000);
    const wide: Projection = {
      name: "wide",
      version: 1,
      rowsOf: ({ number }) => [{ collection: "rows", id: `${number}` }],
      fold: (_, { number }) => [{ text: large(number) }],
    };
    const batch = await aSignedBatch({ records: Array.from({ length: 40 }, (_, i) => aCall({ at: start + i })) });
    const { ports } = await aFollowedLog([batch], projections);
    await followAll(ports, [wide]);
    const rows = Object.entries((await rowsOf(projections, "wide", ["rows"])).rows ?? {});
    expect(rows.length).toBe(40);
    expect(rows.every(([id, value]) => (value as { text: string }).text === large(Number(id)))).toBe(true);
    await close();
  });

  test("a projection is made anew while it is followed, and read all the while", async () => {
    const { projections, close } = await open();
    const batches = await aFleet(5, 40);
    const { log, ports } = await aFollowedLog(batches.slice(0, 20), projections);
    await followAll(ports, all);
    const before = await said(projections, batches.slice(0, 20));
    expect(await startRebuild(projections, inventory)).toMatchObject({ number: 2, leaf: 0 });
    expect(await startRebuild(projections, inventory)).toMatchObject({ number: 2 }); // asked twice is asked once
    await follow(ports, all, 1);
    expect(await said(projections, batches.slice(0, 20))).toEqual(before);
    await log.append(batches.slice(20));
    await followAll(ports, all);
    expect(await said(projections, batches)).toEqual(due(batches));
    const cursor = await projections.cursor(inventory.name);
    expect([cursor?.current.number, cursor?.next, cursor?.dropping]).toEqual([2, undefined, undefined]);
    expect(await rowsOf(projections, inventory.name, inventoryLists, 1)).toEqual({});
    await close();
  });

  test("what is made anew catches up while leaves arrive all the time", async () => {
    const { projections, close } = await open();
    const batches = await aFleet(6, 120);
    const { log, ports } = await aFollowedLog(batches.slice(0, 60), projections);
    await followAll(ports, all);
    for (const projection of all) await startRebuild(projections, projection);
    let taken = 60;
    const isBuilding = async () =>
      (await Promise.all(all.map(({ name }) => projections.cursor(name)))).some((cursor) => cursor?.next);
    while (await isBuilding()) {
      expect(taken).toBeLessThan(batches.length);
      await log.append(batches.slice(taken, taken + 2));
      taken += 2;
      await follow(ports, all, 1); // one commit of each generation: nothing is caught up between two arrivals
    }
    expect(taken).toBeGreaterThan(64);
    await followAll(ports, all);
    expect(await said(projections, batches.slice(0, taken))).toEqual(due(batches.slice(0, taken)));
    await close();
  });

  test("new code makes its rows beside the old ones, and old code keeps its hands off them", async () => {
    const { projections, close } = await open();
    const batches = await Promise.all(Array.from({ length: 30 }, (_, seq) => aSignedBatch({ seq })));
    const { log, ports } = await aFollowedLog(batches.slice(0, 10), projections);
    await followAll(ports, [counter(1)]);
    await log.append(batches.slice(10));
    await follow(ports, [counter(2)], 1);
    expect(await counted(projections)).toEqual({ count: 10, version: 1 });
    await followAll(ports, [counter(2)]);
    expect(await counted(projections)).toEqual({ count: 30, version: 2 });
    const [old] = await followAll(ports, [counter(1)]);
    expect(old).toMatchObject({ more: false });
    expect(await counted(projections)).toEqual({ count: 30, version: 2 });
    // Going back to the old code is for a person to decide.
    await startRebuild(projections, counter(1));
    await followAll(ports, [counter(1)]);
    expect(await counted(projections)).toEqual({ count: 30, version: 1 });
    await close();
  });
});

test("names that are cut short for a key, and names that look like it, have rows of their own", async () => {
  const long = "a".repeat(250);
  const tools = [long, keyPart(long), "a~b", "a%7Eb", "a/b", `${long}b`];
  const batch = await aSignedBatch({ records: tools.map((tool) => aCall({ at: start, tool })) });
  const { ports } = await aFollowedLog([batch]);
  await followAll(ports, all);
  expect(new Set(tools.map(keyPart)).size).toBe(tools.length);
  expect(await said(ports.projections, [batch])).toEqual(due([batch]));
});

describe("whatever goes wrong", () => {
  test("each call of each port, failed or killed before or after it did something: every leaf counts once", async () => {
    const batches = await aFleet(11, 50);
    const log = aLog();
    await log.append(batches);
    const whole = async (projections: Projections, ports: FollowPorts = { ...log, projections }) => {
      await follow(ports, all, 2);
      await startRebuild(ports.projections, inventory);
      await followAll(ports, all);
    };
    const rehearsal = faultyAt({ ...log, projections: memoryProjections() }, Number.POSITIVE_INFINITY, "failed");
    await whole(rehearsal.projections, rehearsal);
    const calls = rehearsal.calls.made;
    const expected = due(batches);
    let tried = 0;
    for (let n = 0; n < calls; n += 1)
      for (const fault of faults) {
        const projections = memoryProjections();
        const ports = faultyAt({ ...log, projections }, n, fault);
        await expect(whole(ports.projections, ports), `${n} ${fault}`).rejects.toMatchObject({ code: "unavailable" });
        await whole(projections);
        expect(await said(projections, batches), `${n} ${fault}`).toEqual(expected);
        tried += 1;
      }
    expect(tried).toBeGreaterThan(100);
    process.stderr.write(`following: ${tried} faults tried\n`);
  });

  test("followers that race, fail and begin again count each leaf once", { timeout: 120_000 }, async () => {
    const batches = await aFleet(12, 14);
    const log = aLog();
    const expected = due(batches);
    await log.append(batches);
    for (let seed = 0; seed < 60; seed += 1) {
      const projections = memoryProjections();
      const ports = { ...log, projections };
      const one = (some: FollowPorts) => follow(some, all, 3);
      const rebuilding = (some: FollowPorts) => startRebuild(some.projections, inventory).catch(() => undefined);
      await interleaved(seed, ports, [one, one, one, rebuilding], { failing: seed % 3 === 0 ? 0 : 0.1, lives: 4 });
      await followAll(ports, all);
      expect(await said(projections, batches), `seed ${seed}`).toEqual(expected);
    }
  });

  test("one projection that fails does not hold up the others", async () => {
    const batches = await aFleet(13, 6);
    const { ports } = await aFollowedLog(batches);
    const broken: Projection = {
      ...counter(1),
      fold: () => {
        throw new Error("cannot count");
      },
    };
    await expect(follow(ports, [broken, ...all], 50)).rejects.toThrow("cannot count");
    expect(await said(ports.projections, batches)).toEqual(due(batches));
    expect(await ports.projections.cursor("counter")).toBeUndefined();
  });
});

describe("a log that is not what was signed", () => {
  const halted = { code: "halted" };

  test.each(["altered", "flipped", "cut", "gone", "another's"])(
    "a bundle that is %s stops the follower, counts untouched",
    async (how) => {
      const batches = await Promise.all(Array.from({ length: 300 }, (_, seq) => aSignedBatch({ seq })));
      const { log, ports } = await aFollowedLog(batches);
      await followAll(ports, [counter(1)], 1).catch(() => undefined);
      const name = "tile/entries/001.p/44";
      const bytes = log.objects.get(name) as Uint8Array;
      const spoilt = Uint8Array.from(bytes);
      spoilt[40] = (spoilt[40] ?? 0) ^ 1;
      // Still a leaf, and a sound one: only the tree tells that it is another.
      const other = Buffer.from(bytes).toString("latin1").replace('"tool":"echo"', '"tool":"ohce"');
      if (how === "altered") log.objects.set(name, new Uint8Array(Buffer.from(other, "latin1")));
      if (how === "flipped") log.objects.set(name, spoilt);
      if (how === "cut") log.objects.set(name, bytes.subarray(0, -1));
      if (how === "gone") log.objects.delete(name);
      if (how === "another's")
        log.objects.set(name, (log.objects.get("tile/entries/000") as Uint8Array).subarray(0, bytes.length));
      const projections = memoryProjections();
      await expect(followAll({ ...ports, projections }, [counter(1)])).rejects.toMatchObject({
        ...halted,
        message: expect.stringContaining("tile/"),
      });
      const before = [await projections.cursor("counter"), await counted(projections)];
      await expect(followAll({ ...ports, projections }, [counter(1)])).rejects.toMatchObject(halted);
      expect([await projections.cursor("counter"), await counted(projections)]).toEqual(before);
      log.objects.set(name, bytes);
      await followAll({ ...ports, projections }, [counter(1)]);
      expect(await counted(projections)).toEqual({ count: 300, version: 1 });
    },
  );

  test("a log that was rolled back, forked, emptied or signed by somebody else is not followed", async () => {
    const batches = await Promise.all(Array.from({ length: 40 }, (_, seq) => aSignedBatch({ seq })));
    const { log, ports } = await aFollowedLog(batches.slice(0, 20));
    await followAll(ports, [counter(1)]);
    const before = await counted(ports.projections);

    const other = async (some: readonly StoredBatch[], key = log.key) => {
      const made = aLog(key);
      if (some.length > 0) await made.append(some);
      return { ...ports, blobs: made.blobs, checkpoints: made.checkpoints };
    };
    const shorter = await other(batches.slice(0, 10));
    const forked = await other([...batches.slice(1, 20), ...batches.slice(20, 30)]);
    const same = await other([...batches.slice(1, 20), await aSignedBatch({ seq: 99 })]);
    const empty = await other([]);
    const theirs = await other(batches, aLog().key);
    for (const lying of [shorter, forked, same, empty, theirs])
      expect(haltEvent(await follow(lying, [counter(1)], 10).catch((error: unknown) => error))).toMatchObject({
        what: "log_diverged",
      });
    expect(await counted(ports.projections)).toEqual(before);

    await log.append(batches.slice(20));
    await followAll(ports, [counter(1)]);
    expect(await counted(ports.projections)).toEqual({ count: 40, version: 1 });
  });

  test("nothing is followed before the first checkpoint", async () => {
    expect(await follow({ ...aLog(), projections: memoryProjections() }, all, 5)).toEqual(
      all.map(({ name }) => ({ projection: name, leaf: 0, behind: 0, more: false })),
    );
  });
});
