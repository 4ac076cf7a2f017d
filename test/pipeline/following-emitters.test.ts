import { continuity, type EmitterRow, emitters, stateOf, watched } from "@tooltrail/core/follow/continuity";
import { type FollowPorts, follow } from "@tooltrail/core/follow/follow";
import { startRebuild } from "@tooltrail/core/follow/rebuild";
import { type SweepPorts, sweep } from "@tooltrail/core/follow/sweep";
import type { StoredBatch } from "@tooltrail/core/ports";
import { type LifecycleRecord, type PipelineEvent, pipelineSource, recordSchema } from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aCall, anIdentity } from "../support/batches.ts";
import { aPlainBatch, aSignedBatch, start } from "../support/fleets.ts";
import { aLog, followAll, interleaved, memoryProjections, projectionStores } from "../support/followed.ts";
import { rowsOf } from "../support/recomputed.ts";

const minute = 60_000;
const emitter = (n: number): string => anIdentity(n).emitter;
const lifecycle = (event: LifecycleRecord["event"], more: Partial<LifecycleRecord> = {}): LifecycleRecord => ({
  schema: recordSchema,
  kind: "lifecycle",
  at: start,
  event,
  ...more,
});

const arriving = (seq: number, atMinute: number, record?: LifecycleRecord, n = 1): Promise<StoredBatch> =>
  aSignedBatch({
    emitter: n,
    seq,
    records: [aCall({ at: start }), ...(record ? [record] : [])],
    receivedAtMs: start + atMinute * minute,
  });

/** A log, followed and swept, on the store that `projections` is. */
function aWatch(projections = memoryProjections()) {
  const log = aLog();
  const events: PipelineEvent[] = [];
  const inLedger = new Set<string>();
  const ports: SweepPorts = {
    projections,
    events: { publish: async (event) => void events.push(event) },
    ledger: { read: async (id, seq) => (inLedger.has(`${id} ${seq}`) ? ({} as StoredBatch) : undefined) },
  };
  return {
    ports,
    events,
    inLedger,
    async came(...batches: StoredBatch[]) {
      await log.append(batches);
      await followAll({ ...log, projections }, [continuity]);
    },
    follow: () => followAll({ ...log, projections }, [continuity]),
    async sweepAt(atMinute: number, some = ports) {
      events.length = 0;
      const swept = await sweep(some, start + atMinute * minute);
      return { ...swept, events: events.map(({ type, ...more }) => ({ type, ...more })) };
    },
    async row(n = 1): Promise<EmitterRow | undefined> {
      const [found] = await projections.read(
        continuity.name,
        (await projections.cursor(continuity.name))?.current.number ?? 1,
        [{ collection: emitters, id: emitter(n) }],
      );
      return found?.value as EmitterRow | undefined;
    },
  };
}

const gap = (state: "open" | "closed", from: number, to: number) => ({
  type: "emitter.gap",
  state,
  emitter: emitter(1),
  server: "files",
  from,
  to,
});

