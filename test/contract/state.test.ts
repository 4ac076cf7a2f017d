import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";

describe.each(adapterSets)("state on %s", (_, open) => {
  let ports: OpenPorts;
  beforeEach(async () => {
    ports = await open();
  });
  afterEach(() => ports.close());

  test("a name is put as often as one likes and found by pseudonym and by subject", async () => {
    const ada = { issuer: "idp", subject: "ada" };
    await ports.principals.put({ p_1: ada, p_2: { issuer: "os", subject: "ada" } });
    await ports.principals.put({ p_1: ada });
    await ports.principals.put({ p_1: { issuer: "idp", subject: "mallory" } }); // nobody can be renamed
    ports = ports.reopen();
    expect(await ports.principals.names(["p_1", "p_9"])).toEqual(new Map([["p_1", ada]]));
    expect(await ports.principals.refsOf("ada")).toEqual(["p_1", "p_2"]);
    expect(await ports.principals.refsOf("nobody")).toEqual([]);
  });

  test("what is quarantined twice is kept once, from its first arrival, until it is removed", async () => {
    const entry = { id: "qua_a", reason: "invalid", detail: "tool: missing", body: "{}", receivedAtMs: 1 };
    await ports.quarantine.put(entry);
    await ports.quarantine.put({ ...entry, receivedAtMs: 2 });
    ports = ports.reopen();
    expect(await ports.quarantine.read("qua_a")).toEqual(entry);
    await ports.quarantine.remove("qua_a");
    await ports.quarantine.remove("qua_a");
    expect(await ports.quarantine.read("qua_a")).toBeUndefined();
  });

  test("the quarantine tells how much arrived in a time, of what is still there", async () => {
    for (const [id, receivedAtMs] of [
      ["qua_a", 10],
      ["qua_b", 19],
      ["qua_c", 20],
      ["qua_d", 15],
    ] as const)
      await ports.quarantine.put({ id, reason: "invalid", detail: "", body: "{}", receivedAtMs });
    await ports.quarantine.remove("qua_d");
    expect(await ports.quarantine.count({ sinceMs: 10, untilMs: 20 })).toBe(2);
    expect(await ports.quarantine.count({ sinceMs: 21, untilMs: 99 })).toBe(0);
  });

  test("the quarantine is listed by id, page by page", async () => {
    for (const id of ["qua_b", "qua_a", "qua_c"]) {
      await ports.quarantine.put({ id, reason: "invalid", detail: "", body: "", receivedAtMs: 1 });
    }
    const ids = async (after?: string): Promise<string[]> =>
      (await ports.quarantine.list({ ...(after && { after }), limit: 2 })).map(({ id }) => id);
    expect(await ids()).toEqual(["qua_a", "qua_b"]);
    expect(await ids("qua_b")).toEqual(["qua_c"]);
  });
});
