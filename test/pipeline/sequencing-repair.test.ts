import { AppError } from "@tooltrail/core/errors";
import { haltEvent } from "@tooltrail/core/log/halt";
import { sweepStaged } from "@tooltrail/core/log/head";
import type { Head, Promised } from "@tooltrail/core/log/ports";
import { rebuild } from "@tooltrail/core/log/rebuild";
import { reconcile, reconcileAll } from "@tooltrail/core/log/reconcile";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import type { ListedBatch, StoredBatch } from "@tooltrail/core/ports";
import { verifierKey } from "@tooltrail/format/log";
import { beforeAll, describe, expect, test } from "vitest";
import {
  aSigningKey,
  contradictionsOf,
  faultyAt,
  inNewProcess,
  type LogPorts,
  memoryLog,
  never,
  problemsOf,
  restore,
} from "../support/log-faults.ts";
import { aMemoryLog, batchesOf, nowMs, origin } from "../support/log-stores.ts";
import { randomFrom } from "../support/pieces.ts";

const halted = { code: "halted", retryable: false };
const thrownBy = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A ledger as far as reconcile and rebuild ask, which lists in no order of time, page by page. */
const ledgerOf = (batches: readonly StoredBatch[], pageSize = 500) => {
  const positions = batches
    .map(({ headers: { lastAt, emitter, seq, server } }): ListedBatch => ({ lastAt, emitter, seq, server: server.id }))
    .sort((a, b) => (a.emitter < b.emitter ? 1 : a.emitter > b.emitter ? -1 : b.seq - a.seq));
  return {
    read: async (emitter: string, seq: number) =>
      batches.find(({ headers }) => headers.emitter === emitter && headers.seq === seq),
    async positions({ sinceMs, cursor = "0" }: { sinceMs: number; cursor?: string }) {
      const end = Number(cursor) + pageSize;
      const page = positions.slice(Number(cursor), end).filter(({ lastAt }) => lastAt >= sinceMs);
      return { positions: page, ...(end < positions.length && { next: String(end) }) };
    },
  };
};

const rebuilder = (ports: LogPorts, batches: readonly StoredBatch[]) => ({
  ...inNewProcess(ports),
  ledger: ledgerOf(batches),
  keys: ports.keys.map(({ publicKey }) => verifierKey(origin, publicKey)),
});

let batches: StoredBatch[];
beforeAll(async () => {
  batches = await batchesOf([100, 90, 80, 1, 250, 7]); // 528 leaves
});
const later = nowMs + 86_400_000;
const some = (from: number, to?: number): StoredBatch[] => batches.slice(from, to);
const headOf = async (ports: LogPorts): Promise<Head> => (await ports.head.read())?.value ?? { size: 0 };

