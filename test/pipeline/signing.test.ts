import { haltEvent } from "@tooltrail/core/log/halt";
import { prove } from "@tooltrail/core/log/prove";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import type { StoredBatch } from "@tooltrail/core/ports";
import { recordId } from "@tooltrail/format";
import {
  hashLeaf,
  openCheckpoint,
  parseLeaf,
  parseNote,
  parseReceipt,
  receiptText,
  type VerifierKey,
  verifierKey,
  verifyInclusion,
  verifyNote,
  vkeyText,
} from "@tooltrail/format/log";
import { beforeAll, describe, expect, test } from "vitest";
import {
  aSigningKey,
  aWitness,
  contradictionsOf,
  faultKinds,
  faultyAt,
  inNewProcess,
  interleaved,
  type LogPorts,
  memoryLog,
  never,
  problemsOf,
  restore,
} from "../support/log-faults.ts";
import { aMemoryLog, batchesOf, logStores, nowMs, origin } from "../support/log-stores.ts";
import { randomFrom } from "../support/pieces.ts";

const minute = 60_000;
const halted = { code: "halted", retryable: false };
const thrownBy = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

let batches: StoredBatch[];
beforeAll(async () => {
  batches = await batchesOf([100, 90, 80, 1, 250, 7]); // 528 leaves
});
const some = (from: number, to?: number): StoredBatch[] => batches.slice(from, to);
const verifiers = ({ keys }: LogPorts): VerifierKey[] => keys.map(({ publicKey }) => verifierKey(origin, publicKey));
const opened = async (ports: LogPorts) => openCheckpoint((await ports.checkpoints.read()) ?? "", verifiers(ports));

/** A log whose keys' signatures are on record, and everything that was ever published. */
function aWatchedLog({ witnesses = [] as LogPorts["witnesses"], keys = [aSigningKey()] } = {}) {
  const log = memoryLog({ origin, keys, witnesses });
  const published: string[] = [];
  const vkeys: string[] = [];
  const { checkpoints } = log.ports;
  const ports: LogPorts = {
    ...log.ports,
    checkpoints: {
      ...checkpoints,
      async publish(text, over) {
        const done = await checkpoints.publish(text, over);
        if (done) published.push(text);
        return done;
      },
      async publishKeys(text) {
        vkeys.push(text);
      },
    },
  };
  return { ...log, ports, published, vkeys, signed: () => keys.flatMap((key) => key.signed) };
}

const sizesOf = (published: readonly string[]): number[] => published.map((text) => Number(text.split("\n")[1]));
const isMonotone = (sizes: readonly number[]): boolean => sizes.every((size, i) => size >= (sizes[i - 1] ?? 0));

