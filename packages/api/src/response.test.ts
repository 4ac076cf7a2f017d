import { createAudit } from "@tooltrail/core/audit";
import type { Ports } from "@tooltrail/core/ports";
import type { ResponseDocument, Runbook } from "@tooltrail/core/response/response";
import { applyResponse, namedResponse } from "@tooltrail/core/response/store";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../../../test/support/adapters.ts";
import { anIdentity } from "../../../test/support/batches.ts";
import { faulty } from "../../../test/support/faults.ts";
import { answerErrors } from "./answer-errors.ts";
import { addResponseRoutes } from "./response.ts";
import type { MissingRunbooks, ResponseAnswer, ResponsePage } from "./response-types.ts";
import type { AppliedAnswer } from "./types.ts";

const now = Date.parse("2026-01-31T12:30:00Z");
const dayMs = 86_400_000;

const runbook = (name: string, more: Partial<Runbook> = {}): Runbook => ({
  kind: "Runbook",
  name,
  server: "billing",
  versions: ">=2 <3",
  steps: ["go back"],
  ...more,
});

let ports: OpenPorts;
let request: (method: string, path: string, body?: unknown) => Promise<Response>;
let get: <Answer>(path: string) => Promise<Answer>;
let audited: [string, unknown][];

const appOn = (some: Ports) => {
  const audit = createAudit(some, anIdentity(9), "0");
  const app = new Hono<{ Bindings: object }>();
  addResponseRoutes(app, {
    ports: () => ({ ...some, surroundings: { ...some.surroundings, now: () => now } }),
    projections: () => ports.projections,
    audit: () => async (caller, action, params) => {
      const record = await audit(caller, action, params);
      audited.push([action, params]);
      return record;
    },
    callerOf: () => ({ issuer: "os", subject: "os:ada@workstation", method: "token", verified: true }),
  });
  answerErrors(app, () => undefined);
  return app;
};