describe("a head that is older than the log", () => {
  test.each([
    ["before a partial", 1, 2],
    ["before a full tile", 2, 5],
    ["at nothing at all", 0, 3],
    ["within one bundle", 3, 4],
  ])("stops the sequencer: %s", async (_, then, now) => {
    const { ports, objects } = aMemoryLog();
    await sequence(ports, some(0, then));
    const old = await headOf(ports);
    await sequence(ports, some(then, now));
    await restore(ports.head, old);
    const before = new Map(objects);
    const error = await thrownBy(sequence(inNewProcess(ports), some(now)));
    expect(error).toMatchObject(halted);
    expect(haltEvent(error)).toMatchObject({ type: "integrity.conflict", what: "log_diverged", object: "head" });
    expect(objects).toEqual(before);
    expect(await headOf(ports)).toEqual(old);
  });

  test("stops it where no object but the checkpoint tells", async () => {
    const { ports, objects } = aMemoryLog();
    await sequence(ports, some(0, 1));
    await sign(ports, nowMs);
    await restore(ports.head, { size: 0 });
    objects.clear();
    expect(await thrownBy(sequence(inNewProcess(ports), some(1)))).toMatchObject(halted);
  });

  test.each(["settled", "staged"] as const)(
    "stops a process that has put this very head in place itself: %s",
    async (kind) => {
      const { ports } = aMemoryLog();
      const heads: Head[] = [];
      // As on S3: what is staged is still there when its commit has long been in place.
      const warm: LogPorts = {
        ...ports,
        blobs: { ...ports.blobs, retire: async () => undefined },
        head: {
          ...ports.head,
          async write(value, expected) {
            heads.push(value);
            return ports.head.write(value, expected);
          },
        },
      };
      await sequence(warm, some(0, 1));
      const before = heads.find(({ staged }) => (staged !== undefined) === (kind === "staged"));
      await sequence(inNewProcess(warm), some(1, 2));
      await restore(ports.head, before as Head);
      expect(await thrownBy(sequence(warm, some(2, 3)))).toMatchObject(halted);
      expect(await headOf(ports)).toEqual({ size: 100 });
      expect(await rebuild(rebuilder(warm, batches))).toMatchObject({ size: 190, lost: 0 });
      await sequence(warm, batches);
      expect(await problemsOf(warm, batches)).toEqual([]);
    },
  );

  test("is not mistaken for one that others have just moved on", async () => {
    const { ports } = aMemoryLog();
    await sequence(ports, some(0, 1));
    const slow = inNewProcess(ports);
    const list = slow.blobs.list;
    let first = true;
    const late = {
      ...slow,
      blobs: {
        ...slow.blobs,
        async list(prefix: string) {
          if (first) await sequence(inNewProcess(ports), some(1, 4));
          first = false;
          return list(prefix);
        },
      },
    };
    expect(await sequence(late, some(4))).toMatchObject({ size: 528 });
    expect(await problemsOf(ports, batches)).toEqual([]);
  });

  test.each([0, 1, 2, 3])(
    "is rebuilt from the objects, signed and unsigned, with %i commits signed",
    async (signedCommits) => {
      for (let restoredTo = 0; restoredTo <= 4; restoredTo += 1) {
        const { ports, rows } = aMemoryLog();
        let old: Head = { size: 0 };
        let oldRows = new Map(rows);
        for (let i = 0; i < 5; i += 1) {
          if (i === restoredTo) {
            old = await headOf(ports);
            oldRows = new Map(rows);
          }
          await sequence(ports, some(i, i + 1));
          if (i < signedCommits) await sign(ports, nowMs);
        }
        const size = (await headOf(ports)).size;
        await restore(ports.head, old);
        rows.clear();
        for (const [key, value] of oldRows) rows.set(key, value);
        expect(await rebuild(rebuilder(ports, batches))).toMatchObject({ from: old.size, size, completed: 0 });
        expect(await problemsOf(ports, some(0, 5))).toEqual([]);
        await sequence(inNewProcess(ports), batches);
        expect(await problemsOf(ports, batches)).toEqual([]);
        expect((await sign(ports, nowMs)).outcome).toBe("published");
      }
    },
  );

  test("is rebuilt also where a commit was cut off anywhere within, and wherever the rebuilding is", async () => {
    const counting = aMemoryLog();
    await sequence(counting.ports, some(0, 1));
    const calls = faultyAt(counting.ports, never, "failed");
    await sequence(calls, some(1));
    let tried = 0;
    let completed = 0;
    for (let n = 0; n < calls.names.length; n += 1)
      for (const dies of [never, n % 9, n % 14]) {
        const { ports } = aMemoryLog();
        await sequence(ports, some(0, 1));
        await sign(ports, nowMs);
        const old = await headOf(ports);
        await thrownBy(sequence(faultyAt(ports, n, "killed after"), some(1)));
        await restore(ports.head, old);
        await thrownBy(
          rebuild({
            ...rebuilder(ports, batches),
            ...faultyAt(ports, dies, "killed after"),
            keys: rebuilder(ports, batches).keys,
          }),
        );
        await restore(ports.head, old);
        completed += (await rebuild(rebuilder(ports, batches))).completed > 0 ? 1 : 0;
        await sequence(inNewProcess(ports), batches);
        expect([n, dies, await problemsOf(ports, batches)]).toEqual([n, dies, []]);
        await sign(ports, nowMs);
        tried += 1;
      }
    expect(completed).toBeGreaterThan(0);
    console.log(`${tried} heads restored after a commit was cut off, ${completed} of them within a batch`);
  });

  test("is not rebuilt over objects that the checkpoint contradicts", async () => {
    const { ports, objects } = aMemoryLog();
    await sequence(ports, batches);
    await sign(ports, nowMs);
    const tile = objects.get("tile/1/000.p/2") ?? new Uint8Array();
    tile[5] = (tile[5] ?? 0) ^ 1;
    expect(await thrownBy(rebuild(rebuilder(ports, batches)))).toMatchObject(halted);
    expect(await headOf(ports)).toEqual({ size: 528 });
  });

  test("is not rebuilt while a sequencer works", async () => {
    const { ports } = aMemoryLog();
    await sequence(ports, some(0, 2));
    const { read } = ports.checkpoints;
    const checkpoints = {
      ...ports.checkpoints,
      async read() {
        await sequence(inNewProcess(ports), some(2, 3));
        return read();
      },
    };
    const error = await thrownBy(rebuild({ ...rebuilder(ports, batches), checkpoints }));
    expect(error).toMatchObject({ code: "conflict" });
    expect(await problemsOf(ports, some(0, 3))).toEqual([]);
  });

  test("restored at any moment, under any process, and rebuilt: nothing is lost, doubled, or signed twice over", async () => {
    const pool = await batchesOf(Array.from({ length: 36 }, (_, i) => 1 + ((i * 7) % 30)));
    const tried: { [what: string]: { tried: number; halted: number } } = {};
    for (let seed = 1; seed <= 160; seed += 1) {
      const random = randomFrom(seed);
      const upTo = (n: number): number => Math.floor(random() * n);
      const [isKept, isWarm, isAlone] = [seed % 2 === 0, seed % 4 < 2, upTo(3) === 0];
      const key = aSigningKey();
      const log = memoryLog({ origin, keys: [key], witnesses: [] });
      const { head, promised } = log.ports;
      const moments: { head: Head; rows: Map<string, number>; promised: Promised | undefined }[] = [];
      const world: LogPorts = {
        ...log.ports,
        blobs: { ...log.ports.blobs, ...(isKept && { retire: async () => undefined }) },
        head: {
          ...head,
          async write(value, expected) {
            const done = await head.write(value, expected);
            if (done) moments.push({ head: value, rows: new Map(log.rows), promised: (await promised.read())?.value });
            return done;
          },
        },
      };
      let processes = [inNewProcess(world), inNewProcess(world)];
      let arrived = 0;
      let stopped = 0;
      const some = async (most: number): Promise<void> => {
        const from = arrived;
        arrived += 1 + upTo(most);
        const ports = processes[upTo(2)] ?? world;
        await sequence(ports, pool.slice(from, arrived)).catch((error: unknown) => {
          expect([seed, error]).toMatchObject([seed, halted]);
          stopped += 1;
        });
        if (upTo(3) > 0) await sign(ports, nowMs + arrived).catch((error) => expect(error).toMatchObject(halted));
      };
      for (let i = 0; i < 6; i += 1) await some(4);
      const moment = moments[upTo(moments.length)] as (typeof moments)[0];
      await restore(head, moment.head);
      log.rows.clear();
      for (const [place, leaf] of moment.rows) log.rows.set(place, leaf);
      if (moment.promised && !isAlone) await restore(promised, moment.promised);
      if (!isWarm) processes = [inNewProcess(world), inNewProcess(world)];
      for (let i = 0; i < 3; i += 1) await some(3);

      const all = pool.slice(0, arrived);
      await rebuild(rebuilder(world, all));
      await reconcile(rebuilder(world, all), { sinceMs: 0, nowMs: later });
      await sequence(inNewProcess(world), all);
      await sign(inNewProcess(world), later);
      expect([seed, await problemsOf(world, all)]).toEqual([seed, []]);
      expect([seed, await contradictionsOf(world, key.signed)]).toEqual([seed, []]);
      const what = `${moment.head.staged ? "staged" : "settled"}, ${isWarm ? "warm" : "cold"}, retired objects ${isKept ? "kept" : "gone"}`;
      const { tried: before = 0, halted: haltedBefore = 0 } = tried[what] ?? {};
      tried[what] = { tried: before + 1, halted: haltedBefore + (stopped > 0 ? 1 : 0) };
    }
    expect(Object.keys(tried)).toHaveLength(8);
    console.log("restored heads, of them noticed by the sequencer:", tried);
  }, 120_000);

  test("from leaf 0, finds a lost index again", async () => {
    const { ports, rows } = aMemoryLog();
    await sequence(ports, batches);
    await sign(ports, nowMs);
    rows.clear();
    await rebuild(rebuilder(ports, batches), 0);
    expect(await problemsOf(ports, batches)).toEqual([]);
    expect(await sequence(inNewProcess(ports), batches)).toMatchObject({ sequenced: 0 });
  });
});

