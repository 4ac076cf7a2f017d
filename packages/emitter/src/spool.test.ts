import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import {
  type AuditRecord,
  bodyLines,
  type CallRecord,
  checkSeal,
  type Envelope,
  firstPrev,
  headersHash,
  identityOf,
  maxEnvelopeBytes,
  recordSchema,
} from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { adopt, isSpent, recover } from "./adopt.ts";
import type { PutEvents } from "./bus.ts";
import { markSent } from "./chain.ts";
import type { BegunCall } from "./journal.ts";
import { isAlive } from "./liveness.ts";
import { createSender, waitMs } from "./sender.ts";
import { openSpool, type Spool, type SpoolOptions } from "./spool.ts";

let root: string;
let spoolDir: string;
let now: number;
let nonce: number;
let keys: ReturnType<typeof loadKeys>;
const open: Spool[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tooltrail-spool-"));
  spoolDir = join(root, "spool");
  mkdirSync(spoolDir);
  keys = loadKeys(spoolDir, undefined);
  [now, nonce] = [1_000, 0];
});
afterEach(async () => {
  for (const spool of open.splice(0)) await spool.stop().then(spool.release);
  rmSync(root, { recursive: true, force: true });
});

async function aSpool(more: Partial<SpoolOptions> = {}): Promise<Spool> {
  nonce += 1;
  const spool = openSpool({
    spoolDir,
    identity: identityOf(keys.installationPem, new Uint8Array(16).fill(nonce)),
    server: { id: "files" },
    sides: { principals: {} },
    fsync: false,
    flushAfterMs: 1_000_000,
    now: () => now,
    reserve: () => true,
    onSealed: () => undefined,
    ...more,
  });
  open.push(spool);
  return spool;
}

const begun = (n: number): BegunCall => ({
  schema: recordSchema,
  kind: "call",
  at: now,
  callId: `call_${String(n)
    .padStart(26, "a")
    .replace(/\d/g, (d) => "abcdefghij"[Number(d)] ?? "a")}`,
  attempt: 1,
  principal: { ref: `p_${"a".repeat(26)}`, method: "os", verified: true },
  tool: `tool-${n}`,
});
const ended = (n: number, more: Partial<CallRecord> = {}): CallRecord => ({
  ...begun(n),
  final: true,
  outcome: { class: "ok" },
  ...more,
});

const envelopes = (dir: string): Envelope[] =>
  readdirSync(dir)
    .filter((name) => /\.(batch|sent)$/.test(name))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")) as Envelope);
const recordsIn = (dir: string): AuditRecord[] =>
  envelopes(dir).flatMap(({ body }) => (bodyLines(body) ?? []).map((line) => JSON.parse(line) as AuditRecord));

/** The chain as ingest and an auditor would see it. */
function expectSoundChain(dir: string): void {
  let prev = firstPrev;
  for (const [i, envelope] of envelopes(dir).entries()) {
    expect(checkSeal(envelope)).toBeUndefined();
    expect(envelope.headers).toMatchObject({ seq: i, prev });
    expect(Buffer.byteLength(JSON.stringify(envelope))).toBeLessThanOrEqual(maxEnvelopeBytes);
    prev = headersHash(envelope.headers);
  }
}

/** What kill -9 leaves: the folder as it is, and nobody behind its socket. */
function kill(spool: Spool): void {
  open.splice(open.indexOf(spool), 1);
  rmSync(join(spool.dir, "alive"), { force: true });
}

async function adoptAll(by: Spool): Promise<string[]> {
  const dirs = await adopt(spoolDir, by.dir);
  for (const dir of dirs) await recover(dir, keys.installationPem, false);
  return dirs;
}

