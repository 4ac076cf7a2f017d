import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readLedger } from "@tooltrail/core/verify/ledger-reader";
import type { Report } from "@tooltrail/core/verify/report";
import { serveLedger } from "@tooltrail/core/verify/served-ledger";
import type { LedgerSource, LogSource } from "@tooltrail/core/verify/sources";
import { parseState, stateBytes, type VerifiedState } from "@tooltrail/core/verify/state";
import { type VerifyOptions, verify } from "@tooltrail/core/verify/verify";
import {
  type Checkpoint,
  decodeBundle,
  encodeBundle,
  grow,
  hashLeaf,
  parsePolicy,
  tilePath,
  toBase64,
  vkeyText,
} from "@tooltrail/format/log";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteBatchIndex } from "@tooltrail/local/sqlite-batch-index";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { config } from "../../packages/cli/src/config.ts";
import { openSource } from "../../packages/cli/src/log-source.ts";
import {
  aKey,
  aMixedLog,
  aPlainBatch,
  aSignedLog,
  batchesOf,
  logKey,
  type SignedLog,
  signedCheckpoint,
  writeDataFolder,
  writeObjects,
} from "../support/signed-log.ts";

/** How many bits are flipped: some, or with TOOLTRAIL_FLIPS=all each one, which takes a day. */
const flips = process.env.TOOLTRAIL_FLIPS ?? "400";

const folders: string[] = [];
function aFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-verify-"));
  folders.push(dir);
  return dir;
}
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

const trusting: VerifyOptions = { keys: [logKey.key], maxLatenessMs: 90_000_000 };

async function verified(dir: string, options: Partial<VerifyOptions> = {}): Promise<Report> {
  const source = await openSource(dir, true, () => config({ TOOLTRAIL_SPOOL: join(dir, "spool") }));
  try {
    return await verify(source, { ...trusting, ...options });
  } finally {
    source.close();
  }
}

const startMs = 1_800_000_000_000;

function tamper(dir: string, sql: string): void {
  const db = new DatabaseSync(join(dir, "tooltrail.db"));
  db.exec("DROP TRIGGER ledger_is_append_only; DROP TRIGGER ledger_keeps_all;");
  db.exec(sql);
  db.close();
}

const codes = ({ failures }: Report): string[] => [...new Set(failures.map(({ code }) => code))];
const pinOf = ({ size, root }: Checkpoint) => ({ size, root, checkedAtMs: 1_800_000_000_000 });

let log: SignedLog;
beforeAll(async () => {
  log = await aMixedLog();
});

test("a log with its ledger is sound, and so is its every earlier state", async () => {
  const dir = aFolder();
  await writeDataFolder(dir, log);
  const report = await verified(dir);
  expect(report.failures).toEqual([]);
  expect(report.checked).toMatchObject({
    leaves: log.checkpoints.at(-1)?.size,
    batches: log.batches.length,
    ledgerBatches: log.batches.length,
    emitters: 2,
    objects: log.objects.size,
  });
  expect(report.notices).toEqual([]);
  for (const { text, size } of log.checkpoints) {
    writeFileSync(join(dir, "log/checkpoint"), text);
    const earlier = await verified(dir);
    expect([earlier.size, codes(earlier).filter((code) => code !== "not_in_log")]).toEqual([size, []]);
  }
});

test.each([
  ["", false],
  [", with the ledger beside it", true],
])(
  "every bit of every object counts%s",
  async (_, withLedger) => {
    const place = aFolder();
    const dir = withLedger ? join(place, "log") : place;
    if (withLedger) await writeDataFolder(place, log);
    else writeObjects(dir, log.objects);
    const objects = [...log.objects].map(([name, bytes]) => ({ name, bytes, bits: bytes.length * 8 }));
    const all = objects.flatMap(({ name, bits }) => {
      // Of a small object each bit, or nearly; of a large one some, evenly.
      const count = flips === "all" ? bits : Math.min(bits, Math.ceil(Number(flips) / objects.length));
      return Array.from({ length: count }, (_, i) => ({ name, bit: Math.floor(((i + 0.37) * bits) / count) }));
    });
    const missed: string[] = [];
    for (const { name, bit } of all) {
      const bytes = Buffer.from(log.objects.get(name) ?? []);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(join(dir, name), bytes);
      if ((await verified(place)).sound) missed.push(`${name} bit ${bit}`);
      writeFileSync(join(dir, name), log.objects.get(name) ?? "");
    }
    console.log(`bits flipped: ${all.length} in ${objects.length} objects; caught: ${all.length - missed.length}`);
    expect(missed).toEqual([]);
    expect((await verified(place)).sound).toBe(true);
  },
  100_000_000,
);