describe("signing", () => {
  test("what has grown is signed, published and announced, once", async () => {
    const { ports, said, vkeys, published } = aWatchedLog();
    expect((await sign(ports, nowMs)).outcome).toBe("empty");
    await sequence(ports, some(0, 2));
    expect(await sign(ports, nowMs)).toEqual({ outcome: "published", size: 190, cosignatures: 0, failed: [] });
    expect(await opened(ports)).toMatchObject({ origin, size: 190 });
    expect((await sign(ports, nowMs + minute)).outcome).toBe("current");
    await sequence(ports, some(2));
    expect((await sign(ports, nowMs + minute)).outcome).toBe("published");
    expect(said).toMatchObject([
      { type: "log.advanced", origin, size: 190 },
      { type: "log.advanced", origin, size: 528 },
    ]);
    expect(sizesOf(published)).toEqual([190, 528]);
    expect(vkeys).toEqual([`${vkeyText(verifiers(ports)[0] as VerifierKey)}\n`]);
  });

  test("a quiet log is published anew every ten minutes, and nothing is announced", async () => {
    const { ports, said, published } = aWatchedLog();
    await sequence(ports, batches);
    await sign(ports, nowMs);
    expect((await sign(ports, nowMs + 10 * minute - 1)).outcome).toBe("current");
    expect((await sign(ports, nowMs + 10 * minute)).outcome).toBe("published");
    expect((await sign(ports, nowMs + 19 * minute)).outcome).toBe("current");
    expect(sizesOf(published)).toEqual([528, 528]);
    expect(said).toHaveLength(1);
  });

  test("a commit that is not in place is waited for", async () => {
    const { ports, published } = aWatchedLog();
    await sequence(ports, some(0, 1));
    await sign(ports, nowMs);
    await thrownBy(sequence(faultyAt(ports, 8, "killed after"), some(1)));
    expect((await ports.head.read())?.value.staged).toBeDefined();
    expect((await sign(ports, nowMs + minute)).outcome).toBe("waiting");
    await sequence(inNewProcess(ports), some(1));
    await sign(ports, nowMs + minute);
    expect(sizesOf(published)).toEqual([100, 528]);
  });

  test("during a rotation the old key and the new one sign, then the new one alone", async () => {
    const [old, next] = [aSigningKey(), aSigningKey()];
    const { ports, vkeys } = aWatchedLog({ keys: [old] });
    await sequence(ports, some(0, 1));
    await sign(ports, nowMs);
    const both = { ...ports, keys: [next, old] };
    await sequence(both, some(1, 2));
    await sign(both, nowMs + minute);
    for (const keys of [[old], [next]])
      expect(await opened({ ...ports, keys })).toMatchObject({ size: 190, signedBy: [{}] });
    const alone = { ...ports, keys: [next] };
    await sign(alone, nowMs + 11 * minute);
    await expect(opened({ ...ports, keys: [old] })).rejects.toThrow();
    expect((await opened(alone)).size).toBe(190);
    const [a, b] = [vkeyText(verifierKey(origin, old.publicKey)), vkeyText(verifierKey(origin, next.publicKey))];
    expect(vkeys).toEqual([`${a}\n`, `${b}\n${a}\n`, `${b}\n`]);
  });

  test("a key that comes or goes is seen in the checkpoint at once, also of a quiet log", async () => {
    const [old, next] = [aSigningKey(), aSigningKey()];
    const { ports, said } = aWatchedLog({ keys: [old] });
    await sequence(ports, batches);
    await sign(ports, nowMs);
    const rotated: readonly LogPorts["keys"][] = [[next, old], [next]];
    for (const [i, keys] of rotated.entries()) {
      expect((await sign({ ...ports, keys }, nowMs + i + 1)).outcome).toBe("published");
      expect((await opened({ ...ports, keys })).signedBy).toHaveLength(keys.length);
      expect((await sign({ ...ports, keys }, nowMs + i + 1)).outcome).toBe("current");
    }
    await expect(opened({ ...ports, keys: [old] })).rejects.toThrow();
    expect(said).toHaveLength(1);
  });

  test("the public key is published again every ten minutes, whoever took it away, and not with each checkpoint", async () => {
    const { ports, vkeys } = aWatchedLog();
    for (const [i, atMs] of [0, 1, 4, 9, 12, 13, 31].entries()) {
      await sequence(ports, some(0, i));
      await sign(ports, nowMs + atMs * minute);
    }
    expect(vkeys).toHaveLength(3);
    expect(new Set(vkeys).size).toBe(1);
  });

  test("a key that was away for the whole rotation is no reason to stand still", async () => {
    const { ports } = aWatchedLog();
    await sequence(ports, some(0, 1));
    await sign(ports, nowMs);
    const replaced = { ...ports, keys: [aSigningKey()] };
    await sequence(replaced, some(1));
    expect((await sign(replaced, nowMs)).outcome).toBe("published");
    expect((await opened(replaced)).size).toBe(528);
  });

  test("a signature that does not hold is not published", async () => {
    const { ports, published } = aWatchedLog();
    await sequence(ports, batches);
    const [key] = ports.keys as [LogPorts["keys"][0]];
    const bad = { publicKey: key.publicKey, sign: async () => new Uint8Array(64) };
    expect(await thrownBy(sign({ ...ports, keys: [key, bad] }, nowMs))).toMatchObject({ code: "internal" });
    expect(published).toEqual([]);
  });
});