describe("a log whose last objects are lost", () => {
  /** 190 leaves in place, `signed` of the two commits signed, then 81 more leaves whose objects are lost. */
  const aCutLog = async () => {
    const log = aMemoryLog();
    await sequence(log.ports, some(0, 2));
    await sign(log.ports, nowMs);
    const before = new Map(log.objects);
    await sequence(log.ports, some(2, 4));
    return {
      ...log,
      lose() {
        log.objects.clear();
        for (const [name, bytes] of before) log.objects.set(name, bytes);
      },
    };
  };

  test("stops the sequencer; rebuilt to what is there, it says how many leaves must come again, and whoever brings them they come", async () => {
    for (const first of ["a new batch", "what is delivered again", "reconcile"]) {
      const { ports, lose } = await aCutLog();
      lose();
      expect(await thrownBy(sequence(ports, some(4, 5)))).toMatchObject(halted);
      expect(await rebuild(rebuilder(ports, some(0, 5)))).toMatchObject({ from: 271, size: 190, lost: 81 });
      // The new one has more leaves than were lost: the log has grown over their numbers.
      if (first === "a new batch") expect(await sequence(ports, some(4, 5))).toMatchObject({ size: 440 });
      if (first === "what is delivered again") expect(await sequence(ports, some(2, 4))).toMatchObject({ size: 271 });
      await reconcile(rebuilder(ports, some(0, 5)), { sinceMs: 0, nowMs: later });
      expect([first, await problemsOf(ports, some(0, 5))]).toEqual([first, []]);
      expect(await sequence(ports, batches)).toMatchObject({ sequenced: 1 });
      expect(await problemsOf(ports, batches)).toEqual([]);
      expect(await sign(ports, later)).toMatchObject({ outcome: "published", size: 528 });
    }
  });

  test("is rebuilt so wherever the rebuilding is cut off", async () => {
    for (let n = 0; n < 40; n += 1) {
      const { ports, lose } = await aCutLog();
      lose();
      const { ledger, keys } = rebuilder(ports, batches);
      await thrownBy(rebuild({ ...faultyAt(ports, n, "killed after"), ledger, keys }));
      await rebuild(rebuilder(ports, batches));
      await sequence(ports, some(4, 5));
      await reconcile(rebuilder(ports, batches), { sinceMs: 0, nowMs: later });
      expect([n, await problemsOf(ports, batches)]).toEqual([n, []]);
    }
  });

  test("is not rebuilt to less than was promised, nor to anything else: the objects have to be put back", async () => {
    const { ports, objects, lose } = await aCutLog();
    const checkpoint = await ports.checkpoints.read();
    await sign(ports, nowMs + 1);
    const whole = new Map(objects);
    // The folder was put back from an older copy, its checkpoint too.
    const old = { ...ports, checkpoints: { ...ports.checkpoints, read: async () => checkpoint } };
    lose();
    const before = await headOf(ports);
    const refused = { ...halted, message: expect.stringContaining("Put the objects back") };
    expect(await thrownBy(rebuild(rebuilder(old, batches)))).toMatchObject(refused);
    const other = {
      ...old,
      promised: { ...ports.promised, read: async () => ({ value: { size: 271, root: "AA==" }, version: 1 }) },
    };
    for (const [name, bytes] of whole) objects.set(name, bytes);
    expect(await thrownBy(rebuild(rebuilder(other, batches)))).toMatchObject(refused);
    expect(await headOf(ports)).toEqual(before);
    expect(await rebuild(rebuilder(old, batches))).toMatchObject({ signed: 190, size: 271, lost: 0 });
  });

  test.each([
    ["the head is lost, too", undefined],
    ["the head is an old one, and the whole index is asked for", 0],
  ])("comes whole again where %s: no row of a leaf that is gone counts", async (_, indexFrom) => {
    const { ports, lose } = await aCutLog();
    lose();
    const isOld = indexFrom === 0;
    if (isOld) await restore(ports.head, { size: 190 });
    const lost = { ...ports, head: isOld ? ports.head : memoryLog({ origin, keys: [], witnesses: [] }).ports.head };
    await rebuild(rebuilder(lost, some(0, 5)), indexFrom);
    // More leaves than were lost: the log has grown over their numbers.
    await sequence(lost, some(4, 5));
    await reconcile(rebuilder(lost, some(0, 5)), { sinceMs: 0, nowMs: later });
    expect(await problemsOf(lost, some(0, 5))).toEqual([]);
  });

  test("of many leaves, unsigned, is rebuilt some bundles at a time, whole", async () => {
    const many = await batchesOf(Array.from({ length: 94 }, () => 97)); // 9,118 leaves
    const { ports, objects } = aMemoryLog();
    await sequence(ports, many);
    for (const name of [...objects.keys()]) if (!name.startsWith("tile/entries/")) objects.delete(name);
    await restore(ports.head, { size: 0 });
    expect(await rebuild(rebuilder(ports, many))).toMatchObject({ signed: 0, size: 9_118, completed: 0 });
    expect(await problemsOf(ports, many)).toEqual([]);
  });
});

