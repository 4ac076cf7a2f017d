import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DynamoPorts, dynamoDbEndpoint, dynamoPorts, onDynamoDb } from "../support/adapters.ts";
import { audited, carryOut, expected, workOf } from "../support/faults.ts";
import { type Command, everyWireFault, type FaultyWire, faultyWire } from "../support/wire-faults.ts";

/** What DynamoDB and the network do to each command that the adapters send. The faults are generated from the commands that are seen. */
describe.runIf(onDynamoDb)("on the way to DynamoDB", () => {
  let wire: FaultyWire;
  let ports: DynamoPorts;
  let rounds = 0;
  beforeAll(async () => {
    wire = await faultyWire(await dynamoDbEndpoint());
    ports = await dynamoPorts({ through: wire.endpoint, requestTimeoutMs: 1_000 });
  });
  afterAll(async () => {
    await ports.close();
    await wire.close();
  });

  const known: readonly Command[] = [
    { name: "PutItem", table: "ledger" },
    { name: "GetItem", table: "ledger" },
    { name: "BatchGetItem", table: "ledger" },
    { name: "Query", table: "ledger" },
    { name: "PutItem", table: "state" },
    { name: "GetItem", table: "state" },
    { name: "BatchGetItem", table: "state" },
    { name: "Query", table: "state" },
    { name: "TransactWriteItems", table: "state" },
  ];

  test("no command goes by that is not broken below, and nothing updates or deletes in the ledger", async () => {
    await carryOut(await workOf(rounds++), ports);
    const names = (commands: readonly Command[]) =>
      [...new Set(commands.map(({ name, table }) => `${name} ${table}`))].sort();
    expect(names(wire.commands)).toEqual(names(known));
  });

  const faults = known.flatMap((command) => everyWireFault(command).map((fault) => ({ ...command, fault })));

  test.each(faults)("$name on $table, $fault once, is not noticed", async ({ fault, ...command }) => {
    const fresh = ports.reopen(); // which remembers nothing
    wire.break(command, fault, 1);
    expect(await carryOut(await workOf(rounds++), fresh)).toEqual([]);
    expect(wire.hits()).toBe(1);
    wire.heal();
  });

  test.each(faults)(
    "$name on $table, $fault again and again, can be tried again later",
    async ({ fault, ...command }) => {
      const lost = fault === "timed out";
      const fresh = ports.reopen(lost ? 250 : undefined);
      wire.break(command, fault, Number.MAX_SAFE_INTEGER);
      const thrown = await carryOut(await workOf(rounds++), fresh, wire.heal);
      const outcome = ["throttled", "conflict", "partial"].includes(fault) ? "not-applied" : "unknown";
      // So short a wait ends for DynamoDB as well where the machine stands still.
      expect(lost ? thrown.slice(0, 1) : thrown).toMatchObject([{ code: "unavailable", retryable: true, outcome }]);
      wire.heal();
    },
  );

  test("and after all of that nothing is lost and nothing is there twice", async () => {
    expect(await audited(ports.reopen())).toEqual(expected(rounds));
  });
});