describe.each(projectionStores)("continuity on %s", (_, open) => {
  let store: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());

  test("a number that is missing is late, a gap after 15 minutes, and closed when it arrives; each is said once", async () => {
    const watch = aWatch(store.projections);
    await watch.came(await arriving(0, 0), await arriving(3, 1));
    const state = async (atMinute: number) => stateOf((await watch.row()) as EmitterRow, start + atMinute * minute);
    expect([await state(1), await state(15.9), await state(16)]).toEqual(["late", "late", "gap"]);
    expect((await watch.sweepAt(15.9)).events).toEqual([]);
    expect((await watch.sweepAt(16)).events).toEqual([gap("open", 1, 2)]);
    expect(await watch.sweepAt(17)).toEqual({ gaps: 1, silent: 0, said: 0, events: [] });
    await watch.came(await arriving(2, 18));
    expect((await watch.sweepAt(18)).events).toEqual([gap("closed", 2, 2)]);
    await watch.came(await arriving(1, 19));
    expect((await watch.sweepAt(19)).events).toEqual([gap("closed", 1, 1)]);
    expect(await watch.sweepAt(300)).toEqual({ gaps: 0, silent: 0, said: 0, events: [] });
    expect(await state(19)).toBe("live");
    expect(await rowsOf(store.projections, continuity.name, [watched])).toEqual({});
    expect(await rowsOf(store.projections, "continuity-said", ["gaps", "silence"], 1)).toEqual({});
  });

  test("an emitter that has announced itself and falls silent is said to be, once for each silence", async () => {
    const watch = aWatch(store.projections);
    await watch.came(await arriving(0, 0, lifecycle("started")), await arriving(0, 0, undefined, 2));
    expect((await watch.sweepAt(14.9)).events).toEqual([]);
    const silent = { type: "emitter.silent", emitter: emitter(1), server: "files" };
    expect((await watch.sweepAt(15)).events).toEqual([{ ...silent, lastSeq: 0, lastReceivedAt: start }]);
    expect(await watch.sweepAt(16)).toMatchObject({ silent: 0, said: 0 });
    await watch.came(await arriving(1, 17, lifecycle("alive")));
    expect(await watch.sweepAt(17)).toMatchObject({ silent: 0, said: 0 });
    expect((await watch.sweepAt(32)).events).toEqual([{ ...silent, lastSeq: 1, lastReceivedAt: start + 17 * minute }]);
    await watch.came(await arriving(2, 33, lifecycle("stopped", { lastSeq: 2 })));
    expect(await watch.sweepAt(90)).toEqual({ gaps: 0, silent: 0, said: 0, events: [] });
    expect(stateOf((await watch.row(1)) as EmitterRow, start + 90 * minute)).toBe("stopped");
    expect(stateOf((await watch.row(2)) as EmitterRow, start + 90 * minute)).toBe("silent"); // true, but nobody was promised otherwise
  });
});

test("up to the last number that an emitter names when it stops, all are expected", async () => {
  const watch = aWatch();
  await watch.came(await arriving(0, 0), await arriving(1, 1, lifecycle("stopped", { lastSeq: 4, reason: "adopted" })));
  expect(await watch.row()).toMatchObject({
    next: 5,
    missing: [{ from: 2, to: 4, sinceMs: start + minute }],
    stopped: { lastSeq: 4, reason: "adopted" },
  });
  expect((await watch.sweepAt(16)).events).toEqual([gap("open", 2, 4)]);
  await watch.came(await arriving(3, 20));
  expect((await watch.sweepAt(20)).events).toEqual([gap("closed", 3, 3)]);
});

test("nothing is said of what the ledger has and the log does not have yet", async () => {
  const watch = aWatch();
  await watch.came(await arriving(0, 0, lifecycle("started")), await arriving(2, 0));
  watch.inLedger.add(`${emitter(1)} 1`).add(`${emitter(1)} 3`);
  expect(await watch.sweepAt(30)).toEqual({ gaps: 0, silent: 0, said: 0, events: [] });
  watch.inLedger.clear();
  expect(await watch.sweepAt(31)).toMatchObject({ gaps: 1, silent: 1, said: 2 });
});

test("plain events have no numbers", async () => {
  const watch = aWatch();
  await watch.came(await aPlainBatch("x", aCall({ at: start }), start));
  expect(await rowsOf(watch.ports.projections, continuity.name, [emitters, watched])).toEqual({});
});

test("an emitter that leaves out every other number has a small row, and all of them are counted on", async () => {
  const watch = aWatch();
  const odd = Array.from({ length: 60 }, (_, i) => 2 * i + 1);
  await watch.came(...(await Promise.all(odd.map((seq) => arriving(seq, 0)))));
  const row = (await watch.row()) as EmitterRow;
  expect([row.missing.length, row.unlisted]).toEqual([32, { count: 28, from: 64, to: 118, sinceMs: start }]);
  expect(await watch.sweepAt(15)).toMatchObject({ gaps: 32 });
  const even = await Promise.all(odd.map((seq) => arriving(seq - 1, 16)));
  await watch.came(...even.slice(0, 59));
  expect((await watch.row())?.unlisted).toMatchObject({ count: 1 });
  await watch.came(...even.slice(59));
  expect(await watch.row()).toMatchObject({ missing: [], next: 120, batches: 120 });
  expect((await watch.row())?.unlisted).toBeUndefined();
  expect((await watch.sweepAt(17)).events.filter((event) => "state" in event && event.state === "closed")).toHaveLength(
    32,
  );
});

test("what was said is not said again because the rows were made anew", async () => {
  const watch = aWatch();
  await watch.came(await arriving(0, 0, lifecycle("started")), await arriving(2, 0));
  expect(await watch.sweepAt(16)).toMatchObject({ said: 2 });
  await startRebuild(watch.ports.projections, continuity);
  await watch.follow();
  expect((await watch.ports.projections.cursor(continuity.name))?.current.number).toBe(2);
  expect(await watch.sweepAt(17)).toMatchObject({ gaps: 1, silent: 0, said: 0 });
});

