import { sequence } from "@tooltrail/core/log/sequence";
import type { StoredBatch } from "@tooltrail/core/ports";
import { beforeAll, describe, expect, test } from "vitest";
import {
  faultKinds,
  faultyAt,
  inNewProcess,
  interleaved,
  type LogPorts,
  never,
  problemsOf,
} from "../support/log-faults.ts";
import { aMemoryLog, batchesOf, logStores } from "../support/log-stores.ts";
import { randomFrom } from "../support/pieces.ts";

const byThrowing = (error: unknown): unknown => error;

/** Whatever went wrong before: the same input is delivered again, to a process that remembers nothing. */
async function healed(ports: LogPorts, batches: readonly StoredBatch[]): Promise<string[]> {
  await sequence(inNewProcess(ports), batches);
  return problemsOf(ports, batches);
}

let small: StoredBatch[];
let batches: StoredBatch[];
beforeAll(async () => {
  small = await batchesOf([1, 2, 3], 5);
  batches = await batchesOf([100, 90, 80, 1, 250, 7]); // 528 leaves: two full tiles, and partials
});

describe.each(logStores)("sequencing on %s", (name, open) => {
  const on = async (run: (ports: LogPorts) => Promise<void>): Promise<void> => {
    const { ports, close } = await open();
    try {
      await run(ports);
    } finally {
      await close();
    }
  };

  test("records become leaves in the order in which their batches arrived, and the index finds them", () =>
    on(async (ports) => {
      expect(await sequence(ports, [...small].reverse())).toEqual({ size: 6, sequenced: 3, leaves: 6 });
      const places = small.map(({ headers: { emitter, seq } }) => ({ emitter, seq }));
      expect(await ports.index.firstLeaves(places)).toEqual([0, 1, 3]);
      expect(await problemsOf(ports, small)).toEqual([]);
    }));

  test("what is delivered again, or twice at once, or overlaps, is added once", () =>
    on(async (ports) => {
      await sequence(ports, batches.slice(0, 3));
      expect(await sequence(ports, [...batches, ...batches])).toMatchObject({ sequenced: 3, leaves: 258, size: 528 });
      expect(await sequence(inNewProcess(ports), batches)).toEqual({ size: 528, sequenced: 0, leaves: 0 });
      expect(await problemsOf(ports, batches)).toEqual([]);
    }));

  test("partials go when their full tile is there, staged commits when they are in place", () =>
    on(async (ports) => {
      for (const batch of batches) await sequence(ports, [batch]);
      expect(await problemsOf(ports, batches)).toEqual([]);
      if (name === "DynamoDB") return; // retired there means marked
      expect(await ports.blobs.list("staged/")).toEqual([]);
      expect(await ports.blobs.list("tile/0/000")).toEqual(["tile/0/000"]);
      expect(await ports.blobs.list("tile/entries/001")).toEqual(["tile/entries/001"]);
    }));

  test("whatever call fails, or was the last before the process died, every record is there once", async () => {
    let tried = 0;
    const met = new Set<string>();
    const clean = aMemoryLog();
    await sequence(clean.ports, batches.slice(0, 3));
    const counting = faultyAt(clean.ports, never, "failed");
    await sequence(counting, batches);
    // On real stores a part of what memory tries: each call in one way.
    const step = name === "memory" ? 1 : faultKinds.length;
    for (const [first, kind] of faultKinds.entries())
      for (let n = first % step; n < counting.names.length; n += step)
        await on(async (ports) => {
          await sequence(ports, batches.slice(0, 3));
          const faulty = faultyAt(ports, n, kind);
          await sequence(faulty, batches).catch(byThrowing);
          met.add(faulty.names[n] ?? "");
          expect([n, kind, await healed(ports, batches)]).toEqual([n, kind, []]);
          tried += 1;
        });
    if (name === "memory")
      expect([...met].sort()).toEqual([
        "blobs.list",
        "blobs.put",
        "blobs.read",
        "blobs.retire",
        "checkpoints.read",
        "head.read",
        "head.write",
        "index.firstLeaves",
        "index.put",
      ]);
    console.log(`${name}: ${tried} faults tried at ${met.size} methods, every record once after each`);
  }, 180_000);

  test("two faults, one after the other, do no more harm than one", async () => {
    const random = randomFrom(7);
    for (let i = 0; i < ({ memory: 300, SQLite: 6 }[name] ?? 2); i += 1)
      await on(async (ports) => {
        for (let death = 0; death < 3; death += 1) {
          const kind = faultKinds[Math.floor(random() * 4)] ?? "failed";
          await sequence(faultyAt(ports, Math.floor(random() * 40), kind), batches).catch(byThrowing);
        }
        expect([i, await healed(ports, batches)]).toEqual([i, []]);
      });
  });

  test("racing sequencers, with failing calls, in any order, add every record once", async () => {
    const schedules = { memory: 400, SQLite: 8 }[name] ?? 4;
    let thrown = 0;
    for (let seed = 1; seed <= schedules; seed += 1)
      await on(async (ports) => {
        // Sometimes both have the very same input, and so stage the very same commit.
        const a = seed % 4 === 0 ? batches : batches.slice(0, 4);
        const b = seed % 4 === 0 ? batches : batches.slice(2);
        const errors = await interleaved(
          seed,
          ports,
          [
            (p) => sequence(p, a),
            (p) => sequence(p, b),
            ...(seed % 3 === 0 ? [(p: LogPorts) => sequence(p, small)] : []),
          ],
          { faults: seed % 2 === 0 ? 0.1 : 0 },
        );
        const all = seed % 3 === 0 ? [...batches, ...small] : batches;
        expect([seed, errors.filter((error) => (error as { code?: string }).code !== "unavailable")]).toEqual([
          seed,
          [],
        ]);
        if (seed % 2 === 1) expect([seed, await problemsOf(ports, all)]).toEqual([seed, []]);
        expect([seed, await healed(ports, all)]).toEqual([seed, []]);
        thrown += errors.length;
      });
    console.log(
      `${name}: ${schedules} schedules of racing sequencers, ${thrown} calls failed, every record once after each`,
    );
  }, 180_000);
});
