import { createAudit } from "@tooltrail/core/audit";
import { projections } from "@tooltrail/core/follow/projections";
import { type DefinitionRecord, recordSchema } from "@tooltrail/format";
import { afterEach, beforeEach, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../../../test/support/adapters.ts";
import { aCall, anIdentity } from "../../../test/support/batches.ts";
import { aSignedBatch, start } from "../../../test/support/fleets.ts";
import { aLog, followAll } from "../../../test/support/followed.ts";
import { createApi } from "./app.ts";
import type { EmittersPage, InventoryPage, RecordPage } from "./types.ts";

const ref = `p_${"b".repeat(26)}`;
const definition: DefinitionRecord = {
  schema: recordSchema,
  kind: "definition",
  at: start,
  tool: "read",
  digest: "d".repeat(64),
  bytes: 10,
};

let ports: OpenPorts;
let get: <Answer>(path: string) => Promise<Answer>;
let request: (path: string, method?: string) => Promise<Response>;
let follow: () => Promise<unknown>;

beforeEach(async () => {
  ports = await (adapterSets[0] as (typeof adapterSets)[number])[1]();
  ports.enrolledKeys.add(anIdentity(9).key);
  const audit = createAudit(ports, anIdentity(9), "0");
  const app = createApi({
    ports: () => ports,
    log: () => ({ ...ports, keys: [] }),
    projections: () => ports.projections,
    audit: () => audit,
    callerOf: () => ({ issuer: "os", subject: "os:ada@workstation", method: "token", verified: true }),
    onError: () => undefined,
  });
  request = async (path, method = "GET") => app.request(path, { method });
  get = async <Answer>(path: string) => (await (await request(path)).json()) as Answer;

  const log = aLog();
  follow = () => followAll({ ...log, projections: ports.projections }, projections);
  await ports.principals.put({ [ref]: { issuer: "os", subject: "grace" } });
  await log.append([
    await aSignedBatch({
      server: { id: "a", version: "1" },
      records: [definition, aCall({ at: start, tool: "read" })],
    }),
    await aSignedBatch({
      server: { id: "a", version: "2" },
      seq: 2,
      records: [aCall({ at: start + 5, tool: "write" })],
    }),
    await aSignedBatch({
      emitter: 2,
      server: { id: "b" },
      records: [
        aCall({ at: start + 7, principal: { ref, method: "os", verified: true }, outcome: { class: "denied" } }),
        aCall({ at: start + 8, principal: { ref, method: "os", verified: true }, final: false, attempt: 2 }),
      ],
    }),
  ]);
  await follow();
});
afterEach(() => ports.close());

test("the inventory lists what there is, by page, and names who has not been forgotten", async () => {
  const { entries } = await get<InventoryPage>("/v1/inventory/servers");
  expect(entries).toMatchObject([
    { server: "a", version: "1", calls: 1 },
    { server: "a", version: "2", calls: 1 },
    { server: "b", calls: 1, attempts: 2, outcomes: { denied: 1 }, firstSeen: start + 7, lastSeen: start + 8 },
  ]);
  const first = await get<InventoryPage>("/v1/inventory/tools?limit=2");
  const rest = await get<InventoryPage>(`/v1/inventory/tools?limit=2&cursor=${first.next}`);
  expect([...first.entries, ...rest.entries]).toMatchObject([
    { server: "a", tool: "read", definition: definition.digest },
    { server: "a", tool: "write" },
    { server: "b", tool: "echo" },
  ]);
  expect(rest.next).toBeNull();
  expect((await get<InventoryPage>("/v1/inventory/tools?server=b")).entries).toMatchObject([{ tool: "echo" }]);
  expect((await get<InventoryPage>("/v1/inventory/definitions")).entries).toMatchObject([
    { digest: definition.digest, bytes: 10, record: `rec_${anIdentity(1).emitter}_0_0` },
  ]);
  expect((await get<InventoryPage>("/v1/inventory/principals?server=b")).entries).toMatchObject([
    { server: "b", ref, subject: "grace", calls: 1 },
  ]);
});

test("emitters are listed with what is missing, by state and server", async () => {
  ports.clock.nowMs = start + 60_000;
  const { emitters } = await get<EmittersPage>("/v1/emitters");
  expect(emitters.map(({ state }) => state).sort()).toEqual(["late", "live"]);
  ports.clock.nowMs = start + 3_600_000;
  expect((await get<EmittersPage>("/v1/emitters?state=gap")).emitters).toMatchObject([
    { emitter: anIdentity(1).emitter, server: "a", enrolled: false, missing: [{ from: 1, to: 1, gap: true }] },
  ]);
  expect((await get<EmittersPage>("/v1/emitters?server=b")).emitters).toMatchObject([{ state: "silent", missing: [] }]);
});

test("a projection is made anew on demand, and who asked is on record", async () => {
  const answer = await request("/v1/projections/inventory/rebuild", "POST");
  expect(await answer.json()).toEqual({ projection: "inventory", generation: 2, leaf: 0 });
  const before = await get<InventoryPage>("/v1/inventory/tools");
  await follow();
  expect(await get<InventoryPage>("/v1/inventory/tools")).toEqual(before);
  expect((await ports.projections.cursor("inventory"))?.current.number).toBe(2);
  const { records } = await get<RecordPage>("/v1/records?kind=control");
  expect(records.map((record) => record.kind === "control" && record.action)).toContain("projection.rebuild");
});

test.each([
  ["/v1/inventory/things", 404],
  ["/v1/inventory/tools?cursor=%20", 400],
  ["/v1/inventory/tools?limit=0", 400],
  ["/v1/emitters?state=odd", 400],
  ["/v1/records?trace=xyz", 400],
  [`/v1/records?trace=${"0".repeat(32)}`, 400],
])("%s is refused", async (path, status) => {
  expect((await request(path)).status).toBe(status);
});

test.each(["/v1/projections/odd/rebuild"])("there is no %s", async (path) => {
  expect((await request(path, "POST")).status).toBe(404);
});

test("records are found by trace id, or by a whole traceparent", async () => {
  const trace = "ab".repeat(16);
  const traceparent = `00-${trace}-${"1".repeat(16)}-01`;
  await ports.ledger.append(await aSignedBatch({ emitter: 3, records: [aCall({ links: { traceparent } })] }));
  await ports.ledger.append(await aSignedBatch({ emitter: 4, records: [aCall()] }));
  for (const said of [trace, traceparent, trace.toUpperCase()])
    expect((await get<RecordPage>(`/v1/records?trace=${said}`)).records, said).toHaveLength(1);
});