test("every bit of checkpoint and key counts", async () => {
  const dir = aFolder();
  writeObjects(dir, log.objects);
  let tried = 0;
  const missed: string[] = [];
  for (const name of ["checkpoint", "vkey"]) {
    const whole = log.objects.get(name) ?? new Uint8Array();
    for (let bit = 0; bit < whole.length * 8; bit += flips === "all" ? 1 : 3) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      tried += 1;
      // What is wrong with them is found before anything else is read.
      const read = async (asked: string) => (asked === name ? bytes : log.objects.get(asked));
      if ((await verify({ log: { read, list: async () => undefined } }, trusting)).sound)
        missed.push(`${name} bit ${bit}`);
    }
  }
  console.log(`bits of checkpoint and key flipped: ${tried}; caught: ${tried - missed.length}`);
  expect(missed).toEqual([]);
}, 120_000);

test.each([
  ["", false],
  [", with the ledger beside it", true],
])(
  "every object that is dropped, cut, lengthened, doubled or swapped is noticed%s",
  async (_, withLedger) => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    const db = openDatabase(dir, false);
    const ledgerBeside = (objects: ReadonlyMap<string, Uint8Array>) => ({
      ledger: serveLedger({
        ledger: sqliteLedger(db),
        index: sqliteBatchIndex(db),
        blobs: { read: async (name) => objects.get(name) },
        checkpoints: {
          read: async () =>
            objects.has("checkpoint") ? Buffer.from(objects.get("checkpoint") ?? []).toString() : undefined,
        },
      }),
    });
    const names = [...log.objects.keys()];
    const tampered = new Map<string, Map<string, Uint8Array>>();
    const with_ = (what: string, change: (objects: Map<string, Uint8Array>) => void): void => {
      const objects = new Map(log.objects);
      change(objects);
      tampered.set(what, objects);
    };
    const size = log.checkpoints.at(-1)?.size ?? 0;
    for (const [i, name] of names.entries()) {
      const bytes = log.objects.get(name) ?? new Uint8Array();
      // A partial tile of an earlier size may go: that is what retiring it means. A current one may not.
      const partial = /\.p\/(\d+)$/.exec(name);
      const isCurrent =
        partial === null || Number(partial[1]) === (name.startsWith("tile/1/") ? Math.floor(size / 256) : size % 256);
      if (isCurrent && name !== "vkey") with_(`dropped ${name}`, (objects) => objects.delete(name));
      with_(`cut ${name}`, (objects) => objects.set(name, bytes.subarray(0, -1)));
      with_(`emptied ${name}`, (objects) => objects.set(name, new Uint8Array()));
      with_(`lengthened ${name}`, (objects) => objects.set(name, Buffer.concat([bytes, Buffer.of(0)])));
      for (const copy of [
        "tile/0/009",
        "tile/entries/009",
        "tile/1/007",
        "tile/entries/001.p/255",
        "staged/copy",
        "tile/0/0",
      ])
        with_(`${name} again as ${copy}`, (objects) => objects.set(copy, bytes));
      const other = names[(i + 1) % names.length] ?? "";
      with_(`swapped ${name} and ${other}`, (objects) => {
        objects.set(name, log.objects.get(other) ?? new Uint8Array());
        objects.set(other, bytes);
      });
    }
    const missed: string[] = [];
    for (const [what, objects] of tampered) {
      const read = async (name: string) => objects.get(name);
      const list = async () => [...objects.keys()].map((name) => ({ name, versions: 1, deleted: false }));
      const source = { log: { read, list }, ...(withLedger && ledgerBeside(objects)) };
      if ((await verify(source, trusting)).sound) missed.push(what);
    }
    db.close();
    console.log(
      `objects dropped, cut, lengthened, doubled, swapped: ${tampered.size}; caught: ${tampered.size - missed.length}`,
    );
    expect(missed).toEqual([]);
  },
  120_000,
);

test("an object that was written twice in a bucket, or deleted where it is needed, is noticed", async () => {
  const read = async (name: string) => log.objects.get(name);
  const names = [...log.objects.keys()].map((name) => ({ name, versions: 1, deleted: false }));
  const twice = names.map((object) => (object.name === "tile/0/000" ? { ...object, versions: 2 } : object));
  expect(codes(await verify({ log: { read, list: async () => twice } }, trusting))).toEqual(["versions"]);
  const deleted = names.map((object) => (object.name === "tile/0/000" ? { ...object, deleted: true } : object));
  expect(codes(await verify({ log: { read, list: async () => deleted } }, trusting))).toEqual(["object"]);
  const checkpoints = names.map((object) => (object.name === "checkpoint" ? { ...object, versions: 900 } : object));
  expect((await verify({ log: { read, list: async () => checkpoints } }, trusting)).sound).toBe(true);
});

