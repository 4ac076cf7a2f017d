import { createAudit } from "@tooltrail/core/audit";
import type { Ports } from "@tooltrail/core/ports";
import { evaluateSlos } from "@tooltrail/core/slo/alerts";
import { readSlos } from "@tooltrail/core/slo/slos";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../../../test/support/adapters.ts";
import { anIdentity } from "../../../test/support/batches.ts";
import { aWatched, msOf, noon } from "../../../test/support/burning.ts";
import { faulty } from "../../../test/support/faults.ts";
import { createApi } from "./app.ts";
import type {
  AppliedAnswer,
  Maintenance,
  MaintenancePage,
  RecordPage,
  SeriesAnswer,
  SloAnswer,
  SlosPage,
} from "./types.ts";

let ports: OpenPorts;
let watched: ReturnType<typeof aWatched>;
let request: (method: string, path: string, body?: unknown) => Promise<Response>;
let get: <Answer>(path: string) => Promise<Answer>;

const appOn = (some: Ports) => {
  const audit = createAudit(some, anIdentity(9), "0");
  return createApi({
    ports: () => ({ ...some, surroundings: { ...some.surroundings, now: () => msOf(noon) + 30_000 } }),
    log: () => ({ ...ports, keys: [] }),
    projections: () => ports.projections,
    audit: () => audit,
    callerOf: () => ({ issuer: "os", subject: "os:ada@workstation", method: "token", verified: true }),
    onError: () => undefined,
  });
};

