import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { batchOfImage, type Image, imageOf, itemOf } from "@tooltrail/aws/ledger-item";
import { permissions } from "@tooltrail/aws/tables";
import type { Cursor } from "@tooltrail/core/follow/ports";
import { projections as followed } from "@tooltrail/core/follow/projections";
import { sweep } from "@tooltrail/core/follow/sweep";
import { rebuild } from "@tooltrail/core/log/rebuild";
import { reconcile } from "@tooltrail/core/log/reconcile";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import { applyDefinitions } from "@tooltrail/core/slo/definitions";
import { watchBudgets } from "@tooltrail/core/slo/watch-budgets";
import { verifierKey } from "@tooltrail/format/log";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DynamoPorts, dynamoDbEndpoint, dynamoPorts, onDynamoDb, s3Endpoint } from "../support/adapters.ts";
import { anIdentity, aStoredBatch } from "../support/batches.ts";
import { anAvailability, breakingRecords } from "../support/breaking.ts";
import { followAll } from "../support/followed.ts";
import { type FaultyS3, faultyS3 } from "../support/s3-faults.ts";
import { type FaultyWire, faultyWire } from "../support/wire-faults.ts";

/** What the log's adapters on DynamoDB promise and no other, and what they cost. */
describe.runIf(onDynamoDb)("the log on DynamoDB", () => {
  let wire: FaultyWire;
  let s3: FaultyS3;
  let ports: DynamoPorts;
  beforeEach(async () => {
    wire = await faultyWire(await dynamoDbEndpoint());
    s3 = await faultyS3(await s3Endpoint());
    ports = await dynamoPorts({ through: wire.endpoint, throughS3: s3.endpoint });
  });
  afterEach(async () => {
    await ports.close();
    await wire.close();
    await s3.close();
  });

  const names = (): string[] => wire.commands.map(({ name }) => name);
  const forget = (): void => {
    wire.commands.length = 0;
    s3.requests.length = 0;
  };
  const origin = "tooltrail.test/log";
  const signer = () => ({ ...ports, origin, keys: [ports.signingKey], witnesses: [] });
  const reader = () => ({ ...ports, logKeys: [verifierKey(origin, ports.signingKey.publicKey)] });
  const cursor = (leaf: number): Cursor => ({ current: { number: 0, version: 1, leaf } });

  const used = () => ({ ...wire.permissions(), partitions: wire.partitions() });

  test("each station needs the permissions that it is listed with, and no other", async () => {
    const batches = await Promise.all([0, 1, 3].map((seq) => aStoredBatch({ seq })));
    for (const batch of batches) await ports.ledger.append(batch);
    forget();
    await sequence(ports, batches.slice(0, 2));
    expect(used()).toEqual(permissions.sequence);
    forget();
    await reconcile(ports, { sinceMs: 0, nowMs: 1_000_000 });
    await rebuild({ ...ports, keys: [] });
    expect(used()).toEqual(permissions.reconcile);
    forget();
    await sign(signer(), ports.clock.nowMs);
    expect(used()).toEqual(permissions.sign);
    forget();
    await followAll(reader(), followed);
    await sweep(ports, ports.clock.nowMs); // a number is missing
    // An emitter that is watched no more, and rows of a generation that was replaced.
    const { projections } = ports;
    const from = await projections.cursor("continuity");
    const rows = [{ collection: "watched", id: "a", value: undefined }];
    await projections.commit("continuity", { from, to: { ...cursor(3), edits: 1 }, generation: 1, rows });
    await projections.drop("inventory", 1);
    expect(used()).toEqual(permissions.follow);
  });

  test("an evaluation needs the permissions that it is listed with, and no other", async () => {
    const { nowMs } = ports.clock;
    const batch = await aStoredBatch({ records: breakingRecords(nowMs - 200_000) }, nowMs - 190_000);
    await ports.ledger.append(batch);
    await sequence(ports, [batch]);
    await sign(signer(), nowMs);
    await followAll(reader(), followed);
    const document = anAvailability("files-answer", "files");
    const by = { source: "command", nowMs } as const;
    await applyDefinitions(ports.projections, [{ name: "files-answer", document }], by);
    forget();
    await watchBudgets(reader(), nowMs);
    const said = wire.commands.splice(0);
    await applyDefinitions(ports.projections, [], { ...by, removing: ["files-answer"] });
    wire.commands.splice(0, wire.commands.length, ...said);
    await watchBudgets(reader(), nowMs + 1);
    expect(used()).toEqual(permissions.evaluate);
    expect(s3.requests.every((method) => method === "GET")).toBe(true);
    expect(
      (await ports.published()).map((event) => event["detail-type"]).filter((type) => /^slo|^detector/.test(type)),
    ).toEqual(expect.arrayContaining(["slo.burn.started", "slo.burn.cleared", "detector.fired"]));
  });

  test("a commit of the log, a checkpoint and a follower's step cost as many requests as they must", async () => {
    const batches = await Promise.all(Array.from({ length: 30 }, (_, seq) => aStoredBatch({ seq })));
    const counted = async (run: () => Promise<unknown>) => {
      forget();
      await run();
      return { dynamoDb: [...names()].sort(), s3: [...s3.requests].sort() };
    };
    await sequence(ports, batches.slice(0, 1));
    await sign(signer(), ports.clock.nowMs);
    // From one leaf to thirty: 29 rows of the index, one bundle and one tile.
    const grown = await counted(() => sequence(ports, batches.slice(1)));
    const signed = await counted(() => sign(signer(), ports.clock.nowMs + 1));
    const step = await counted(async () => {
      await ports.projections.cursor("inventory");
      const rows = Array.from({ length: 99 }, (_, n) => ({ collection: "tools", id: String(n), value: {} }));
      await ports.projections.read("inventory", 0, rows);
      await ports.projections.commit("inventory", { from: undefined, to: cursor(1), generation: 0, rows });
    });
    console.info({ grown, signed, step });
    expect(grown.dynamoDb.filter((name) => name === "BatchWriteItem")).toHaveLength(2);
    expect(grown.dynamoDb.filter((name) => name === "PutItem")).toHaveLength(2); // staged, applied
    expect(grown.s3.filter((method) => method === "PUT")).toHaveLength(4); // staged, bundle, tile, the staged one's tag
    expect(signed.s3.filter((method) => method === "PUT")).toHaveLength(1);
    expect(step.dynamoDb).toEqual(["BatchGetItem", "GetItem", "TransactWriteItems"]);
  });

  describe("a register's write", () => {
    const put = { name: "PutItem", table: "state" } as const;

    test("whose answer was lost is known for its own when it meets itself", async () => {
      wire.break(put, "failed but persisted", 1);
      expect(await ports.head.write({ size: 1 }, undefined)).toBe(true);
      wire.break(put, "failed but persisted", 2);
      const { version } = (await ports.head.read()) ?? {};
      expect(await ports.head.write({ size: 2 }, version)).toBe(true);
      expect(wire.hits()).toBe(2);
    });

    test("that comes after a rival's with the very same value is not taken for its own", async () => {
      await ports.head.write({ size: 1 }, undefined);
      const { version } = (await ports.head.read()) ?? {};
      expect(await ports.reopen().head.write({ size: 2 }, version)).toBe(true);
      expect(await ports.head.write({ size: 2 }, version)).toBe(false);
    });

    test("that is never answered is an error that says it may be there", async () => {
      wire.break(put, "failed but persisted", 4);
      await expect(ports.head.write({ size: 1 }, undefined)).rejects.toMatchObject({ outcome: "unknown" });
      wire.heal();
      expect((await ports.head.read())?.value).toEqual({ size: 1 });
      wire.break(put, "throttled", 4);
      await expect(ports.head.write({ size: 2 }, 1)).rejects.toMatchObject({ outcome: "not-applied" });
    });
  });

  describe("a commit of a projection", () => {
    const transaction = { name: "TransactWriteItems", table: "state" } as const;
    const commit = (from: Cursor | undefined, to: Cursor) =>
      ports.projections.commit("inventory", {
        from,
        to,
        generation: 0,
        rows: [{ collection: "tools", id: "a", value: { at: to.current.leaf } }],
      });

    test.each(["failed but persisted", "conflict", "throttled", "broken"] as const)(
      "that meets %s is made once, and known to be made",
      async (fault) => {
        wire.break(transaction, fault, 1);
        expect(await commit(undefined, cursor(1))).toBe(true);
        wire.break(transaction, fault, 3);
        expect(await commit(cursor(1), cursor(2))).toBe(true);
        expect(wire.hits()).toBe(3);
        expect(await ports.projections.cursor("inventory")).toEqual(cursor(2));
      },
    );

    test("that keeps meeting rivals' transactions is an error, and nothing is written", async () => {
      wire.break(transaction, "conflict", 4);
      await expect(commit(undefined, cursor(1))).rejects.toMatchObject({ code: "unavailable", outcome: "not-applied" });
      expect(await ports.projections.cursor("inventory")).toBeUndefined();
    });
  });

  describe("the index", () => {
    const entries = Array.from({ length: 60 }, (_, seq) => ({
      emitter: anIdentity().emitter,
      seq,
      firstLeaf: seq * 2,
    }));
    const all = { name: "BatchWriteItem", table: "state" } as const;

    test("is written and read in as few requests as it takes, also where DynamoDB does a part of each", async () => {
      await ports.index.put(entries);
      expect(names()).toEqual(["BatchWriteItem", "BatchWriteItem", "BatchWriteItem"]);
      forget();
      expect(await ports.index.firstLeaves(entries)).toEqual(entries.map(({ firstLeaf }) => firstLeaf));
      expect(names()).toEqual(["BatchGetItem"]);
      wire.break(all, "partial", 5);
      const later = entries.map((entry) => ({ ...entry, seq: entry.seq + 100 }));
      await ports.index.put(later);
      expect(wire.hits()).toBe(5);
      expect(await ports.index.firstLeaves(later)).toEqual(later.map(({ firstLeaf }) => firstLeaf));
    });

    test("that DynamoDB does not write is an error to come back with", async () => {
      wire.break(all, "partial", Number.MAX_SAFE_INTEGER); // half of one item is none
      await expect(ports.index.put(entries)).rejects.toMatchObject({ code: "unavailable" });
      wire.heal();
      await ports.index.put(entries);
      expect((await ports.index.firstLeaves(entries)).includes(undefined)).toBe(false);
    });
  });
});