describe("a history that was rewritten is not signed", () => {
  const rewrites: readonly (readonly [string, (log: ReturnType<typeof aWatchedLog>) => Promise<void>])[] = [
    [
      "by other tiles of the same size",
      async ({ ports, objects, rows }) => {
        await restore(ports.head, { size: 0 });
        objects.clear();
        rows.clear();
        const silent = { ...inNewProcess(ports), checkpoints: { read: async () => undefined } };
        await sequence(silent, [...(await batchesOf([90, 100], 9))]);
      },
    ],
    [
      "by other tiles of a larger size",
      async ({ ports, objects, rows }) => {
        await restore(ports.head, { size: 0 });
        objects.clear();
        rows.clear();
        const silent = { ...inNewProcess(ports), checkpoints: { read: async () => undefined } };
        await sequence(silent, await batchesOf([90, 100, 80], 9));
      },
    ],
    ["by a smaller head", ({ ports }) => restore(ports.head, { size: 100 })],
  ];
  test.each(rewrites)("%s", async (_, rewrite) => {
    for (const forgotten of ["nothing", "what was promised", "what was published"]) {
      const log = aWatchedLog();
      const { ports, published } = log;
      await sequence(ports, some(0, 1));
      await sign(ports, nowMs);
      await sequence(ports, some(1, 2));
      await sign(ports, nowMs);
      await rewrite(log);
      const nothing = async () => undefined;
      const state: LogPorts =
        forgotten === "what was promised"
          ? { ...ports, promised: aMemoryLog().ports.promised }
          : forgotten === "what was published"
            ? { ...ports, checkpoints: { ...ports.checkpoints, read: nothing } }
            : ports;
      const before = [published.length, log.signed().length];
      const error = await thrownBy(sign(state, nowMs + 20 * minute));
      expect([forgotten, error]).toMatchObject([forgotten, halted]);
      expect(haltEvent(error)).toMatchObject({ type: "integrity.conflict", what: "log_diverged" });
      expect([published.length, log.signed().length]).toEqual(before);
    }
  });

  test("nor published over something that is no checkpoint of this log", async () => {
    for (const text of ["", "x\n", "other/log\n1\nAAAA\n\n— other/log AAAAAAAA\n"]) {
      const { ports } = aWatchedLog();
      await sequence(ports, batches);
      await ports.checkpoints.publish(text, undefined);
      expect(await thrownBy(sign(ports, nowMs))).toMatchObject(halted);
    }
  });
});