describe("staged objects", () => {
  const full = new AppError("storage_full", "full", { outcome: "not-applied" });

  const failingOf = (ports: LogPorts): LogPorts => ({
    ...ports,
    head: { ...ports.head, write: () => Promise.reject(full) },
  });

  test("stay where the head could not be set for them, until the next start", async () => {
    const { ports } = aMemoryLog();
    for (let i = 1; i <= 4; i += 1) expect(await thrownBy(sequence(failingOf(ports), some(0, i)))).toBe(full);
    expect(await ports.blobs.list("staged/")).toHaveLength(4);
    await sweepStaged(ports);
    expect(await ports.blobs.list("staged/")).toEqual([]);
  });

  test("stay for another sequencer that has made the very same, names it, and is killed", async () => {
    const { ports } = aMemoryLog();
    const write: LogPorts["head"]["write"] = async (value, expected) => {
      expect(await thrownBy(sequence(failingOf(inNewProcess(ports)), batches))).toBe(full);
      await ports.head.write(value, expected);
      throw new Error("killed");
    };
    await thrownBy(sequence({ ...inNewProcess(ports), head: { ...ports.head, write } }, batches));
    expect((await headOf(ports)).staged).toBeDefined();
    await sequence(inNewProcess(ports), batches);
    expect(await problemsOf(ports, batches)).toEqual([]);
  });

  test("stay where the head may be set, and are swept where it is not", async () => {
    const { ports } = aMemoryLog();
    const lost = new AppError("unavailable", "lost", { outcome: "unknown" });
    const write = async () => Promise.reject(lost);
    await thrownBy(sequence({ ...ports, head: { ...ports.head, write } }, some(0, 1)));
    await thrownBy(sequence(faultyAt(ports, 6, "killed after"), some(0, 2)));
    const { staged } = await headOf(ports);
    expect(await ports.blobs.list("staged/")).toHaveLength(2);
    await sweepStaged(ports);
    expect(await ports.blobs.list("staged/")).toEqual([staged?.name]);
    await sequence(ports, batches);
    expect(await problemsOf(ports, batches)).toEqual([]);
  });
});