describe("a batch in the ledger's stream", () => {
  test("is the batch that was appended, signed or not, whatever its body", async () => {
    const batch = await aStoredBatch();
    const { sig: _, ...unsigned } = batch;
    for (const one of [
      batch,
      unsigned,
      { ...batch, body: "not base64 at all" },
      { ...batch, identity: "mac:no hex" },
    ]) {
      const { keys, item } = imageOf(one);
      expect(batchOfImage(JSON.parse(JSON.stringify(item)))).toEqual(one);
      expect(keys).toEqual({ pk: { S: `E#${one.headers.emitter}` }, sk: { S: "0".repeat(15) } });
    }
  });

  test.runIf(onDynamoDb)("looks as DynamoDB has it", async () => {
    const ports = await dynamoPorts();
    const batch = await aStoredBatch();
    await ports.ledger.append(batch);
    const { pk, sk } = itemOf(batch);
    if (pk === undefined || sk === undefined) throw new Error("no key");
    const get = new GetItemCommand({ TableName: ports.tables.ledgerTable, Key: { pk, sk } });
    const { Item = {} } = await ports.tables.client.send(get);
    const shown = Object.fromEntries(
      Object.entries(Item).map(([name, value]) => [
        name,
        value.B === undefined ? value : { B: Buffer.from(value.B).toString("base64") },
      ]),
    );
    expect(imageOf(batch).item).toEqual(shown);
    await ports.close();
  });

  const other: readonly (readonly [string, Image, RegExp])[] = [
    ["headers", {}, /has no headers/],
    ["readable headers", { headers: { S: "{" } }, /headers are no JSON/],
    ["a time", { receivedAtMs: { N: "soon" } }, /receivedAtMs is no time/],
  ];
  test.each(other)(
    "that somebody put there by hand, without %s, is refused by what is wrong",
    async (_, change, message) => {
      const { item } = imageOf(await aStoredBatch());
      const { headers: __, ...rest } = item;
      const image = "headers" in change || "receivedAtMs" in change ? { ...item, ...change } : rest;
      expect(() => batchOfImage(image)).toThrow(
        expect.objectContaining({ code: "invalid", message: expect.stringMatching(message) }),
      );
    },
  );
});