describe.each(logStores)("signers and sequencers on %s", (name, open) => {
  /** Ports of a store, with the record of what was signed and published. */
  const on = async (run: (ports: LogPorts, seen: { signed: string[]; published: string[] }) => Promise<void>) => {
    const { ports, close } = await open();
    const key = aSigningKey();
    const published: string[] = [];
    const { checkpoints } = ports;
    const publish: LogPorts["checkpoints"]["publish"] = async (text, over) => {
      const done = await checkpoints.publish(text, over);
      if (done) published.push(text);
      return done;
    };
    const witnesses = [aWitness("witness.test/a")];
    const watched = { ...ports, keys: [key], witnesses, checkpoints: { ...checkpoints, publish } };
    try {
      await run(watched, { signed: key.signed, published });
    } finally {
      await close();
    }
  };
  const sound = async (ports: LogPorts, { signed, published }: { signed: string[]; published: string[] }) => ({
    log: await problemsOf(ports, batches),
    signed: await contradictionsOf(ports, signed),
    monotone: isMonotone(sizesOf(published)),
    size: (await opened(ports)).size,
  });
  const allIsWell = { log: [], signed: [], monotone: true, size: 528 };

  test("whatever call fails, or was the last before the process died, the next one signs, and nothing contradicts it", async () => {
    let tried = 0;
    const met = new Set<string>();
    let calls = 0;
    const work = async (ports: LogPorts, faulty: LogPorts): Promise<void> => {
      await sequence(ports, some(0, 2));
      await sign(faulty, nowMs).catch(() => undefined);
      await sequence(ports, some(2, 4));
      await sign(faulty, nowMs).catch(() => undefined);
    };
    await on(async (ports) => {
      const counting = faultyAt(ports, never, "failed");
      await work(ports, counting);
      calls = counting.names.length;
    });
    // On real stores a part of what memory tries: each call in one way, or a third of them where each takes its time.
    const step = name === "memory" ? 1 : name === "SQLite" ? 4 : 12;
    for (const [first, kind] of faultKinds.entries())
      for (let n = first % step; n < calls; n += step)
        await on(async (ports, seen) => {
          const faulty = faultyAt(ports, n, kind);
          await work(ports, faulty);
          met.add(faulty.names[n] ?? "none");
          await sign(inNewProcess(ports), nowMs + 1);
          await sequence(ports, some(4));
          expect((await sign(ports, nowMs + 2)).outcome).toBe("published");
          expect([n, kind, await sound(ports, seen)]).toEqual([n, kind, allIsWell]);
          tried += 1;
        });
    if (name === "memory")
      expect([...met].sort()).toEqual(
        expect.arrayContaining([
          "blobs.read",
          "checkpoints.publish",
          "checkpoints.publishKeys",
          "checkpoints.read",
          "events.publish",
          "head.read",
          "key.sign",
          "promised.read",
          "promised.write",
          "witness.cosign",
        ]),
      );
    console.log(`${name}: ${tried} faults tried at ${met.size} methods of the signer, no contradiction`);
  }, 180_000);

  test("what was published is announced, whatever failed in between", async () => {
    if (name !== "memory") return;
    for (let n = 0; n < 40; n += 1) {
      const { ports, said } = aWatchedLog();
      await sequence(ports, batches);
      await sign(faultyAt(ports, n, "killed after"), nowMs).catch(() => undefined);
      await sign(inNewProcess(ports), nowMs + 1);
      expect([n, new Set(said.map((event) => "size" in event && event.size))]).toEqual([n, new Set([528])]);
    }
  });

  test("racing, with failing calls, in any order, two signers and two sequencers contradict nobody", async () => {
    const schedules = { memory: 250, SQLite: 6 }[name] ?? 3;
    let thrown = 0;
    let publications = 0;
    for (let seed = 1; seed <= schedules; seed += 1)
      await on(async (ports, seen) => {
        const random = randomFrom(seed);
        const cut = 1 + Math.floor(random() * 4);
        const signing = async (p: LogPorts): Promise<void> => {
          for (let i = 0; i < 3; i += 1) await sign(p, nowMs + i);
        };
        const errors = await interleaved(
          seed,
          ports,
          [
            async (p) => {
              await sequence(p, some(0, cut));
              await sequence(p, some(cut));
            },
            (p) => sequence(p, some(1, 5)),
            signing,
            signing,
          ],
          { faults: seed % 2 === 0 ? 0.04 : 0 },
        );
        expect([seed, errors.filter((error) => (error as { code?: string }).code !== "unavailable")]).toEqual([
          seed,
          [],
        ]);
        await sequence(inNewProcess(ports), batches);
        await sign(ports, nowMs + 20 * minute);
        expect([seed, await sound(ports, seen)]).toEqual([seed, allIsWell]);
        thrown += errors.length;
        publications += seen.published.length;
      });
    console.log(
      `${name}: ${schedules} schedules of two signers and two sequencers, ${thrown} calls failed, ${publications} publications`,
    );
  }, 180_000);
});