describe("a spool", () => {
  test("seals what it was given, in order, as a chain, and nothing twice", async () => {
    const spool = await aSpool();
    for (let n = 0; n < 350; n += 1) {
      spool.begin(begun(n));
      spool.end(ended(n));
    }
    await spool.stop();
    expectSoundChain(spool.dir);
    expect(recordsIn(spool.dir).map((record) => (record.kind === "call" ? record.tool : record.kind))).toEqual([
      ...Array.from({ length: 350 }, (_, n) => `tool-${n}`),
      "lifecycle",
    ]);
    expect(recordsIn(spool.dir).at(-1)).toMatchObject({ event: "stopped", lastSeq: envelopes(spool.dir).length - 1 });
  });

  test("waits with its first batch until the server has a name", async () => {
    const spool = await aSpool();
    spool.write({ schema: recordSchema, kind: "lifecycle", at: now, event: "started" });
    await spool.flush();
    expect(envelopes(spool.dir)).toEqual([]);
    spool.identify({ id: "everything", version: "2" });
    await spool.flush();
    expect(envelopes(spool.dir)).toMatchObject([{ headers: { server: { id: "everything", version: "2" } } }]);
  });

  test("keeps a batch's records within ten minutes of each other", async () => {
    const spool = await aSpool();
    spool.end(ended(1));
    now += 11 * 60_000;
    spool.end(ended(2, { at: now }));
    await spool.stop();
    for (const { headers } of envelopes(spool.dir)) expect(headers.lastAt - headers.firstAt).toBeLessThan(600_000);
    expect(recordsIn(spool.dir)).toHaveLength(3);
  });

  test("that has no room counts what it could not keep, and says so once there is room", async () => {
    let room = true;
    const spool = await aSpool({ reserve: () => room });
    spool.end(ended(0));
    room = false;
    const big = "x".repeat(12_000);
    for (let n = 1; n <= 500; n += 1) spool.end(ended(n, { tenant: big }));
    room = true;
    spool.end(ended(501));
    await spool.stop();
    const records = recordsIn(spool.dir);
    const lost = records
      .filter((record) => record.kind === "lifecycle" && record.event === "lost")
      .map((record) => record.kind === "lifecycle" && record.count);
    const kept = records.filter(({ kind }) => kind === "call").length;
    expect(lost).toHaveLength(1);
    expect(kept + Number(lost[0])).toBe(502);
    expect(kept).toBeGreaterThan(300); // 4 MiB of memory
    expectSoundChain(spool.dir);
  });
});

describe("names", () => {
  const someone = (n: number) => ({
    ref: `p_${String(n)
      .padStart(26, "a")
      .replace(/\d/g, (d) => "abcdefghij"[Number(d)] ?? "a")}`,
    name: { issuer: "https://id.example", subject: `person ${n}` },
  });
  const by = <T extends BegunCall>(call: T, n: number): T => ({
    ...call,
    principal: { ref: someone(n).ref, method: "token", verified: true },
  });
  const namesIn = (envelope: Envelope) =>
    Object.values(envelope.sides.principals)
      .map(({ subject }) => subject)
      .sort();
  const callersIn = (envelope: Envelope) =>
    (bodyLines(envelope.body) ?? [])
      .map((line) => JSON.parse(line) as AuditRecord)
      .flatMap((record) => ("principal" in record ? [record.principal.ref] : []));

  test("are in the batches whose records need them, and in no other", async () => {
    const spool = await aSpool({ sides: { principals: { [`p_${"z".repeat(26)}`]: { issuer: "os", subject: "me" } } } });
    for (let n = 0; n < 250; n += 1) {
      spool.begin(by(begun(n), n), undefined, someone(n).name);
      spool.end(by(ended(n), n), someone(n).name);
    }
    await spool.stop();
    expectSoundChain(spool.dir);
    for (const envelope of envelopes(spool.dir)) {
      const named = Object.keys(envelope.sides.principals);
      expect(new Set(callersIn(envelope))).toEqual(new Set(named.filter((ref) => ref !== `p_${"z".repeat(26)}`)));
      expect(named).toContain(`p_${"z".repeat(26)}`);
    }
  });

  test("of any length leave room: no envelope is too large", async () => {
    const spool = await aSpool();
    const long = { issuer: "\u0001".repeat(512), subject: "漢".repeat(512) };
    for (let n = 0; n < 100; n += 1) spool.end(by(ended(n, { tenant: "x".repeat(100) }), n), long);
    await spool.stop();
    expectSoundChain(spool.dir); // looks at the size, too
    expect(envelopes(spool.dir).flatMap(callersIn)).toHaveLength(100);
  });

  test("of open calls survive their process over many journals, and those of ended ones are not dragged along", async () => {
    const dead = await aSpool();
    dead.begin(by(begun(9_999), 9_999), undefined, someone(9_999).name);
    for (let n = 0; n < 300; n += 1) {
      dead.begin(by(begun(n), n), undefined, someone(n).name);
      dead.end(by(ended(n), n), someone(n).name);
    }
    await dead.flush();
    dead.begin(by(begun(500), 500), undefined, someone(500).name);
    kill(dead);
    const newest = readFileSync(
      join(dead.dir, readdirSync(dead.dir).find((name) => name.endsWith(".journal")) ?? ""),
      "utf8",
    );
    expect(newest).not.toContain("person 3");
    const [dir = ""] = await adoptAll(await aSpool());
    expectSoundChain(dir);
    const last = envelopes(dir).at(-1);
    expect(last && namesIn(last)).toEqual(["person 500", "person 9999"]);
  });

  test("that could not be written at first are there when their records are", async () => {
    let room = false;
    const spool = await aSpool({ reserve: () => room });
    spool.begin(by(begun(1), 1), undefined, someone(1).name);
    spool.end(by(ended(1), 1), someone(1).name);
    room = true;
    spool.end(by(ended(2), 2), someone(2).name);
    await spool.stop();
    expect(envelopes(spool.dir).map(namesIn)).toEqual([["person 1", "person 2"]]);
  });
});

