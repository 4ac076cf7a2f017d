import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createAudit } from "@tooltrail/core/audit";
import { ingest } from "@tooltrail/core/ingest";
import { ownActRecord } from "@tooltrail/core/own-acts";
import type { Ports } from "@tooltrail/core/ports";
import { bodyLines } from "@tooltrail/format";
import { afterEach, beforeEach, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../../../test/support/adapters.ts";
import { aMessage, anIdentity, aPlainMessage, aStoredBatch } from "../../../test/support/batches.ts";
import { faulty } from "../../../test/support/faults.ts";
import { root } from "../../../test/support/pipeline.ts";
import { createApi } from "./app.ts";
import { parseTime } from "./parameters.ts";
import type { BatchesPage, QuarantinePage, RecordPage } from "./types.ts";

let ports: OpenPorts;
beforeEach(async () => {
  ports = await (adapterSets[0] as (typeof adapterSets)[number])[1]();
  ports.enrolledKeys.add(anIdentity(9).key);
  await ports.ledger.append(await aStoredBatch());
});
afterEach(() => ports.close());

function appOn(some: Ports, errors: Error[] = []) {
  const audit = createAudit(some, anIdentity(9), "0");
  return createApi({
    ports: () => some,
    log: () => ({ ...ports, keys: [] }),
    projections: () => ports.projections,
    audit: () => audit,
    callerOf: () => ({ issuer: "os", subject: "os:ada@workstation", method: "token", verified: true }),
    onError: (error) => errors.push(error),
  });
}

const anyRecord = `/v1/records/rec_${"a".repeat(26)}_0_0`;

test.each(["/v1/records", "/v1/quarantine", anyRecord])(
  "GET %s is not answered when its audit record cannot be written",
  async (path) => {
    const errors: Error[] = [];
    const response = await appOn(faulty(ports, { port: "ledger", method: "append", kind: "failed" }), errors).request(
      path,
    );
    expect(response.status).toBe(503);
    expect(Object.keys((await response.json()) as object)).toEqual(["error"]);
    expect(errors).toHaveLength(1);
  },
);

test("a replay that fails halfway is not lost and can be done again", async () => {
  const body = "{";
  await ports.quarantine.put({ id: "qua_a", reason: "poison", detail: "", body, receivedAtMs: 1 });
  const broken = faulty(ports, { port: "quarantine", method: "put", kind: "failed" });
  expect((await appOn(broken).request("/v1/quarantine/qua_a/replay", { method: "POST" })).status).toBe(503);
  expect(await ports.quarantine.read("qua_a")).toBeDefined();
});

test("what turns out to be stored already has left the quarantine; what is discarded is gone, and both are on record", async () => {
  const body = aPlainMessage({ server: "s", tool: "t", outcome: "ok", id: "1" });
  await ingest(ports, body);
  for (const id of ["qua_a", "qua_b"])
    await ports.quarantine.put({ id, reason: "poison", detail: "", body, receivedAtMs: 1 });
  const app = appOn(ports);
  expect(await (await app.request("/v1/quarantine/qua_a/replay", { method: "POST" })).json()).toEqual({
    id: "qua_a",
    outcome: "duplicate",
  });
  expect((await app.request("/v1/quarantine/qua_b", { method: "DELETE" })).status).toBe(200);
  expect((await app.request("/v1/quarantine/qua_b", { method: "DELETE" })).status).toBe(404);
  expect(await ports.quarantine.list({ limit: 10 })).toEqual([]);
  const { records } = (await (await app.request("/v1/records?kind=control")).json()) as RecordPage;
  expect(records.map((record) => record.kind === "control" && record.action)).toEqual(
    expect.arrayContaining(["quarantine.replay", "quarantine.discard"]),
  );
});

test("of what is replayed only what triage gave up on is said in the pipeline's name, once, and has left the quarantine", async () => {
  const detail = { emitter: "e".repeat(26), server: "files", lastSeq: 1, lastReceivedAt: 1 };
  const body = aMessage(detail, { source: "tooltrail.pipeline", detailType: "emitter.silent" });
  await ports.quarantine.put({ id: "qua_a", reason: "untriaged", detail: "", body, receivedAtMs: 1 });
  await ports.quarantine.put({ id: "qua_b", reason: "unknown_type", detail: "", body, receivedAtMs: 1 });
  const app = appOn(faulty(ports, { port: "events", method: "publish", kind: "failed" }));
  const replay = (id: string) => app.request(`/v1/quarantine/${id}/replay`, { method: "POST" });
  expect((await replay("qua_a")).status).toBe(503);
  expect(await (await replay("qua_a")).json()).toEqual({ id: "qua_a", outcome: "said" });
  expect(await (await replay("qua_b")).json()).toMatchObject({ outcome: "quarantined", reason: "unknown_type" });
  expect(await ports.published()).toMatchObject([{ "detail-type": "emitter.silent", detail }]);
  expect((await ports.quarantine.list({ limit: 10 })).map(({ reason }) => reason)).not.toContain("untriaged");
});

test("an act of the pipeline that an earlier version did not know is on record once it is replayed", async () => {
  const example = join(root, "packages/format/examples/pipeline-event-incident-mitigated.json");
  const { by: _, record: __, ...detail } = JSON.parse(readFileSync(example, "utf8")).detail;
  const body = aMessage(detail, { source: "tooltrail.pipeline", detailType: "incident.mitigated" });
  await ports.quarantine.put({ id: "qua_a", reason: "unknown_type", detail: "", body, receivedAtMs: 1 });
  const app = appOn(ports);
  const replayed = await app.request("/v1/quarantine/qua_a/replay", { method: "POST" });
  expect(await replayed.json()).toEqual({ id: "qua_a", outcome: "stored" });
  const id = ownActRecord({ ...detail, type: "incident.mitigated" });
  expect((await app.request(`/v1/records/${id}`)).status).toBe(200);
});

test("a page of quarantine is bounded by bytes, and leads on", async () => {
  const body = "x".repeat(900_000);
  for (const id of ["qua_a", "qua_b", "qua_c", "qua_d"])
    await ports.quarantine.put({ id, reason: "invalid", detail: "", body, receivedAtMs: 1 });
  const app = appOn(ports);
  const page = async (query: string) => (await (await app.request(`/v1/quarantine${query}`)).json()) as QuarantinePage;
  const first = await page("");
  expect([first.entries.map(({ id }) => id), first.next]).toEqual([["qua_a", "qua_b", "qua_c"], "qua_c"]);
  const rest = await page("?cursor=qua_c");
  expect([rest.entries.map(({ id }) => id), rest.next]).toEqual([["qua_d"], null]);
});

test("errors name what was wrong and never what is inside", async () => {
  const errors: Error[] = [];
  const app = appOn(faulty(ports, { port: "ledger", method: "newestFirst", kind: "failed" }), errors);
  expect(await (await app.request("/v1/records?limit=x")).json()).toMatchObject({
    error: { code: "invalid", message: expect.stringMatching(/^limit: /) },
  });
  expect(await (await app.request(anyRecord)).json()).toMatchObject({ error: { code: "not_found" } });
  expect(await (await app.request("/elsewhere")).json()).toEqual({
    error: { code: "not_found", message: "There is no GET /elsewhere." },
  });
});

test("who was asked about is recorded as a pseudonym", async () => {
  await appOn(ports).request("/v1/records?principal=os:ada@workstation");
  const [batch] = await ports.ledger.newestFirst({ server: "tooltrail", limit: 1 });
  const [line] = bodyLines(batch?.body ?? "") ?? [];
  expect(line).toMatch(/"principals":"p_[a-z2-7]{26}"/);
  expect(line).not.toContain("ada@workstation");
});

test.each([
  ["15m", 1_000_000 - 900_000],
  ["90s", 1_000_000 - 90_000],
  ["7d", 0],
  ["2026-01-31", Date.UTC(2026, 0, 31)],
  ["2026-01-31T12:00:00Z", Date.UTC(2026, 0, 31, 12)],
  ["2026-01-31T12:00:00.5+02:00", Date.UTC(2026, 0, 31, 10, 0, 0, 500)],
  ["yesterday", undefined],
  ["2026-13-01", undefined],
  ["15", undefined],
  ["", undefined],
])("the time %j is %s", (text, ms) => {
  expect(parseTime(text, 1_000_000)).toBe(ms);
});

test("batches are asked for by their places, a hundred at a time, with as much in the audit record as that holds", async () => {
  const { emitter, seq } = (await aStoredBatch()).headers;
  const places = [
    `${emitter}.${seq}`,
    ...Array.from({ length: 99 }, (_, i) => `${emitter}.${900_000_000_000_000 + i}`),
  ];
  const app = appOn(ports);
  const ask = (asked: readonly string[]) => app.request(`/v1/batches?places=${asked.join(",")}`);
  const response = await ask(places);
  expect(response.status).toBe(200);
  const { batches } = (await response.json()) as BatchesPage;
  expect(batches.map((entry) => `${entry.emitter}.${entry.seq}`)).toEqual(places);
  expect(batches.flatMap(({ batch }) => batch?.headers.seq ?? [])).toEqual([seq]);
  for (const wrong of [[...places, `${emitter}.1`], [`${emitter}.01`], [emitter], [""]])
    expect((await ask(wrong)).status).toBe(400);
});