describe("witnesses", () => {
  test("cosign what is published, from what they saw last", async () => {
    const [a, b] = [aWitness("a.test/w"), aWitness("b.test/w")];
    const { ports } = aWatchedLog({ witnesses: [a, b] });
    await sequence(ports, some(0, 1));
    expect(await sign(ports, nowMs)).toMatchObject({ cosignatures: 2, failed: [] });
    await sequence(ports, some(1));
    expect(await sign(ports, nowMs)).toMatchObject({ cosignatures: 2, failed: [] });
    const text = (await ports.checkpoints.read()) ?? "";
    expect(await verifyNote(parseNote(text), [a.key, b.key])).toHaveLength(2);
    expect(a.asked.map((request) => request.split("\n")[0])).toEqual(["old 0", "old 100"]);
  });

  test("one that saw something else says so, and is asked from there", async () => {
    const a = aWitness("a.test/w");
    const { ports } = aWatchedLog({ witnesses: [a] });
    await sequence(ports, some(0, 1));
    await sign({ ...ports, witnesses: [] }, nowMs);
    a.seen = 100;
    await sequence(ports, some(1));
    expect(await sign(ports, nowMs)).toMatchObject({ cosignatures: 1 });
    expect(a.asked.map((request) => request.split("\n")[0])).toEqual(["old 0", "old 100"]);
  });

  /** As if it saw this log for the first time. */
  const aWitnessOf = (witness: ReturnType<typeof aWitness>) => ({
    ...witness,
    cosign(request: string) {
      witness.seen = 0;
      return witness.cosign(request);
    },
  });
  const good = aWitness("good.test/w");
  const bad = aWitness("bad.test/w");
  const other = aWitness("bad.test/w");
  const answers: readonly (readonly [string, LogPorts["witnesses"][0]["cosign"], string])[] = [
    ["is away", () => Promise.reject(new Error("no answer in 2 s")), "no answer in 2 s"],
    ["refuses", async () => ({ status: 422, text: "" }), "answered 422."],
    ["says nothing", async () => ({ status: 200, text: "" }), "signature"],
    ["says something else", async () => ({ status: 200, text: "<html>\n" }), "signature"],
    ["signs with another key", (request) => other.cosign(request), "without its signature"],
    [
      "signs something else",
      async (request) => {
        const { text } = await aWitnessOf(bad).cosign(request.replace(/\n528\n/, "\n999\n"));
        return { status: 200, text };
      },
      "is not that of bad.test/w",
    ],
    ["has seen more than there is", async () => ({ status: 409, text: "1000\n" }), "has seen 1000 leaves"],
    ["never agrees where to begin", async () => ({ status: 409, text: "7\n" }), "answered 409."],
  ];
  test.each(answers)("one that %s is named and left out", async (_, cosign, why) => {
    const { ports } = aWatchedLog({ witnesses: [{ key: bad.key, cosign }, aWitnessOf(good)] });
    await sequence(ports, batches);
    const { outcome, cosignatures, failed } = await sign(ports, nowMs);
    expect({ outcome, cosignatures }).toEqual({ outcome: "published", cosignatures: 1 });
    expect(failed).toMatchObject([{ name: "bad.test/w", why: expect.stringContaining(why) }]);
    expect((await opened(ports)).size).toBe(528);
  });

  test("what one has signed stays when it is away at the next publication of the same", async () => {
    const a = aWitness("a.test/w");
    const { ports } = aWatchedLog({ witnesses: [a] });
    await sequence(ports, batches);
    await sign(ports, nowMs);
    const away = { key: a.key, cosign: () => Promise.reject(new Error("away")) };
    const signed = await sign({ ...ports, witnesses: [away] }, nowMs + 11 * minute);
    expect(signed).toMatchObject({ outcome: "published", cosignatures: 1, failed: [] });
    const text = (await ports.checkpoints.read()) ?? "";
    expect(await verifyNote(parseNote(text), [a.key])).toHaveLength(1);
  });

  test("one that is away is asked again each minute on a quiet log, and no more once it has signed", async () => {
    const [a, b] = [aWitness("a.test/w"), aWitness("b.test/w")];
    const { ports, published } = aWatchedLog();
    await sequence(ports, batches);
    let away = true;
    let asked = 0;
    const cosign = async (request: string) => {
      asked += 1;
      if (away) throw new Error("away");
      return a.cosign(request);
    };
    const witnesses = [{ key: a.key, cosign }, b];
    const at = (ms: number) => sign({ ...ports, witnesses }, nowMs + ms);
    expect(await at(0)).toMatchObject({ outcome: "published", cosignatures: 1 });
    for (const ms of [1_000, 10_000, 30_000]) expect((await at(ms)).outcome).toBe("current");
    expect(asked).toBe(1);
    expect(await at(minute)).toMatchObject({ outcome: "published", cosignatures: 1, failed: [{ name: "a.test/w" }] });
    expect((await at(minute + 30_000)).outcome).toBe("current");
    away = false;
    expect(await at(2 * minute)).toMatchObject({ outcome: "published", cosignatures: 2, failed: [] });
    for (let i = 3; i < 12; i += 1) expect((await at(i * minute)).outcome).toBe("current");
    expect(published).toHaveLength(3);
    expect(await verifyNote(parseNote(published.at(-1) ?? ""), [a.key, b.key])).toHaveLength(2);
  });
});