describe("adoption", () => {
  test("tells the living from the dead below a path that is too long for a socket", async () => {
    const deep = join(spoolDir, "d".repeat(60), "e".repeat(60));
    mkdirSync(deep, { recursive: true });
    const spool = await aSpool({ spoolDir: deep });
    expect(await isAlive(spool.dir)).toBe(true);
    kill(spool);
    expect(await isAlive(spool.dir)).toBe(false);
  });

  test("a living process's folder is never taken, a dead one's by exactly one", async () => {
    const [living, dead, one, two] = [await aSpool(), await aSpool(), await aSpool(), await aSpool()];
    dead.end(ended(1));
    kill(dead);
    const taken = await Promise.all([adopt(spoolDir, one.dir), adopt(spoolDir, two.dir)]);
    expect(taken.flat()).toHaveLength(1);
    expect(await isAlive(living.dir)).toBe(true);
  });

  test("ends what was open as unknown, once, under the dead one's own id and numbers", async () => {
    const dead = await aSpool();
    dead.begin(begun(1));
    dead.end(ended(1));
    await dead.flush();
    dead.identify({ id: "everything" });
    dead.begin(begun(2));
    now = 5_000;
    dead.begin(begun(3));
    kill(dead);
    const [dir = ""] = await adoptAll(await aSpool());
    expectSoundChain(dir);
    expect(recordsIn(dir)).toMatchObject([
      { tool: "tool-1", outcome: { class: "ok" } },
      { tool: "tool-2", at: 5_000, final: true, outcome: { class: "unknown", reason: "emitter_died" } },
      { tool: "tool-3", at: 5_000, final: true, outcome: { class: "unknown", reason: "emitter_died" } },
      { event: "stopped", reason: "adopted", lastSeq: 1 },
    ]);
    expect(envelopes(dir)[0]?.headers.emitter).toBe(
      identityOf(keys.installationPem, new Uint8Array(16).fill(1)).emitter,
    );
  });

  test("a call open over many journals is still known, and one that ended is not revived", async () => {
    const dead = await aSpool();
    dead.begin(begun(9_999));
    for (let n = 0; n < 300; n += 1) {
      dead.begin(begun(n));
      dead.end(ended(n));
    }
    await dead.flush();
    kill(dead);
    const [dir = ""] = await adoptAll(await aSpool());
    const unknown = recordsIn(dir).filter((record) => record.kind === "call" && record.outcome.class === "unknown");
    expect(unknown).toMatchObject([{ tool: "tool-9999" }]);
    expect(recordsIn(dir)).toHaveLength(302);
    expectSoundChain(dir);
  });

  test("a round of input that never came is ended by the adopter, as the next attempt", async () => {
    const dead = await aSpool();
    dead.begin(begun(1));
    dead.end(ended(1, { final: false, outcome: { class: "input_required" } }));
    kill(dead);
    const [dir = ""] = await adoptAll(await aSpool());
    expect(recordsIn(dir)).toMatchObject([
      { attempt: 1, final: false },
      { attempt: 2, final: true, outcome: { class: "unknown" } },
      { event: "stopped" },
    ]);
  });

  test("a thousand open calls make as many records, in as many batches as it takes", async () => {
    const dead = await aSpool();
    for (let n = 0; n < 1_000; n += 1) dead.begin(begun(n));
    kill(dead);
    const [dir = ""] = await adoptAll(await aSpool());
    expectSoundChain(dir);
    expect(recordsIn(dir).filter(({ kind }) => kind === "call")).toHaveLength(1_000);
    expect(recordsIn(dir).at(-1)).toMatchObject({ event: "stopped", lastSeq: envelopes(dir).length - 1 });
  });

  test("a torn last line was never whole", async () => {
    const dead = await aSpool();
    dead.end(ended(1));
    kill(dead);
    writeFileSync(join(dead.dir, "0.journal"), '{"r":{"schema":"tooltrail.record/1","kind":"ca', { flag: "a" });
    const [dir = ""] = await adoptAll(await aSpool());
    expect(recordsIn(dir)).toMatchObject([{ tool: "tool-1" }, { event: "stopped" }]);
  });

  test("an adopter that dies is adopted with all that it had", async () => {
    const [first, second] = [await aSpool(), await aSpool()];
    first.begin(begun(1));
    kill(first);
    await adopt(spoolDir, second.dir);
    second.begin(begun(2));
    kill(second);
    const dirs = await adoptAll(await aSpool());
    expect(dirs).toHaveLength(2);
    expect(dirs.flatMap(recordsIn).filter(({ kind }) => kind === "call")).toHaveLength(2);
  });

  test("what the dead had adopted is found at every level, and nothing is spent that holds it", async () => {
    const chain = [await aSpool(), await aSpool(), await aSpool(), await aSpool()];
    for (const [n, spool] of chain.entries()) {
      spool.begin(begun(n));
      kill(spool);
      // As if each had been killed after taking the one before, and before taking what that one had.
      const [before] = chain.slice(n - 1, n);
      if (n === 0 || !before) continue;
      mkdirSync(join(spool.dir, "adopted"));
      renameSync(before.dir, join(spool.dir, "adopted", basename(before.dir)));
    }
    const last = await aSpool();
    const dirs = await adoptAll(last);
    expect(dirs).toHaveLength(4);
    expect(dirs.flatMap(recordsIn).filter(({ kind }) => kind === "call")).toHaveLength(4);
    expect(isSpent(last.dir)).toBe(false);
  });

  test("a flush that is due while it stops begins nothing after the last record", async () => {
    const spool = await aSpool({ flushAfterMs: 0 });
    for (let n = 0; n < 300; n += 1) spool.end(ended(n));
    await Promise.all([spool.stop(), spool.flush(), new Promise((resolve) => setTimeout(resolve, 50))]);
    await spool.flush();
    expect(recordsIn(spool.dir).at(-1)).toMatchObject({ event: "stopped", lastSeq: envelopes(spool.dir).length - 1 });
    expect(readdirSync(spool.dir).filter((name) => name.endsWith(".journal"))).toEqual([]);
    open.splice(open.indexOf(spool), 1);
  });

  test("recovery may be cut off anywhere and begun again", async () => {
    const dead = await aSpool();
    for (let n = 0; n < 120; n += 1) {
      dead.begin(begun(n));
      if (n % 3 > 0) dead.end(ended(n));
    }
    kill(dead);
    const [whole = ""] = await adopt(spoolDir, (await aSpool()).dir);
    // Each file that it makes cannot be made once: a folder stands in its place.
    for (const obstacle of ["0.journal.tmp", "1.journal.tmp", "0.batch.tmp", "1.batch.tmp"]) {
      mkdirSync(join(whole, obstacle));
      await expect(recover(whole, keys.installationPem, false)).rejects.toThrow();
      rmSync(join(whole, obstacle), { recursive: true });
    }
    await recover(whole, keys.installationPem, false);
    await recover(whole, keys.installationPem, false);
    expectSoundChain(whole);
    const calls = recordsIn(whole).filter((record) => record.kind === "call");
    expect(calls).toHaveLength(120);
    expect(calls.filter(({ outcome }) => outcome.class === "unknown")).toHaveLength(40);
    expect(recordsIn(whole).filter(({ kind }) => kind === "lifecycle")).toHaveLength(1);
  });

  test("a folder that was written under another installation key is left as it is", async () => {
    const dead = await aSpool();
    dead.end(ended(1));
    kill(dead);
    rmSync(join(root, "installation.key"));
    const other = loadKeys(spoolDir, undefined);
    const [dir = ""] = await adopt(spoolDir, (await aSpool()).dir);
    await expect(recover(dir, other.installationPem, false)).rejects.toThrow(/another installation key/);
    expect(readdirSync(dir)).toContain("0.journal");
  });
});