beforeEach(async () => {
  ports = await (adapterSets[0] as (typeof adapterSets)[number])[1]();
  ports.enrolledKeys.add(anIdentity(9).key);
  watched = aWatched(ports.projections);
  const app = appOn(ports);
  request = async (method, path, body) =>
    app.request(path, {
      method,
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  get = async <Answer>(path: string) => (await (await request("GET", path)).json()) as Answer;
  for (let minute = noon - 120; minute < noon; minute += 1) await watched.calls("files", minute, 1);
  await watched.calls("files", noon - 1, 20, "timeout", { tool: "read" });
  await watched.calls("git", noon - 1, 5);
  await evaluateSlos(watched.ports, await readSlos(ports.projections, msOf(noon)), msOf(noon), undefined);
});
afterEach(() => ports.close());

const document = (name: string, server: string, more: object = {}) => ({
  apiVersion: "openslo/v1",
  kind: "SLO",
  metadata: { name },
  spec: {
    indicator: {
      metadata: { name: "calls" },
      spec: { thresholdMetric: { metricSource: { type: "tooltrail", spec: { sli: "availability", server } } } },
    },
    budgetingMethod: "Occurrences",
    timeWindow: [{ duration: "28d", isRolling: true }],
    objectives: [{ target: 0.99 }],
    ...more,
  },
});

const actions = async (): Promise<string[]> =>
  (await get<RecordPage>("/v1/records?kind=control")).records.map((record) =>
    "action" in record ? record.action : "",
  );

describe("what is read", () => {
  test("every server that was seen has SLOs without anybody defining one, and tooltrail has its own", async () => {
    const { slos, next } = await get<SlosPage>("/v1/slos");
    expect(slos.map(({ name }) => name)).toEqual([
      "availability:files",
      "availability:git",
      "latency:files",
      "latency:git",
      "tooltrail:bus-to-ledger",
      "tooltrail:ledger-to-log",
      "tooltrail:log-to-counters",
      "tooltrail:quarantine",
    ]);
    expect(next).toBeNull();
    const [files] = slos;
    expect(files).toMatchObject({
      origin: "default",
      target: 0.995,
      budget: { total: 140, bad: 20, exhaustedAt: expect.any(Number) },
      degraded: [],
    });
    expect(files?.budget.spent).toBeCloseTo(20 / 140 / 0.005, 9);
    expect(files?.rules.map(({ name, firing }) => [name, firing])).toEqual([
      ["page-1h", true],
      ["page-6h", true],
      ["ticket-1d", true],
      ["ticket-3d", true],
    ]);
    expect(files?.hours.length).toBe(24);
    expect(files?.hours.slice(-3)).toEqual([
      { total: 60, bad: 0 },
      { total: 80, bad: 20 },
      { total: 0, bad: 0 },
    ]);
  });

  test("page by page, by server, and what fires alone", async () => {
    const first = await get<SlosPage>("/v1/slos?limit=3");
    const rest = await get<SlosPage>(`/v1/slos?limit=100&cursor=${first.next}`);
    expect([...first.slos, ...rest.slos].map(({ name }) => name)).toEqual(
      (await get<SlosPage>("/v1/slos")).slos.map(({ name }) => name),
    );
    expect((await get<SlosPage>("/v1/slos?server=git")).slos.length).toBe(2);
    expect((await get<SlosPage>("/v1/slos?firing=true")).slos.map(({ name }) => name)).toEqual(["availability:files"]);
    expect((await request("GET", "/v1/slos?firing=maybe")).status).toBe(400);
  });

  test("one of them says what burns it, and by whom", async () => {
    const answer = await get<SloAnswer>(`/v1/slos/${encodeURIComponent("availability:files")}`);
    expect(answer).toMatchObject({ definition: null, versions: [], burners: { tools: [{ name: "read", bad: 20 }] } });
    expect((await request("GET", "/v1/slos/nothing")).status).toBe(404);
  });

  test("its minutes, and those of a definition that is not there yet", async () => {
    const { minutes } = await get<SeriesAnswer>("/v1/slos/availability%3Afiles/series?since=3h");
    expect(minutes.length).toBe(120);
    expect(minutes.at(-1)).toEqual([noon - 1, 21, 20]);
    const asked = await request("POST", "/v1/series", { document: document("new", "f*") });
    expect(((await asked.json()) as SeriesAnswer).minutes).toEqual(minutes);
    const wrong = await request("POST", "/v1/series", {
      document: document("new", "files", { objectives: [{ target: 99 }] }),
    });
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain("objectives[0].target");
  });

  test("metrics, in the words of OpenMetrics", async () => {
    const response = await request("GET", "/metrics");
    expect(response.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
    const text = await response.text();
    expect(text).toContain('tooltrail_slo_alert_firing{slo="availability:files"');
    expect(text.endsWith("# EOF\n")).toBe(true);
  });
});

describe("what is defined", () => {
  test("is current in a new version, takes the place of the default, and keeps its history", async () => {
    const applied = await request("POST", "/v1/slos", { documents: [document("files-calls", "files")] });
    expect(((await applied.json()) as AppliedAnswer).applied).toEqual([
      { name: "files-calls", version: 1, outcome: "applied" },
    ]);
    const again = await request("POST", "/v1/slos", { documents: [document("files-calls", "files")] });
    expect(((await again.json()) as AppliedAnswer).applied).toEqual([
      { name: "files-calls", version: 1, outcome: "unchanged" },
    ]);
    await request("POST", "/v1/slos", {
      documents: [document("files-calls", "files", { objectives: [{ target: 0.9 }] })],
    });
    const answer = await get<SloAnswer>("/v1/slos/files-calls");
    expect(answer).toMatchObject({ origin: "defined", version: 2, target: 0.9, period: { minutes: 28 * 1_440 } });
    expect(answer.versions.map(({ version }) => version)).toEqual([2, 1]);
    expect(answer.definition).toEqual(document("files-calls", "files", { objectives: [{ target: 0.9 }] }));
    const names = (await get<SlosPage>("/v1/slos?server=files")).slos.map(({ name }) => name);
    expect(names).toEqual(["files-calls", "latency:files"]);
    const removed = await request("DELETE", "/v1/slos/files-calls");
    expect(((await removed.json()) as AppliedAnswer).applied).toEqual([
      { name: "files-calls", version: 3, outcome: "removed" },
    ]);
    expect((await request("DELETE", "/v1/slos/files-calls")).status).toBe(404);
    expect((await actions()).filter((action) => /^slo\.(apply|remove)$/.test(action))).toEqual([
      "slo.remove",
      "slo.apply",
      "slo.apply",
      "slo.apply",
    ]);
  });

  test("of several nothing is applied where one is faulty, and every fault is named", async () => {
    const response = await request("POST", "/v1/slos", {
      documents: [
        document("good", "files"),
        document("bad", "files", { objectives: [{ target: 99.9 }], timeWindow: [] }),
      ],
    });
    expect(response.status).toBe(400);
    const said = await response.text();
    expect(said).toContain("definition 2: objectives[0].target: 99.9 is not a fraction between 0 and 1");
    expect(said).toContain("definition 2: timeWindow");
    expect((await get<SlosPage>("/v1/slos")).slos.map(({ origin }) => origin)).not.toContain("defined");
    expect((await request("POST", "/v1/slos", "no JSON")).status).toBe(400);
    expect((await request("POST", "/v1/slos", { documents: [document("a", "x"), document("a", "y")] })).status).toBe(
      400,
    );
  });

  test("is on record before it counts: without that nothing is applied", async () => {
    const broken = appOn(faulty(ports, { port: "ledger", method: "append", kind: "failed" }));
    const body = JSON.stringify({ documents: [document("files-calls", "files")] });
    expect((await broken.request("/v1/slos", { method: "POST", body })).status).toBe(503);
    expect((await get<SlosPage>("/v1/slos")).slos.map(({ name }) => name)).not.toContain("files-calls");
  });
});

test("maintenance is announced, listed, ended early, and on record", async () => {
  const wanted = { minutes: 30, server: "files", reason: "upgrade to 2.0" };
  const window = (await (await request("POST", "/v1/maintenance", wanted)).json()) as Maintenance;
  expect(window).toMatchObject({ from: msOf(noon) + 30_000, until: msOf(noon + 30) + 30_000, server: "files" });
  expect(await (await request("POST", "/v1/maintenance", wanted)).json()).toEqual(window); // asked again, it is the same
  expect((await get<MaintenancePage>("/v1/maintenance")).windows).toEqual([window]);
  expect((await request("DELETE", `/v1/maintenance/${window.id}`)).status).toBe(200);
  expect((await request("DELETE", `/v1/maintenance/${window.id}`)).status).toBe(404);
  expect((await request("POST", "/v1/maintenance", { minutes: 0, reason: "" })).status).toBe(400);
  expect(new Set(await actions())).toEqual(
    new Set(["records.query", "maintenance.add", "maintenance.list", "maintenance.remove"]),
  );
});
