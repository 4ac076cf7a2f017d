import { randomBytes } from "node:crypto";
import { GetItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoQuarantine } from "@tooltrail/aws/dynamo-quarantine";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { permissions } from "@tooltrail/aws/tables";
import type { BatchPosition } from "@tooltrail/core/ports";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DynamoPorts, dynamoDbEndpoint, dynamoPorts, onDynamoDb } from "../support/adapters.ts";
import { aCall, anIdentity, appendAll, aStoredBatch } from "../support/batches.ts";
import { carryOut, workOf } from "../support/faults.ts";
import { type Command, type FaultyWire, faultyWire } from "../support/wire-faults.ts";

/** What only the adapters on DynamoDB promise. */
describe.runIf(onDynamoDb)("on DynamoDB", () => {
  const day = 86_400_000;
  let wire: FaultyWire;
  let ports: DynamoPorts;
  beforeEach(async () => {
    wire = await faultyWire(await dynamoDbEndpoint());
    ports = await dynamoPorts({ through: wire.endpoint });
  });
  afterEach(async () => {
    await ports.close();
    await wire.close();
  });

  const sent = (): string[] => [...new Set(wire.commands.map(({ name, table }: Command) => `${name} ${table}`))].sort();
  const stateRows = async (): Promise<number> =>
    (await ports.tables.client.send(new ScanCommand({ TableName: ports.tables.stateTable }))).Count ?? 0;

  test("ingest and api need the permissions that they are listed with, and no other", async () => {
    const steps = await workOf(0);
    await carryOut(steps.slice(0, 4), ports); // messages come in
    expect(wire.permissions()).toEqual(permissions.ingest);
    wire.commands.length = 0;
    await carryOut(steps.slice(4), ports.reopen()); // records are read, the quarantine is replayed
    expect(wire.permissions()).toEqual(permissions.api);
  });

  describe("the ledger", () => {
    test("stores body, signature and identity as the bytes that they are", async () => {
      const batch = await aStoredBatch();
      await ports.ledger.append(batch);
      const Key = { pk: { S: `E#${batch.headers.emitter}` }, sk: { S: "0".repeat(15) } };
      const { Item } = await ports.tables.client.send(new GetItemCommand({ TableName: ports.tables.ledgerTable, Key }));
      expect(Buffer.from(Item?.body?.B ?? []).toString("base64")).toBe(batch.body);
      expect([Item?.sig?.B?.length, Item?.identity?.B?.length]).toEqual([64, 32]);
    });

    test.each(["QQ", "QR==", "Q Q==", "QQ==\n", "not base64 at all", "\u{1f600}"])(
      "gives the body %j back as it came, although it is not what its bytes would be written as",
      async (body) => {
        const batch = { ...(await aStoredBatch()), body };
        await ports.ledger.append(batch);
        expect(await ports.ledger.read(batch.headers.emitter, 0)).toEqual(batch);
      },
    );

    test("lists a server's day once, before its first batch, however many follow, at once or later", async () => {
      const batches = await Promise.all(Array.from({ length: 20 }, (_, seq) => aStoredBatch({ seq })));
      await Promise.all(batches.slice(0, 10).map((batch) => ports.ledger.append(batch)));
      for (const batch of batches.slice(10)) await ports.ledger.append(batch);
      const writes = wire.commands.filter(({ name }) => name === "PutItem").map(({ table }) => table);
      expect(writes.filter((table) => table === "state")).toHaveLength(2);
      expect(writes.slice(0, 2)).toEqual(["state", "state"]);
    });

    test("does not append what it could not list, so nothing is stored that nobody would find", async () => {
      const batch = await aStoredBatch();
      wire.break({ name: "PutItem", table: "state" }, "broken", Number.MAX_SAFE_INTEGER);
      await expect(ports.ledger.append(batch)).rejects.toMatchObject({ code: "unavailable" });
      expect(await ports.ledger.read(batch.headers.emitter, 0)).toBeUndefined();
      wire.heal();
      expect(await ports.ledger.append(batch)).toBe("appended");
      expect(await ports.ledger.newestFirst({ limit: 2 })).toEqual([batch]);
    });

    test("finds batches over servers of any name and days far apart, with few requests", async () => {
      const servers = ["a", "a#2027-01-15", "a#", "ä/ö \u{1f600}", "x".repeat(256)];
      const batches = await Promise.all(
        Array.from({ length: 60 }, (_, seq) =>
          aStoredBatch({
            seq,
            server: servers[seq % servers.length] ?? "",
            records: [aCall({ at: 1_800_000_000_000 - seq * 11 * day })],
          }),
        ),
      );
      for (const batch of batches) await ports.ledger.append(batch);
      wire.commands.length = 0;
      expect(await ports.ledger.newestFirst({ limit: 100 })).toEqual(batches);
      expect(wire.commands.length).toBeLessThan(70); // one a server's day, and a few
      for (const [i, server] of servers.entries()) {
        const own = batches.filter((_, seq) => seq % servers.length === i);
        expect(await ports.ledger.newestFirst({ server, limit: 100 })).toEqual(own);
        expect(await ports.ledger.newestFirst({ server, limit: 3 })).toEqual(own.slice(0, 3));
      }
    });

    test("finds the newest of more servers than one page lists", async () => {
      const batches = await Promise.all(
        Array.from({ length: 300 }, (_, n) =>
          aStoredBatch({
            seq: n,
            server: `server ${n}`,
            records: [aCall({ at: 1_800_000_000_000 + ((n * 7) % 300) })],
          }),
        ),
      );
      await appendAll(ports.ledger, batches);
      const newest = [...batches].sort((a, b) => b.headers.lastAt - a.headers.lastAt);
      expect(await ports.ledger.newestFirst({ limit: 17 })).toEqual(newest.slice(0, 17));
      expect(await ports.ledger.newestFirst({ limit: 1_000 })).toEqual(newest);
    });

    test.each(["", "x".repeat(5_000), "none"])("has nothing of a server called %j", async (server) => {
      await ports.ledger.append(await aStoredBatch());
      expect(await ports.ledger.newestFirst({ server, limit: 5 })).toEqual([]);
    });

    const positions: readonly (readonly [string, BatchPosition, boolean])[] = [
      ["the end of time", { lastAt: Number.MAX_SAFE_INTEGER, emitter: "~", seq: Number.MAX_SAFE_INTEGER }, true],
      ["the year 10000", { lastAt: 253_402_300_800_000, emitter: "", seq: 0 }, true],
      ["an emitter without end", { lastAt: 1_800_000_000_000, emitter: "z".repeat(5_000), seq: 0 }, true],
      ["an emitter with half a character", { lastAt: 1_800_000_000_000, emitter: "\ud800", seq: 0 }, true],
      ["a number before the first", { lastAt: 1_800_000_000_000, emitter: anIdentity().emitter, seq: -1 }, true],
      ["no emitter", { lastAt: 1_800_000_000_000, emitter: "", seq: 5 }, false],
      ["the moment before", { lastAt: 1_799_999_999_999, emitter: "~", seq: 9 }, false],
      ["the beginning of time", { lastAt: 0, emitter: "", seq: 0 }, false],
      ["before the beginning", { lastAt: -5, emitter: "~", seq: 0 }, false],
    ];
    test.each(positions)("reads from %s", async (_, from, found) => {
      const batch = await aStoredBatch();
      await ports.ledger.append(batch);
      expect(await ports.ledger.newestFirst({ from, limit: 5 })).toEqual(found ? [batch] : []);
    });
  });

  describe("principals", () => {
    test("that are known cost nothing to put again, and in another process one read each", async () => {
      const ada = { p_1: { issuer: "idp", subject: "ada" } };
      await ports.principals.put(ada);
      wire.commands.length = 0;
      await ports.principals.put(ada);
      expect(sent()).toEqual([]);
      await ports.reopen().principals.put(ada);
      expect(sent()).toEqual(["GetItem state"]);
    });

    test("of many who name one pseudonym at once one stays, and only that one's subject leads to it", async () => {
      const rivals = Array.from({ length: 12 }, (_, n) => ({ issuer: "idp", subject: `rival ${n}` }));
      await Promise.all(rivals.map((rival) => ports.reopen().principals.put({ p_1: rival })));
      const name = (await ports.principals.names(["p_1"])).get("p_1");
      const leading = await Promise.all(
        rivals.map(async ({ subject }) => [subject, await ports.principals.refsOf(subject)]),
      );
      expect(leading.filter(([, refs]) => refs?.length)).toEqual([[name?.subject, ["p_1"]]]);
    });

    test("are named by the hundred, and no key of a table says a name", async () => {
      const many = Object.fromEntries(
        Array.from({ length: 250 }, (_, n) => [`p_${n}`, { issuer: "", subject: n < 5 ? "ada" : `user ${n}` }]),
      );
      await ports.principals.put(many);
      expect(Object.fromEntries(await ports.principals.names([...Object.keys(many), "p_none", "p_1"]))).toEqual(many);
      expect(await ports.principals.refsOf("ada")).toEqual(["p_0", "p_1", "p_2", "p_3", "p_4"]);
      const { Items } = await ports.tables.client.send(new ScanCommand({ TableName: ports.tables.stateTable }));
      expect(JSON.stringify(Items?.map(({ pk, sk }) => [pk, sk]))).not.toMatch(/"(ada|user \d+)"/);
    });
  });

  describe("the quarantine", () => {
    const entry = (id: string, body: string) => ({
      id,
      reason: "invalid",
      detail: "x",
      body,
      receivedAtMs: 1_800_000_000_500,
    });

    test("keeps an event of a megabyte whole, and leaves nothing behind when it is removed", async () => {
      const large = entry("qua_a", randomBytes(700_000).toString("base64")); // 933 KB that compress to 700
      await ports.quarantine.put(large);
      await ports.quarantine.put({ ...large, reason: "later", receivedAtMs: 2 });
      await ports.quarantine.put(entry("qua_b", "{}"));
      expect(await stateRows()).toBe(1 + 3 + 2);
      expect(await ports.quarantine.read("qua_a")).toEqual(large);
      expect(await ports.quarantine.list({ limit: 10 })).toEqual([large, entry("qua_b", "{}")]);
      await ports.quarantine.remove("qua_a");
      await ports.quarantine.remove("qua_b");
      expect(await stateRows()).toBe(0);
    });

    test("keeps text that is no text", async () => {
      const odd = entry("qua_a", 'half a character: \ud800 "\u0000');
      await ports.quarantine.put(odd);
      expect(await ports.quarantine.read("qua_a")).toEqual(odd);
    });

    test("has nothing under an id that is none, however long, and lists from wherever a reader says", async () => {
      await ports.quarantine.put(entry("qua_a", "{}"));
      for (const id of ["", "x".repeat(5_000)]) expect(await ports.quarantine.read(id)).toBeUndefined();
      for (const [after, found] of [
        ["a".repeat(5_000), 1],
        ["\ud800", 0],
        ["", 1],
      ] as const)
        expect(await ports.quarantine.list({ after, limit: 5 })).toHaveLength(found);
    });

    test("forgets after 400 days, first the row, then what it leads to", async () => {
      await ports.quarantine.put(entry("qua_a", "{}"));
      const { Items = [] } = await ports.tables.client.send(new ScanCommand({ TableName: ports.tables.stateTable }));
      const expiry = new Map(Items.map((item) => [item.pk?.S, Number(item.expiresAt?.N) - 1_800_000_000]));
      expect(expiry).toEqual(
        new Map([
          ["QUARANTINE", 400 * 86_400],
          ["QUARANTINE#qua_a", 407 * 86_400],
        ]),
      );
    });

    test("keeps the first arrival, also of two of which each thinks that it is the first", async () => {
      const slow = dynamoQuarantine(dynamo({ requestTimeoutMs: 300 }), ports.tables.stateTable);
      wire.break({ name: "TransactWriteItems", table: "state" }, "timed out", 1);
      const second = slow.put({ ...entry("qua_a", "{}"), receivedAtMs: 2 });
      while (wire.hits() === 0) await new Promise(setImmediate); // it has looked, and writes when its time is out
      await ports.quarantine.put({ ...entry("qua_a", "{}"), receivedAtMs: 1 });
      await second;
      expect((await ports.quarantine.read("qua_a"))?.receivedAtMs).toBe(1);
    });

    test("of many who put and remove the same at once, it is there whole or not at all", async () => {
      const body = randomBytes(400_000).toString("base64");
      for (let round = 0; round < 5; round += 1) {
        const rivals = Array.from({ length: 4 }, () => ports.quarantine.put(entry("qua_a", body)));
        // Who loses too often to a rival is told to come back.
        await Promise.allSettled([...rivals, ports.quarantine.remove("qua_a")]);
        const left = await ports.quarantine.read("qua_a");
        expect([undefined, body]).toContain(left?.body);
        expect(await stateRows()).toBe(left === undefined ? 0 : 3);
      }
    });
  });

  describe("an error", () => {
    test("that no retry helps against is told apart, and says nothing of whose tables these are", async () => {
      const nowhere = dynamo({ pause: async () => undefined });
      const failed = await nowhere.getAll("no-such-table", [{ pk: "a", sk: "b" }]).catch((error) => error);
      expect(failed).toMatchObject({
        code: "internal",
        outcome: "not-applied",
        cause: { name: "ResourceNotFoundException" },
      });
      const tooLarge = { ...(await aStoredBatch()), body: "x".repeat(600_000) };
      const refused = await ports.ledger.append(tooLarge).catch((error) => error);
      expect(refused).toMatchObject({
        code: "internal",
        outcome: "not-applied",
        cause: { name: "ValidationException" },
      });
      expect(`${failed.message}${refused.message}`).not.toMatch(/table|\d/i);
    });
  });

  describe("events", () => {
    const said = { type: "integrity.conflict", what: "ledger_removed", emitter: "e", seq: 0 } as const;

    test.each([
      ["InternalFailure", "unknown"],
      ["ThrottlingException", "not-applied"],
      ["SomethingNew", "unknown"],
    ])(
      "an entry that fails with %s is sent again, and at last is an error to come back with",
      async (code, outcome) => {
        ports.services.entryFaults.push(code, code, code);
        await ports.events.publish(said);
        expect(await ports.published()).toMatchObject([{ detail: { what: "ledger_removed" } }]);
        ports.services.entryFaults.push(code, code, code, code);
        await expect(ports.events.publish(said)).rejects.toMatchObject({ code: "unavailable", outcome });
      },
    );

    test("an entry that will never be taken is not sent again", async () => {
      ports.services.entryFaults.push("NotAuthorizedForSourceException");
      await expect(ports.events.publish(said)).rejects.toMatchObject({ code: "internal", outcome: "not-applied" });
      expect(await ports.published()).toEqual([]);
      await ports.events.publish(said);
      expect(await ports.published()).toHaveLength(1);
    });

    test("a bus that is not there is an error to come back with", async () => {
      await ports.services.close();
      const mute = eventBridgeEvents("tooltrail", { pause: async () => undefined });
      await expect(mute.publish(said)).rejects.toMatchObject({ code: "unavailable", outcome: "unknown" });
    });
  });
});