describe("whoever has pinned a checkpoint", () => {
  const last = () => log.checkpoints.at(-1) as SignedLog["checkpoints"][number];

  test("accepts a log that has grown, from each size", async () => {
    const dir = aFolder();
    writeObjects(dir, log.objects);
    for (const checkpoint of log.checkpoints) {
      writeFileSync(join(dir, "checkpoint"), checkpoint.text);
      const { state } = await verified(dir);
      writeFileSync(join(dir, "checkpoint"), last().text);
      for (const known of [undefined, state]) {
        const report = await verified(dir, { pinned: pinOf(checkpoint), ...(known && { state: known }) });
        expect([report.failures, report.notices]).toEqual([[], []]);
        expect(report.from).toBe(known ? checkpoint.size : 0);
        expect(report.checked.leaves).toBe(last().size - report.from);
      }
    }
  });

  test("notices a log that was cut, although it is signed", async () => {
    const dir = aFolder();
    writeObjects(dir, log.objects);
    for (const { text } of log.checkpoints.slice(0, -1)) {
      writeFileSync(join(dir, "checkpoint"), text);
      expect(codes(await verified(dir, { pinned: pinOf(last()) }))).toContain("rollback");
    }
  });

  test("notices a log that was written anew with the same key, of the same size or larger", async () => {
    const dir = aFolder();
    const more = await batchesOf(3, [30]);
    const [first, ...rest] = log.batches;
    const same = await aSignedLog([[...rest, first as (typeof rest)[number]]]);
    const larger = await aSignedLog([[...rest, first as (typeof rest)[number], ...more]]);
    for (const fork of [same, larger]) {
      writeObjects(dir, fork.objects);
      expect(codes(await verified(dir, { pinned: pinOf(last()) }))).toContain("fork");
      rmSync(dir, { recursive: true });
    }
  });

  test("notices another key, and is told both", async () => {
    const dir = aFolder();
    const other = aKey(logKey.key.name, 41);
    writeObjects(dir, (await aSignedLog([log.batches], [other])).objects);
    const report = await verified(dir, { pinned: pinOf(last()) });
    expect(codes(report)).toEqual(["key_changed"]);
    expect(report.failures[0]?.detail).toContain(vkeyText(other.key));
    expect(report.failures[0]?.detail).toContain(vkeyText(logKey.key));
  });

  test("is told of a second key while two sign, and trusts the one that is known", async () => {
    const dir = aFolder();
    writeObjects(dir, (await aSignedLog([log.batches], [aKey(logKey.key.name, 41), logKey])).objects);
    const report = await verified(dir);
    expect([report.sound, report.notices.map(({ code }) => code)]).toEqual([true, ["new_key"]]);
  });
});

test("a policy asks for cosignatures, and what arrived after them is backdated", async () => {
  const dir = aFolder();
  writeObjects(dir, log.objects);
  const witness = aKey("witness.example.com/w", 50, 4);
  const policy = parsePolicy(`log ${vkeyText(logKey.key)}\nwitness w ${vkeyText(witness.key)}\nquorum w\n`);
  expect(codes(await verified(dir, { policy }))).toEqual(["cosignatures"]);
  const checkpoint = log.checkpoints.at(-1) as Checkpoint;
  for (const [atSeconds, sound] of [
    [1_800_000_100, true],
    [1_799_990_000, false],
  ] as const) {
    writeFileSync(join(dir, "checkpoint"), signedCheckpoint(checkpoint, [logKey], [{ ...witness, atSeconds }]));
    expect((await verified(dir, { policy })).sound).toBe(sound);
  }
});