describe("the sender", () => {
  const senderFor = (dirs: string[], putEvents: PutEvents, random = () => 0) =>
    createSender({ folders: () => dirs, putEvents, random, onDrained: async () => undefined });
  async function sealed(batches: number): Promise<string> {
    const spool = await aSpool();
    for (let n = 0; n < batches; n += 1) {
      spool.end(ended(n));
      await spool.flush();
    }
    return spool.dir;
  }

  test("sends the same bytes, in order, until the bus has them: a bus that was down for an hour loses nothing", async () => {
    const dir = await sealed(25);
    const tries: string[][] = [];
    let down = 60;
    const taken: number[] = [];
    const putEvents: PutEvents = async (details) => {
      tries.push([...details]);
      if (down-- > 0) throw new Error("connection refused");
      taken.push(...details.map((detail) => (JSON.parse(detail) as Envelope).headers.seq));
      return details.map(() => "taken");
    };
    await senderFor([dir], putEvents).finish(20_000);
    expect(taken).toEqual(Array.from({ length: 25 }, (_, i) => i));
    expect(new Set(tries.slice(0, 60).map((batch) => batch.join())).size).toBe(1);
    expect(readdirSync(dir).filter((name) => /\.(batch|sent)$/.test(name))).toEqual(["24.sent"]);
  });

  test("does not wait at the end for a bus where nobody listens, however long it had paused", async () => {
    const dir = await sealed(1);
    let tries = 0;
    const putEvents: PutEvents = async () => {
      tries += 1;
      throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    };
    const sender = senderFor([dir], putEvents, () => 1_000); // it pauses for minutes
    sender.wake();
    await vi.waitFor(() => expect(tries).toBe(1));
    const before = performance.now();
    await sender.finish(20_000);
    expect(performance.now() - before).toBeLessThan(5_000);
    expect(tries).toBe(2);
    expect(readdirSync(dir)).toContain("0.batch");
  });

  test("goes on after the entries that were taken, keeps those for later, and sets aside what will never be taken", async () => {
    const dir = await sealed(5);
    const seen: number[] = [];
    const answers = new Map([
      [1, ["later", "taken"]],
      [3, ["refused"]],
    ]);
    const putEvents: PutEvents = async (details) =>
      details.map((detail) => {
        const { seq } = (JSON.parse(detail) as Envelope).headers;
        seen.push(seq);
        return (answers.get(seq)?.shift() ?? "taken") as "taken" | "later" | "refused";
      });
    await senderFor([dir], putEvents).finish(20_000);
    expect(seen).toEqual([0, 1, 2, 3, 4, 1]);
    expect(
      readdirSync(dir)
        .filter((name) => /\.(batch|sent|refused)$/.test(name))
        .sort(),
    ).toEqual(["3.refused", "4.sent"]);
    expect(isSpent(dir)).toBe(false);
  });

  test("one folder that cannot be read does not hold up the others", async () => {
    const [gone, sound] = [join(spoolDir, "gone"), await sealed(3)];
    await senderFor([gone, sound], async (details) => details.map(() => "taken")).finish(200);
    expect(readdirSync(sound).filter((name) => name.endsWith(".batch"))).toEqual([]);
  });

  test("waits at random, longer each time, and never more than 30 s", () => {
    const bounds = Array.from({ length: 20 }, (_, failures) => waitMs(failures + 1, 1));
    expect(bounds.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(Math.max(...bounds)).toBe(30_000);
    expect(waitMs(5, 0)).toBe(0);
  });

  test("a bus that never answers does not hold up the end", async () => {
    const dir = await sealed(1);
    const hanging: PutEvents = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const before = performance.now();
    await senderFor([dir], hanging).finish(100);
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(readdirSync(dir)).toContain("0.batch");
  });

  test("killed between the answer and its note, it sends again; the note is kept for the next number", async () => {
    const dir = await sealed(2);
    markSent(dir, 0);
    markSent(dir, 1);
    renameSync(join(dir, "1.sent"), join(dir, "1.batch")); // as if the note had not been written
    const seen: number[] = [];
    await senderFor([dir], async (details) => {
      seen.push(...details.map((detail) => (JSON.parse(detail) as Envelope).headers.seq));
      return details.map(() => "taken");
    }).finish(1_000);
    expect(seen).toEqual([1]);
  });
});