describe("objects that are not what they must be", () => {
  test("another one under a name that is due stops the log, before anything that follows", async () => {
    const { ports, objects } = aMemoryLog();
    objects.set("tile/0/000", new Uint8Array(8_192));
    const error = await thrownBy(sequence(ports, batches));
    expect(error).toMatchObject(halted);
    expect(haltEvent(error)).toMatchObject({ object: "tile/0/000" });
    expect((await headOf(ports)).staged).toBeDefined();
    expect(await thrownBy(sequence(ports, batches))).toMatchObject(halted);
    expect((await sign(ports, nowMs)).outcome).toBe("waiting");
    objects.delete("tile/0/000");
    await sequence(ports, batches);
    expect(await problemsOf(ports, batches)).toEqual([]);
  });

  test("a staged commit that is gone, or altered, stops it", async () => {
    for (const what of ["gone", "altered"]) {
      const { ports, objects } = aMemoryLog();
      await sequence(ports, some(0, 1));
      // Killed after the commit.
      const calls = faultyAt(ports, never, "failed");
      const dying = {
        ...calls,
        blobs: {
          ...calls.blobs,
          put: (name: string, bytes: Uint8Array) =>
            name.startsWith("staged/") ? ports.blobs.put(name, bytes) : Promise.reject(new Error("killed")),
        },
      };
      await thrownBy(sequence(dying, some(1)));
      const { staged } = await headOf(ports);
      const bytes = objects.get(staged?.name ?? "") ?? new Uint8Array();
      if (what === "gone") objects.delete(staged?.name ?? "");
      else
        objects.set(
          staged?.name ?? "",
          bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)),
        );
      const error = await thrownBy(sequence(inNewProcess(ports), some(1)));
      expect(haltEvent(error)).toMatchObject({ object: staged?.name });
      await rebuild(rebuilder(ports, batches));
      await sequence(inNewProcess(ports), batches);
      expect(await problemsOf(ports, batches)).toEqual([]);
    }
  });

  test("a batch that ingest cannot have stored stops it, and is named", async () => {
    const { ports } = aMemoryLog();
    const [batch] = batches as [StoredBatch];
    const error = await thrownBy(sequence(ports, [{ ...batch, body: "!" }]));
    expect(error).toMatchObject({ ...halted, message: expect.stringContaining(batch.headers.emitter) });
    expect(await headOf(ports)).toEqual({ size: 0 });
  });
});