describe("the ledger and the log", () => {
  test.each([
    ["a removed row", "DELETE FROM ledger WHERE rowid = 4", ["ledger_missing"]],
    ["another arrival", "UPDATE ledger SET received_at = received_at + 1 WHERE rowid = 3", ["ledger_differs"]],
    ["another account", "UPDATE ledger SET account = '111111111111' WHERE rowid = 3", ["ledger_differs"]],
    ["another identity", "UPDATE ledger SET identity = replace(identity, 'a', 'b') WHERE rowid = 2", ["seal"]],
    [
      "a row's body under another's headers",
      "UPDATE ledger SET body = (SELECT body FROM ledger WHERE rowid = 5) WHERE rowid = 2",
      ["seal"],
    ],
    [
      "another server",
      "UPDATE ledger SET headers = replace(headers, 'server-1', 'server-9') WHERE rowid = 2",
      ["seal"],
    ],
    [
      "another's signature",
      "UPDATE ledger SET sig = (SELECT sig FROM ledger WHERE rowid = 3) WHERE rowid = 2",
      ["seal"],
    ],
    ["no signature", "UPDATE ledger SET sig = NULL WHERE rowid = 2", ["seal"]],
    [
      "a signed batch that says it is a plain event",
      "UPDATE ledger SET sig = NULL, last_at = 1000, headers = json_set(headers, '$.schema', 'tooltrail.plain/1', '$.lastAt', 1000) WHERE rowid = 2",
      ["seal"],
    ],
    [
      "a signed batch in the very form of a plain event",
      `UPDATE ledger SET sig = NULL, headers = json_remove(json_set(headers, '$.schema', 'tooltrail.plain/1', '$.source', 'x', '$.count', 1),
        '$.key', '$.nonce', '$.prev', '$.sidesSha256') WHERE rowid = 1`,
      ["seal"],
    ],
    ...[
      ["other times", "json_set(headers, '$.lastAt', 1000, '$.firstAt', 1000)"],
      ["two times", "json_set(headers, '$.firstAt', 1000)"],
      ["another's key", "json_set(headers, '$.key', 'x')"],
      ["another source that is none", "json_set(headers, '$.source', 5)"],
    ].map(([what, to]): [string, string, string[]] => [
      `a plain event with ${what}`,
      `UPDATE ledger SET headers = ${to} WHERE headers LIKE '%tooltrail.plain/1%'`,
      ["seal"],
    ]),
    ...[
      "json_remove(headers, '$.server')",
      "json_set(headers, '$.lastAt', 'x')",
      "json_set(headers, '$.server.id', json('{}'))",
      "'{}'",
      "'no json'",
      "'null'",
      "'5'",
    ].flatMap((to): [string, string, string[]][] => [
      [`a row with the headers ${to}`, `UPDATE ledger SET headers = ${to} WHERE rowid = 2`, ["seal"]],
      [
        `a plain event's row with the headers ${to}`,
        `UPDATE ledger SET headers = ${to} WHERE headers LIKE '%tooltrail.plain/1%'`,
        ["seal"],
      ],
    ]),
    ["an arrival that is no number here", "UPDATE ledger SET received_at = 1 << 60 WHERE rowid = 2", ["seal"]],
    ["an empty body", "UPDATE ledger SET body = '' WHERE rowid = 2", ["seal"]],
  ])("%s is noticed", async (_, sql, expected) => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    tamper(dir, sql);
    const report = await verified(dir);
    expect(codes(report)).toEqual(expected);
    expect(report.failures[0]).toMatchObject({ leaf: expect.any(Number), record: expect.stringMatching(/^rec_/) });
  });

  test.each(["-5", "1 << 60"])("a row under the time %s is not found by queries, which is noticed", async (time) => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    tamper(dir, `UPDATE ledger SET last_at = ${time} WHERE rowid = 2`);
    expect(codes(await verified(dir))).toEqual(["listing"]);
  });

  test("a row that cannot be read fails for its readers with its name", async () => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    tamper(dir, "UPDATE ledger SET headers = 'no json' WHERE rowid = 2");
    const db = openDatabase(dir, false);
    const { emitter, seq } = (log.batches[1] as SignedLog["batches"][number]).headers;
    await expect(sqliteLedger(db).read(emitter, seq)).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining(`${emitter} ${seq}`),
    });
    db.close();
  });

  test("a row that never came into the log is noticed, once it had the time", async () => {
    const dir = aFolder();
    const [late] = await batchesOf(7, [2], 1_799_990_000_000);
    const [recent] = await batchesOf(8, [2]);
    await writeDataFolder(dir, log, [...log.batches, late, recent] as typeof log.batches);
    const report = await verified(dir);
    expect(codes(report)).toEqual(["not_in_log"]);
    expect(report.failures[0]?.detail).toContain(late?.headers.emitter);
    expect(report.notices.map(({ code }) => code)).toEqual(["waiting"]);
    const live = await verified(dir, { liveAtMs: 1_800_100_000_000 });
    expect(live.failureCount).toBe(2);
  });

  test("a forged row of the index is noticed", async () => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    tamper(dir, "UPDATE batch_index SET first_leaf = first_leaf + 1 WHERE seq = 3 AND first_leaf < 200");
    expect(codes(await verified(dir))).toEqual(["index"]);
  });

  test.each([
    ["under another server", "UPDATE ledger SET server = 'nobody' WHERE rowid = 2"],
    ["under another time", "UPDATE ledger SET last_at = 1 WHERE rowid = 2"],
  ])("a row that the ledger lists %s is noticed, since queries go by it", async (_, sql) => {
    const dir = aFolder();
    await writeDataFolder(dir, log);
    tamper(dir, sql);
    const report = await verified(dir);
    expect([report.failureCount, codes(report)]).toEqual([1, ["listing"]]);
    expect(report.failures[0]?.detail).toMatch(/^Batch \d+ of emitter [a-z2-7]{26} is listed under /);
  });

  test("a row that has arrived in the future does not wait for ever, and neither does a leaf", async () => {
    const [first, second] = await batchesOf(1, [2, 2]);
    const dir = aFolder();
    await writeDataFolder(dir, await aSignedLog([[first]] as SignedLog["batches"][]), [
      first,
      second,
    ] as SignedLog["batches"]);
    const liveAtMs = startMs + 60_000;
    expect((await verified(dir, { liveAtMs })).notices.map(({ code }) => code)).toEqual(["waiting"]);
    tamper(dir, "UPDATE ledger SET received_at = 9007199254740991 WHERE seq = 1");
    expect(codes(await verified(dir, { liveAtMs }))).toEqual(["future"]);

    const ahead = { ...first, receivedAtMs: startMs + 400 * 86_400_000 } as SignedLog["batches"][number];
    const other = aFolder();
    await writeDataFolder(other, await aSignedLog([[ahead, second]] as SignedLog["batches"][]));
    const report = await verified(other, { liveAtMs });
    expect(report.failures.map(({ code, leaf }) => [code, leaf])).toEqual([["future", 0]]); // and what is behind it is not late
  });

  test("a batch that the ledger has and does not list is noticed", async () => {
    const source = sourceOf(log);
    const { positions } = source.ledger;
    source.ledger.positions = async (cursor) => ({ positions: (await positions(cursor)).positions.slice(1) });
    expect(codes(await verify(source, trusting))).toEqual(["listing"]);
  });

  test("in a log that is in use, the list may not have what has just come yet, and must have the rest", async () => {
    const source = sourceOf(log);
    const { positions } = source.ledger;
    const last = log.batches.at(-1);
    source.ledger.positions = async (cursor) => ({
      positions: (await positions(cursor)).positions.filter(({ emitter }) => emitter !== last?.headers.emitter),
    });
    expect((await verify(source, { ...trusting, liveAtMs: startMs + 60_000 })).failures).toEqual([]);
    expect(codes(await verify(source, { ...trusting, liveAtMs: startMs + 1_000_000 }))).toEqual(["listing"]);
  });

  test("a ledger whose pages are empty, one for each leaf, is asked batch by batch", async () => {
    const source = sourceOf(log);
    const { entries } = source.ledger;
    let pages = 0;
    let asked: readonly object[] = [];
    source.ledger.batchesFrom = async (leaf) => {
      pages += 1;
      return { entries: [], next: leaf + 1 };
    };
    source.ledger.entries = (places) => {
      asked = places;
      return entries(places);
    };
    const { sound, size } = await verify(source, trusting);
    expect([sound, pages <= size]).toEqual([true, true]);
    expect(Object.keys(asked[0] ?? {})).toEqual(["emitter", "seq"]); // and no more of the leaf
  });

  test("a list of made-up batches that has no end is left, and a failure", async () => {
    const source = sourceOf(log);
    let n = 0;
    source.ledger.positions = async () => {
      const positions = Array.from({ length: 1_000 }, (_, i) => ({ emitter: "x", seq: n + i, lastAt: 1, server: "s" }));
      n += 1_000;
      return { positions, next: String(n) };
    };
    source.ledger.entries = async (places) => places;
    const report = await verify(source, trusting);
    expect([codes(report), n]).toEqual([["ledger_missing"], 11_000]);
  });

  test("pages that are once out of step with the leaves come into step again", async () => {
    const all = Array.from({ length: 1_000 }, (_, seq) => ({ emitter: "a", seq }));
    let asked = 0;
    const source: LedgerSource = {
      batchesFrom: async (leaf) => ({
        // Its first page lacks one batch.
        entries: all.slice(leaf, leaf + 100).filter(({ seq }) => seq !== 7),
        ...(leaf + 100 < all.length && { next: leaf + 100 }),
      }),
      positions: async () => ({ positions: [] }),
      entries: async (places) => {
        asked += 1;
        return places;
      },
    };
    const entryAt = readLedger(source, 0, all.length);
    // Of these, the verifier cannot read the leaves: in a page's middle and at its end.
    for (const place of all)
      if (![5, 99, 100].includes(place.seq)) expect(await entryAt(place, place.seq)).toEqual(place);
    expect(asked).toBe(1);
  });

  test.each<[string, (ledger: LedgerSource) => Partial<LedgerSource>]>([
    ["empty pages of batches", () => ({ batchesFrom: async (leaf) => ({ entries: [], next: leaf }) })],
    ["empty pages of the list", () => ({ positions: async (cursor) => ({ positions: [], next: `${cursor}.` }) })],
    [
      "the same cursor of the list",
      () => {
        let n = 0;
        return {
          positions: async () => {
            n += 1;
            return { positions: [{ emitter: "x", seq: n, lastAt: n, server: "s" }], next: "same" };
          },
          entries: async (places) => places,
        };
      },
    ],
    [
      "the same page of the list",
      ({ positions }) => ({ positions: async () => ({ ...(await positions(undefined)), next: "1" }) }),
    ],
    [
      "no answer for what it lists",
      () => ({
        positions: async () => ({ positions: [{ emitter: "e", seq: 1, lastAt: 1, server: "s" }] }),
        entries: async () => [],
      }),
    ],
  ])("a ledger that does not advance cannot be told from any: %s", async (_, change) => {
    const { log: objects, ledger } = sourceOf(log);
    await expect(verify({ log: objects, ledger: { ...ledger, ...change(ledger) } }, trusting)).rejects.toThrow(
      "The ledger",
    );
  });

  test("what waits is asked for in pages, not one by one", async () => {
    const source = sourceOf(log, [...log.batches, ...(await batchesOf(9, Array<number>(250).fill(1)))]);
    const { entries } = source.ledger;
    let asked = 0;
    source.ledger.entries = (places) => {
      asked += 1;
      return entries(places);
    };
    const report = await verify(source, { ...trusting, liveAtMs: startMs + 300_000 });
    expect([report.sound, report.notices[0]?.detail, asked]).toEqual([true, expect.stringMatching(/^250 /), 3]);
  });

  test("a leaf that is none is named, whoever looks through the log for the ledger's pages", async () => {
    const [first, second] = await batchesOf(1, [2, 2]);
    const batches = [first, second] as SignedLog["batches"];
    const { objects, firstLeaves } = await aSignedLog([batches]);
    const leaves = decodeBundle(objects.get("tile/entries/000.p/4") ?? new Uint8Array(), 4).map((leaf) => leaf.slice());
    leaves.splice(2, 0, Buffer.from("not a leaf"));
    const damaged = new Map([["vkey", objects.get("vkey") ?? new Uint8Array()]]);
    const { tiles, size, root } = await grow(0, async () => new Uint8Array(), leaves.map(hashLeaf));
    for (const { tile, bytes } of tiles) damaged.set(tilePath(tile), bytes);
    damaged.set("tile/entries/000.p/5", encodeBundle(leaves));
    damaged.set("checkpoint", Buffer.from(signedCheckpoint({ origin: logKey.key.name, size, root })));
    firstLeaves.set(second as (typeof batches)[number], 3);
    const dir = aFolder();
    await writeDataFolder(dir, { objects: damaged, firstLeaves, batches, checkpoints: [] });
    expect((await verified(dir)).failures).toMatchObject([{ code: "leaf", leaf: 2 }]);
  });
});