beforeEach(async () => {
  ports = await (adapterSets[0] as (typeof adapterSets)[number])[1]();
  ports.enrolledKeys.add(anIdentity(9).key);
  audited = [];
  const app = appOn(ports);
  request = async (method, path, body) =>
    app.request(path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
  get = async <Answer>(path: string) => (await (await request("GET", path)).json()) as Answer;
});
afterEach(() => ports.close());

const apply = (...documents: unknown[]) => request("POST", "/v1/response", { documents });
const keep = (source: "folder" | "command", ...documents: ResponseDocument[]) =>
  applyResponse(ports.projections, namedResponse(documents), { source, nowMs: 1 });

describe("what is in force", () => {
  test("is listed by kind and name, what is built in with it", async () => {
    await keep("folder", runbook("b"), { kind: "Destination", name: "a", type: "slack", url: { secret: "s" } });
    const { documents, unreadable } = await get<ResponsePage>("/v1/response");
    expect(unreadable).toEqual([]);
    expect(documents.map(({ kind }) => kind)).toEqual(["Destination", ...Array(13).fill("Playbook"), "Runbook"]);
    expect(documents[0]).toEqual({
      kind: "Destination",
      name: "a",
      title: "slack",
      version: 1,
      source: "folder",
      appliedAt: 1,
    });
    expect(documents.find(({ name }) => name === "server-failing")).toEqual({
      kind: "Playbook",
      name: "server-failing",
      title: "Calls fail by the server's own fault",
      builtIn: true,
    });
    const runbooks = await get<ResponsePage>("/v1/response?kind=Runbook");
    expect(runbooks.documents.map(({ name, title }) => [name, title])).toEqual([["b", "billing >=2 <3"]]);
    expect(audited).toEqual([
      ["response.list", {}],
      ["response.list", { kind: "Runbook" }],
    ]);
    for (const query of ["kind=Policy", "server=x"])
      expect((await request("GET", `/v1/response?${query}`)).status).toBe(400);
  });

  test("is read with its versions", async () => {
    await apply(runbook("b"));
    await apply(runbook("b", { rollbackTo: "1.9.4" }));
    const answer = await get<ResponseAnswer>("/v1/response/Runbook/b");
    expect(answer).toEqual({
      kind: "Runbook",
      name: "b",
      version: 2,
      source: "command",
      appliedAt: now,
      document: runbook("b", { rollbackTo: "1.9.4" }),
      versions: [
        { name: "Runbook/b", version: 2, source: "command", appliedAt: now },
        { name: "Runbook/b", version: 1, source: "command", appliedAt: now },
      ],
    });
    expect((await request("GET", "/v1/response/Runbook/c")).status).toBe(404);
    expect((await request("GET", "/v1/response/Runbooks/b")).status).toBe(400);
  });
});

describe("a built-in playbook", () => {
  const path = "/v1/response/Playbook/server-failing";
  test("is replaced by one's own, and comes again when that goes", async () => {
    const builtIn = await get<ResponseAnswer>(path);
    expect(builtIn).toMatchObject({ builtIn: true, versions: [], document: { id: "server-failing" } });
    expect((await apply({ ...builtIn.document, title: "Ours" })).status).toBe(200);
    const own = await get<ResponseAnswer>(path);
    expect(own).toMatchObject({ version: 1, source: "command", document: { title: "Ours" } });
    expect(own).not.toHaveProperty("builtIn");
    const { documents } = await get<ResponsePage>("/v1/response?kind=Playbook");
    expect(documents).toHaveLength(13);
    expect((await request("DELETE", path)).status).toBe(200);
    expect(await get<ResponseAnswer>(path)).toMatchObject({ builtIn: true, document: builtIn.document });
  });

  test("cannot be removed", async () => {
    const response = await request("DELETE", path);
    expect([response.status, await response.text()]).toEqual([409, expect.stringContaining("is built in")]);
  });
});

describe("a change", () => {
  test("is applied in a new version, or left where it is the same, and is on record first", async () => {
    expect(((await (await apply(runbook("a"), runbook("b"))).json()) as AppliedAnswer).applied).toEqual([
      { name: "Runbook/a", version: 1, outcome: "applied" },
      { name: "Runbook/b", version: 1, outcome: "applied" },
    ]);
    expect(((await (await apply(runbook("a"))).json()) as AppliedAnswer).applied).toEqual([
      { name: "Runbook/a", version: 1, outcome: "unchanged" },
    ]);
    expect(((await (await request("DELETE", "/v1/response/Runbook/a")).json()) as AppliedAnswer).applied).toEqual([
      { name: "Runbook/a", version: 2, outcome: "removed" },
    ]);
    expect((await request("DELETE", "/v1/response/Runbook/a")).status).toBe(404);
    const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(audited).toEqual([
      ["response.apply", { name: "Runbook/a", sha256 }],
      ["response.apply", { name: "Runbook/b", sha256 }],
      ["response.apply", { name: "Runbook/a", sha256 }],
      ["response.remove", { name: "Runbook/a" }],
    ]);
  });

  test("that cannot be put on record is not made", async () => {
    const broken = appOn(faulty(ports, { port: "ledger", method: "append", kind: "failed" }));
    const body = JSON.stringify({ documents: [runbook("a")] });
    expect((await broken.request("/v1/response", { method: "POST", body })).status).toBe(503);
    expect((await request("GET", "/v1/response/Runbook/a")).status).toBe(404);
  });

  test("with a fault is not made at all, and every fault is named", async () => {
    const response = await apply(runbook("a"), runbook("b", { versions: "newest", steps: [] }), { kind: "x" });
    expect(response.status).toBe(400);
    const text = await response.text();
    for (const said of ["document 2: steps: has no items", 'document 3: kind: \\"x\\" is not known'])
      expect(text).toContain(said);
    expect((await request("GET", "/v1/response/Runbook/a")).status).toBe(404);
    expect((await request("POST", "/v1/response", {})).status).toBe(400);
    expect(audited.filter(([action]) => action === "response.apply")).toEqual([]);
  });

  test("of what a folder keeps is made there", async () => {
    await keep("folder", runbook("a"));
    for (const response of [
      await apply(runbook("a", { versions: "*" })),
      await request("DELETE", "/v1/response/Runbook/a"),
    ])
      expect([response.status, await response.text()]).toEqual([409, expect.stringContaining("Change it there.")]);
    expect(await get<ResponseAnswer>("/v1/response/Runbook/a")).toMatchObject({ version: 1 });
  });
});

test("versions that were seen lately, and that no runbook is about, are told", async () => {
  const seen = (server: string, version: string | undefined, lastSeen: number, environment?: string) => ({
    collection: "servers",
    id: `${server}/${version}/${environment}`,
    value: {
      server,
      ...(version && { version }),
      ...(environment && { environment }),
      firstSeen: 5,
      lastSeen,
      calls: 1,
      attempts: 1,
      outcomes: {},
    },
  });
  await ports.projections.commit("inventory", {
    from: undefined,
    to: { current: { number: 1, version: 1, leaf: 1 } },
    generation: 1,
    rows: [
      seen("billing", "1.9.4", now, "production"),
      seen("billing", "2.0.1", now, "production"),
      seen("billing", "0.1.0", now - 31 * dayMs),
      seen("files", undefined, now),
      seen("files", "2026.8.31", now - 29 * dayMs),
      seen("tooltrail", "0.1.0", now),
    ],
  });
  await keep("command", runbook("billing-2"));
  expect(await get<MissingRunbooks>("/v1/runbooks/missing")).toEqual({
    missing: [
      { server: "billing", environment: "production", version: "1.9.4", firstSeen: 5, lastSeen: now },
      { server: "files", environment: "", version: "2026.8.31", firstSeen: 5, lastSeen: now - 29 * dayMs },
    ],
    since: now - 30 * dayMs,
  });
  expect(audited).toEqual([["runbooks.missing", {}]]);
});