describe("a receipt", () => {
  const proving = (ports: LogPorts) => ({ ...ports, keys: verifiers(ports) });
  const placeOf = (batch: StoredBatch | undefined, index: number) => ({
    emitter: batch?.headers.emitter ?? "",
    seq: batch?.headers.seq ?? 0,
    index,
  });

  test("proves any record of the log by itself", async () => {
    const { ports } = aMemoryLog();
    await sequence(ports, some(0, 3));
    await sign(ports, nowMs);
    await sequence(ports, some(3));
    await sign(ports, nowMs);
    for (const [i, batch] of batches.entries())
      for (const index of [0, batch.headers.count - 1]) {
        const receipt = parseReceipt(receiptText(await prove(proving(ports), placeOf(batch, index))));
        const { size, root } = await openCheckpoint(receipt.checkpoint, verifiers(ports));
        const extra = receipt.extra ?? new Uint8Array();
        expect(parseLeaf(extra)).toMatchObject({ ...placeOf(batch, index), batch: batches[i]?.identity });
        const { index: leaf, proof } = receipt;
        expect(verifyInclusion({ index: leaf, size, root, leaf: hashLeaf(extra), proof })).toBe(true);
      }
  });

  test("is not there before the record is in the log, and signed; it says which", async () => {
    const { ports } = aMemoryLog();
    const place = placeOf(batches[0], 3);
    const because = (text: string) => ({ code: "not_found", message: expect.stringContaining(text) });
    expect(await thrownBy(prove(proving(ports), place))).toMatchObject(because("not in the log"));
    await sequence(ports, some(0, 1));
    expect(await thrownBy(prove(proving(ports), place))).toMatchObject(because("signed checkpoint has 0 leaves"));
    await sign(ports, nowMs);
    expect(await thrownBy(prove(proving(ports), { ...place, index: 100 }))).toMatchObject(because("has 100 records"));
    expect((await prove(proving(ports), place)).index).toBe(3);
  });

  test("is never one of another record, whatever the index says", async () => {
    const { ports, rows } = aMemoryLog();
    await sequence(ports, batches);
    await sign(ports, nowMs);
    const place = placeOf(batches[2], 0);
    for (const forged of [0, 100, 189, 191, 527]) {
      rows.set(`${place.emitter} ${place.seq}`, forged);
      const error = await thrownBy(prove(proving(ports), place));
      expect(error).toMatchObject({ code: "internal", message: expect.stringContaining(recordId(place)) });
    }
  });

  test("is not made from objects that do not fit the signed root", async () => {
    const { ports, objects } = aMemoryLog();
    await sequence(ports, batches);
    await sign(ports, nowMs);
    for (const [name, bytes] of objects) {
      objects.set(
        name,
        bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
      );
      const made = await prove(proving(ports), placeOf(batches[0], 0)).catch((error: unknown) => error);
      if (!(made instanceof Error)) {
        const { index, proof, extra = new Uint8Array(), checkpoint } = made as Awaited<ReturnType<typeof prove>>;
        const { size, root } = await openCheckpoint(checkpoint, verifiers(ports));
        expect(verifyInclusion({ index, size, root, leaf: hashLeaf(extra), proof })).toBe(true);
      } else expect(made).toMatchObject({ code: "internal" });
      objects.set(name, bytes);
    }
  });
});