/** A log in memory with its ledger, both as they are served. */
function sourceOf(
  { objects, firstLeaves, batches }: SignedLog,
  ledger: readonly SignedLog["batches"][number][] = batches,
): { log: LogSource; ledger: { -readonly [name in keyof LedgerSource]: LedgerSource[name] } } {
  const isAt =
    ({ emitter, seq }: { emitter: string; seq: number }) =>
    (batch: SignedLog["batches"][number]) =>
      batch.headers.emitter === emitter && batch.headers.seq === seq;
  const read = async (name: string) => objects.get(name);
  return {
    log: { read, list: async () => undefined },
    ledger: serveLedger({
      ledger: {
        read: async (emitter, seq) => ledger.find(isAt({ emitter, seq })),
        positions: async () => ({
          positions: ledger.map(({ headers: { emitter, seq, lastAt, server } }) => ({
            emitter,
            seq,
            lastAt,
            server: server.id,
          })),
        }),
      },
      index: {
        firstLeaves: async (places) =>
          places.map((place) => firstLeaves.get(ledger.find(isAt(place)) as SignedLog["batches"][number])),
      },
      blobs: { read },
      checkpoints: { read: async () => Buffer.from(objects.get("checkpoint") ?? []).toString() },
    }),
  };
}

describe("going on from what was known finds what a run from the first leaf does", () => {
  type Batches = SignedLog["batches"];
  interface Case {
    /** Before it is verified the first time, and after. */
    readonly commits: readonly [Batches, Batches];
    readonly ledger?: Batches;
    readonly sql?: string;
    readonly liveAtMs?: number;
  }
  const day = 86_400_000;
  const at = (batch: Batches[number] | undefined, receivedAtMs: number) => ({
    ...(batch as Batches[number]),
    receivedAtMs,
  });
  const some = (seed: number, count: number, fromMs?: number): Promise<Batches> =>
    batchesOf(seed, Array<number>(count).fill(2), fromMs);

  test.each<[string, string[], () => Promise<Case>]>([
    [
      "a gap across the boundary",
      ["gap"],
      async () => {
        const [a, b, , , e] = (await some(1, 5)) as [Batches[number], Batches[number], 0, 0, Batches[number]];
        return { commits: [[a, b], [e]] };
      },
    ],
    [
      "a gap that is filled after it",
      [],
      async () => {
        const [a, b, c] = (await some(1, 3)) as [Batches[number], Batches[number], Batches[number]];
        return { commits: [[a, c], [b]] };
      },
    ],
    [
      "a chain that breaks at it",
      ["chain"],
      async () => {
        const [first] = await some(1, 1);
        const [, second] = await batchesOf(1, [3, 2]);
        return { commits: [[first], [second]] as Case["commits"] };
      },
    ],
    [
      "an arrival before it",
      ["backdated"],
      async () => {
        const [a, b, c, d] = await some(1, 4);
        return { commits: [[a, b] as Batches, [at(c, startMs - 300 * day), at(d, startMs - 299 * day)]] };
      },
    ],
    [
      "a batch before it once more, and the index says so",
      ["batch_twice"],
      async () => {
        const batches = await some(1, 3);
        return { commits: [batches.slice(0, 2), batches], ledger: batches };
      },
    ],
    [
      "a batch that the ledger alone has, with a forged index row",
      ["not_in_log"],
      async () => {
        const [a, b, c, d] = await some(1, 4);
        const sql = `INSERT INTO batch_index VALUES ('${c?.headers.emitter}', 2, 0)`;
        return {
          commits: [[a], [b]] as Case["commits"],
          ledger: [a, b, c] as Batches,
          sql,
          liveAtMs: startMs + day + (d ? 0 : 1),
        };
      },
    ],
    [
      "a batch that the ledger alone has, of days ago",
      ["not_in_log"],
      async () => {
        const [a, b] = await some(1, 2);
        const old = (await some(2, 1, startMs - 5 * day)).map((batch) => at(batch, startMs + 7_200_000));
        return { commits: [[a], [b]] as Case["commits"], ledger: [a, b, ...old] as Batches, liveAtMs: startMs + day };
      },
    ],
    [
      "a row from before it, listed otherwise now",
      ["listing"],
      async () => {
        const [a, b] = await some(1, 2);
        return { commits: [[a], [b]] as Case["commits"], sql: "UPDATE ledger SET last_at = 5 WHERE seq = 0" };
      },
    ],
    [
      "a row from before it, not there any more",
      ["listing"],
      async () => {
        const [a, b] = await some(1, 2);
        return { commits: [[a], [b]] as Case["commits"], ledger: [b] as Batches };
      },
    ],
  ])("%s", async (_, expected, make) => {
    const { commits, ledger, sql, liveAtMs } = await make();
    const log = await aSignedLog(commits);
    const [first] = log.checkpoints as [SignedLog["checkpoints"][number]];
    const before = aFolder();
    await writeDataFolder(before, await aSignedLog([commits[0]]));
    const known = await verified(before);
    expect([known.failures, known.root]).toEqual([[], toBase64(first.root)]);
    const bytes = Buffer.concat(stateBytes(known.state as VerifiedState));

    const dir = aFolder();
    await writeDataFolder(dir, log, ledger ?? log.batches);
    if (sql) tamper(dir, sql);
    const options = { pinned: pinOf(first), ...(liveAtMs !== undefined && { liveAtMs }) };
    const whole = await verified(dir, options);
    const resumed = await verified(dir, { ...options, state: parseState(bytes) as VerifiedState });
    expect(resumed.from).toBe(first.size);
    const found = ({ failures, notices }: Report): string[] => [...failures, ...notices].map(({ code }) => code);
    expect([...new Set(found(resumed))]).toEqual(expected);
    // A row of a batch that was compared before is read again by a whole run alone: it has another word for what the list lacks.
    if (ledger === undefined || ledger.length >= log.batches.length) expect(found(whole)).toEqual(found(resumed));
  });

  test("what was not held against the ledger begins at the first leaf, once there is one", async () => {
    const [first] = log.checkpoints as [SignedLog["checkpoints"][number]];
    const alone = sourceOf(log).log;
    const read = async (name: string) => (name === "checkpoint" ? Buffer.from(first.text) : alone.read(name));
    const { state } = await verify({ log: { ...alone, read } }, trusting);
    const options = { ...trusting, pinned: pinOf(first), state: state as VerifiedState };
    expect((await verify(sourceOf(log), options)).from).toBe(0);
    expect((await verify({ log: alone }, options)).from).toBe(first.size);
  });
});