describe("an emitter that died without a word", () => {
  const marks = async (watch: ReturnType<typeof aWatch>) =>
    Object.keys((await rowsOf(watch.ports.projections, continuity.name, [watched]))[watched] ?? {});

  test("is looked at until its silence is said, and then no more until it is heard of again", async () => {
    const watch = aWatch();
    const dead = Array.from({ length: 120 }, (_, n) => n + 1);
    await watch.came(...(await Promise.all(dead.map((n) => arriving(0, 0, lifecycle("started"), n)))));
    let looked = 0;
    const projections: SweepPorts["projections"] = {
      ...watch.ports.projections,
      async read(name, generation, keys) {
        looked += keys.length;
        return watch.ports.projections.read(name, generation, keys);
      },
      async list(...query) {
        const rows = await watch.ports.projections.list(...query);
        looked += rows.length;
        return rows;
      },
    };
    const sweepAt = (atMinute: number) => watch.sweepAt(atMinute, { ...watch.ports, projections });
    expect(await sweepAt(16)).toMatchObject({ silent: 120, said: 120 });
    expect(looked).toBeGreaterThan(120);
    looked = 0;
    expect(await sweepAt(17)).toEqual({ gaps: 0, silent: 0, said: 0, events: [] });
    expect(looked).toBe(0);

    // One of them misses a number now: it is looked at for as long as that is so.
    await watch.came(await arriving(2, 20, undefined, 7));
    expect(await sweepAt(35)).toMatchObject({ gaps: 1, silent: 1, said: 2 });
    expect(await sweepAt(36)).toMatchObject({ gaps: 1, silent: 0, said: 0 });
    expect(await marks(watch)).toEqual([emitter(7)]);
    await watch.came(await arriving(1, 37, undefined, 7));
    expect(await sweepAt(37)).toMatchObject({ gaps: 0, silent: 0, said: 1 });
    expect(await sweepAt(52)).toMatchObject({ gaps: 0, silent: 1, said: 1 });
    expect(await marks(watch)).toEqual([]);
  });

  test("is looked at once more where the rows were made anew, and nothing is said again", async () => {
    const watch = aWatch();
    await watch.came(await arriving(0, 0, lifecycle("started")));
    await watch.sweepAt(16);
    await startRebuild(watch.ports.projections, continuity);
    await watch.follow();
    expect(await marks(watch)).toEqual([emitter(1)]);
    expect(await watch.sweepAt(17)).toMatchObject({ silent: 0, said: 0 });
    expect(await marks(watch)).toEqual([]);
  });

  test("and is heard of while a sweep is about to leave it alone, is looked at", async () => {
    const whileSweeping = aWatch();
    await whileSweeping.came(await arriving(0, 0, lifecycle("started")));
    const alive = await arriving(1, 17, lifecycle("alive"));
    let heard = false;
    await whileSweeping.sweepAt(16, {
      ...whileSweeping.ports,
      projections: {
        ...whileSweeping.ports.projections,
        async commit(name, change) {
          if (name === continuity.name && !heard) {
            heard = true;
            await whileSweeping.came(alive);
          }
          return whileSweeping.ports.projections.commit(name, change);
        },
      },
    });
    expect(await marks(whileSweeping)).toEqual([emitter(1)]);
    expect(await whileSweeping.sweepAt(32)).toMatchObject({ silent: 1, said: 1 });

    // The same from the other side: the follower has read the rows already when the sweep takes the mark away.
    const projections = memoryProjections();
    let before: () => Promise<unknown> = async () => undefined;
    const whileFollowing = aWatch({
      ...projections,
      async commit(name, change) {
        const run = before;
        before = async () => undefined;
        await run();
        return projections.commit(name, change);
      },
    });
    await whileFollowing.came(await arriving(0, 0, lifecycle("started")));
    before = () => whileFollowing.sweepAt(16);
    await whileFollowing.came(alive);
    expect(await marks(whileFollowing)).toEqual([emitter(1)]);
    expect((await whileFollowing.row())?.batches).toBe(2);
    expect(await whileFollowing.sweepAt(32)).toMatchObject({ silent: 1, said: 1 });
  });
});