test("two batches that claim one place stop the log, and it is said", async () => {
  const { ports } = aMemoryLog();
  const [batch] = batches as [StoredBatch];
  const error = await thrownBy(sequence(ports, [batch, { ...batch, identity: "0".repeat(64) }]));
  expect(error).toMatchObject(halted);
  expect(haltEvent(error)).toMatchObject({ object: "ledger", detail: expect.stringContaining(batch.headers.emitter) });
});

describe("reconciling", () => {
  test("what is missing comes into the log oldest first, however the ledger lists it, and no more at once than is bearable", async () => {
    const { ports } = aMemoryLog();
    const many = (await batchesOf(Array.from({ length: 40 }, () => 1))).map((batch, i) => ({
      ...batch,
      headers: { ...batch.headers, lastAt: nowMs + ((i * 17) % 40) * 1_000 },
      receivedAtMs: nowMs,
    })) as StoredBatch[];
    const all = { ...ports, ledger: ledgerOf(many, 3) };
    const inLog = async () =>
      [...(await ports.index.firstLeaves(many.map(({ headers: { emitter, seq } }) => ({ emitter, seq })))).entries()]
        .filter(([, leaf]) => leaf !== undefined)
        .map(([i]) => many[i]?.headers.lastAt ?? 0)
        .sort((a, b) => a - b);
    const oldest = (n: number) => Array.from({ length: n }, (_, i) => nowMs + i * 1_000);
    expect(await reconcile(all, { sinceMs: 0, nowMs: later, most: 4 })).toEqual({ looked: 40, found: 4, more: true });
    expect(await inLog()).toEqual(oldest(4));
    expect(await reconcile(all, { sinceMs: 0, nowMs: later, most: 30 })).toEqual({ looked: 40, found: 30, more: true });
    expect(await inLog()).toEqual(oldest(34));
    expect(await reconcile(all, { sinceMs: 0, nowMs: later, most: 6 })).toEqual({ looked: 40, found: 6, more: false });
    expect(await problemsOf(ports, many)).toEqual([]);
  });

  test("what the stream never brought is found, and what is on its way is left to it", async () => {
    const { ports } = aMemoryLog();
    await sequence(ports, [batches[1] as StoredBatch]);
    const late = nowMs + 3_000 + 120_000; // three of the others came two minutes before
    const all = { ...ports, ledger: ledgerOf(batches) };
    expect(await reconcile(all, { sinceMs: 0, nowMs: late })).toEqual({ looked: 6, found: 3, more: false });
    expect(await problemsOf(ports, some(0, 4))).toEqual([]);
    expect(await reconcile(all, { sinceMs: 0, nowMs: late + 60_000 })).toEqual({ looked: 6, found: 2, more: false });
    expect(await reconcile(all, { sinceMs: 0, nowMs: late + 60_000 })).toEqual({ looked: 6, found: 0, more: false });
    expect(await problemsOf(ports, batches)).toEqual([]);
  });

  test("goes on while more is missing, as long as there is time, and as anything comes of it", async () => {
    const many = await batchesOf(Array.from({ length: 1_300 }, () => 1));
    const look = { sinceMs: 0, nowMs: later };
    const everything = aMemoryLog().ports;
    const all = { ...everything, ledger: ledgerOf(many) };
    expect(await reconcileAll(all, { ...look, most: 600 })).toEqual({ looked: 1_300, found: 1_300, more: false });
    expect(await problemsOf(everything, many)).toEqual([]);

    const timed = { ...aMemoryLog().ports, ledger: ledgerOf(many) };
    let asked = 0;
    const hasTime = (): boolean => {
      asked += 1;
      return asked < 2;
    };
    expect(await reconcileAll(timed, { ...look, hasTime })).toEqual({ looked: 1_300, found: 1_000, more: true });
    expect(await reconcileAll(timed, { ...look, hasTime })).toEqual({ looked: 1_300, found: 300, more: false });

    const unreadable = { ...ledgerOf(many), read: async () => undefined };
    const none = { ...aMemoryLog().ports, ledger: unreadable };
    expect(await reconcileAll(none, { ...look, most: 600 })).toEqual({ looked: 1_300, found: 0, more: true });
  });

  test("looks through more than a page, and not beyond the time that it is given", async () => {
    const { ports } = aMemoryLog();
    const many = (await batchesOf(Array.from({ length: 1_200 }, () => 1))).map((batch, i) => ({
      ...batch,
      headers: { ...batch.headers, lastAt: nowMs - i },
    })) as StoredBatch[];
    const all = { ...ports, ledger: ledgerOf(many) };
    expect(await reconcile(all, { sinceMs: nowMs - 99, nowMs: later })).toEqual({
      looked: 100,
      found: 100,
      more: false,
    });
    expect(await reconcile(all, { sinceMs: 0, nowMs: later })).toEqual({ looked: 1_200, found: 1_100, more: false });
    expect(await problemsOf(ports, many)).toEqual([]);
    expect(await contradictionsOf(ports, [])).toEqual([]);
  });
});