test("a checkpoint of a size that is not there is named at once, however large", async () => {
  const read = async (name: string) =>
    name === "checkpoint"
      ? Buffer.from(signedCheckpoint({ origin: logKey.key.name, size: 2 ** 50, root: new Uint8Array(32) }))
      : log.objects.get(name);
  const list = async () => [...log.objects.keys()].map((name) => ({ name, versions: 1, deleted: false }));
  expect(codes(await verify({ log: { read, list } }, trusting))).toEqual(["object"]);
});

describe("what an emitter did not send, or somebody else wrote, is named", () => {
  async function reportOn(...commits: Parameters<typeof aSignedLog>[0]): Promise<Report> {
    const dir = aFolder();
    await writeDataFolder(dir, await aSignedLog(commits));
    return verified(dir);
  }

  test("a missing number is a gap, and no failure", async () => {
    const [zero, , two, , four] = await batchesOf(1, [2, 2, 2, 2, 2]);
    const report = await reportOn([zero, two, four] as SignedLog["batches"]);
    expect(report.sound).toBe(true);
    expect(report.notices.map(({ code, detail }) => [code, /batches (.*),/.exec(detail)?.[1]])).toEqual([
      ["gap", "1 to 1"],
      ["gap", "3 to 3"],
    ]);
  });

  test("batches that come in another order are no gap, and their chain holds", async () => {
    const [zero, one, two, three] = await batchesOf(1, [2, 2, 2, 2]);
    const report = await reportOn([three, one] as SignedLog["batches"], [two, zero] as SignedLog["batches"]);
    expect([report.sound, report.notices]).toEqual([true, []]);
  });

  test("a chain of two stories is broken", async () => {
    const [zero] = await batchesOf(1, [2, 2]);
    const [, other] = await batchesOf(1, [3, 2]);
    expect(codes(await reportOn([zero, other] as SignedLog["batches"]))).toEqual(["chain"]);
    expect(codes(await reportOn([other, zero] as SignedLog["batches"]))).toEqual(["chain"]);
  });

  test("a plain event under a signing emitter's number is named, in either order", async () => {
    const [, one] = (await batchesOf(1, [2, 2])) as [SignedLog["batches"][number], SignedLog["batches"][number]];
    const plain = await aPlainBatch("x");
    const { emitter } = one.headers;
    const forged = { ...plain, headers: { ...plain.headers, emitter } } as typeof plain;
    expect(codes(await reportOn([one], [forged]))).toEqual(["chain"]);
    expect(codes(await reportOn([forged], [one]))).toEqual(["chain"]);
    const keyed = { ...forged, headers: { ...one.headers, ...forged.headers, seq: 2 } } as unknown as typeof plain;
    expect(codes(await reportOn([one], [keyed]))).toContain("seal");
  });

  test("a batch that stands in the log twice is named", async () => {
    const [zero] = await batchesOf(1, [2]);
    const report = await reportOn([zero, zero] as SignedLog["batches"]);
    expect(codes(report)).toContain("batch_twice");
    expect(report.failures[0]).toMatchObject({ leaf: expect.any(Number), record: expect.stringMatching(/_0_0$/) });
  });

  test("a batch that comes late is said, one that comes days late is backdated", async () => {
    const [early] = await batchesOf(1, [1]);
    const later = (hours: number) => batchesOf(2, [1], 1_800_000_000_000 + hours * 3_600_000);
    const fine = await reportOn([...(await later(1)), early] as SignedLog["batches"]);
    expect([fine.sound, fine.notices.map(({ code }) => code)]).toEqual([true, ["late"]]);
    expect(codes(await reportOn([...(await later(30)), early] as SignedLog["batches"]))).toEqual(["backdated"]);
  });

  test("a batch that is cut off in the log is named", async () => {
    const [zero, one] = await batchesOf(1, [3, 2]);
    const cut = { ...(zero as SignedLog["batches"][number]), body: (one as SignedLog["batches"][number]).body };
    const log = await aSignedLog([[cut, await aPlainBatch("x")]]);
    const read = async (name: string) => log.objects.get(name);
    expect(codes(await verify({ log: { read, list: async () => undefined } }, trusting))).toEqual(["batch"]);
  });
});

test("the first use of a key that nobody vouches for is said", async () => {
  const dir = aFolder();
  writeObjects(dir, log.objects);
  const { keys: _, ...untrusting } = trusting;
  const source = await openSource(dir, true, () => config({ TOOLTRAIL_SPOOL: join(dir, "spool") }));
  const report = await verify(source, untrusting);
  expect([report.sound, report.notices.map(({ code }) => code)]).toEqual([true, ["first_use"]]);
  source.close();
});