test("sweeps, followers and rebuilds that race lose no silence, and watch nobody for ever", {
  timeout: 60_000,
}, async () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const log = aLog();
    const events: PipelineEvent[] = [];
    const projections = memoryProjections();
    const coming = await Promise.all(
      Array.from({ length: 12 }, (_, i) => {
        const seq = Math.floor(i / 3);
        return arriving(seq, i, lifecycle(seq === 0 ? "started" : "alive"), 1 + (i % 3));
      }),
    );
    const sweepOnce = (rows: SweepPorts["projections"]) => {
      const publish = async (event: PipelineEvent) => void events.push(event);
      return sweep({ projections: rows, events: { publish }, ledger: { read: async () => undefined } }, start + 1e9);
    };
    const growing = async (some: FollowPorts) => {
      const next = coming.splice(0, 1);
      if (next.length > 0) await log.append(next);
      await follow(some, [continuity], 2);
    };
    const sweeping = (some: FollowPorts) => sweepOnce(some.projections);
    const rebuilding = (some: FollowPorts) => startRebuild(some.projections, continuity).catch(() => undefined);
    const lives = { failing: seed % 3 === 0 ? 0.1 : 0, lives: 6 };
    await interleaved(seed, { ...log, projections }, [growing, growing, sweeping, sweeping, rebuilding], lives);
    await followAll({ ...log, projections }, [continuity]);
    await sweepOnce(projections);
    const rows = await rowsOf(projections, continuity.name, [emitters, watched]);
    expect(rows[watched], `seed ${seed}`).toBeUndefined();
    const silent = events.flatMap((event) => (event.type === "emitter.silent" ? [event] : []));
    for (const { emitter: id, lastReceivedAt } of Object.values(rows[emitters] ?? {}) as EmitterRow[])
      expect(silent, `seed ${seed}`).toContainEqual(expect.objectContaining({ emitter: id, lastReceivedAt }));
  }
});

test("a sweep that is cut short says the rest the next time, and everything at least once", async () => {
  const calls = [
    "events.publish",
    "projections.cursor",
    "projections.commit",
    "projections.read",
    "projections.list",
    "ledger.read",
  ] as const;
  for (const name of calls)
    for (let n = 0; n < 3; n += 1)
      for (const persisted of [false, true]) {
        const watch = aWatch();
        await watch.came(await arriving(0, 0, lifecycle("started")), await arriving(2, 0), await arriving(4, 0));
        await watch.came(await arriving(0, 0, lifecycle("started"), 2));
        const [port, method] = name.split(".") as ["events", "publish"];
        const real = watch.ports[port] as unknown as { [name: string]: (...args: unknown[]) => Promise<unknown> };
        let met = 0;
        const broken = {
          ...real,
          async [method](...args: unknown[]) {
            met += 1;
            if (met - 1 !== n) return real[method]?.(...args);
            if (persisted) await real[method]?.(...args);
            throw new Error("cut short");
          },
        };
        const said: unknown[] = [];
        const sweepOnce = async (ports: SweepPorts, atMinute: number) => {
          await watch.sweepAt(atMinute, ports).catch(() => undefined);
          said.push(...watch.events.map((event) => JSON.stringify(event)));
        };
        await sweepOnce({ ...watch.ports, [port]: broken as never }, 16);
        await sweepOnce(watch.ports, 17);
        await sweepOnce(watch.ports, 18);
        expect(new Set(said).size, `${name} ${n} ${persisted}`).toBe(4);
        expect(watch.events, `${name} ${n} ${persisted}`).toEqual([]);
        const { [watched]: left = {} } = await rowsOf(watch.ports.projections, continuity.name, [watched]);
        expect(Object.keys(left), `${name} ${n} ${persisted}`).toEqual([emitter(1)]);
      }
});

test("what is said is what the schema of the pipeline's events promises", async () => {
  const watch = aWatch();
  await watch.came(await arriving(0, 0, lifecycle("started")), await arriving(2, 0));
  await watch.sweepAt(16);
  await watch.came(await arriving(1, 17));
  const opened = [...watch.events];
  await watch.sweepAt(17);
  expect(opened.length + watch.events.length).toBe(3);
  for (const { type, ...detail } of [...opened, ...watch.events]) {
    const said = { source: pipelineSource, "detail-type": type, detail };
    expect(pipelineEvent.safeParse(said).error).toBeUndefined();
  }
});
