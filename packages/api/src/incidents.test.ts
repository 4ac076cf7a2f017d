import { createAudit } from "@tooltrail/core/audit";
import type { Alert } from "@tooltrail/core/incidents/incident";
import { readEvents } from "@tooltrail/core/incidents/store";
import { triage } from "@tooltrail/core/incidents/triage";
import { applyResponse, namedResponse } from "@tooltrail/core/response/store";
import type { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../../../test/support/adapters.ts";
import { anIdentity } from "../../../test/support/batches.ts";
import type { IncidentAnswer, IncidentsPage } from "./incident-types.ts";
import { createIncidentsApi } from "./incidents-app.ts";
import type { ErrorAnswer } from "./types.ts";

let ports: OpenPorts;
let app: Hono<{ Bindings: object }>;
let audited: { action: string; params: { readonly [name: string]: string } }[];

beforeEach(async () => {
  ports = await (adapterSets[0] as (typeof adapterSets)[number])[1]();
  ports.enrolledKeys.add(anIdentity(9).key);
  audited = [];
  const audit = createAudit(ports, anIdentity(9), "0");
  app = createIncidentsApi({
    ports: () => ports,
    projections: () => ports.projections,
    audit: () => async (caller, action, params) => {
      audited.push({ action, params });
      return audit(caller, action, params);
    },
    callerOf: () => ({ issuer: "os", subject: "os:ada@workstation", method: "token", verified: true }),
    onError: () => undefined,
  });
});
afterEach(() => ports.close());

async function anIncident(server = "files"): Promise<string> {
  const cause = { environment: "", server, tool: "", signal: "availability" } as const;
  const at = ports.clock.nowMs;
  const alert: Alert = {
    ...{ cause, state: "firing", severity: "page", source: "availability:files", rule: "page-1h" },
    ...{ startedAt: at, at, text: "It burns." },
  };
  await triage({ projections: ports.projections, tickets: [], changedAt: async () => undefined }, [alert], at);
  const { incidents } = await get<IncidentsPage>("/v1/incidents");
  return incidents[0]?.id ?? "";
}

const get = async <Answer>(path: string): Promise<Answer> => (await (await app.request(path)).json()) as Answer;
const post = (path: string, body: unknown, key?: string) =>
  app.request(path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(key !== undefined && { headers: { "idempotency-key": key } }),
  });
const command = (id: string, body: unknown, key?: string) => post(`/v1/incidents/${id}/commands`, body, key);
const saying = async (response: Response): Promise<string> => ((await response.json()) as ErrorAnswer).error.message;

describe("commands", () => {
  test("are on record before they are done, and the event names the record; what is refused is on record as that", async () => {
    const id = await anIncident();
    const answer = (await (await command(id, { type: "acknowledge" })).json()) as IncidentAnswer;
    const { status, acknowledgedBy = "" } = answer.incident;
    expect([status, answer.names[acknowledgedBy]]).toEqual(["acknowledged", "os:ada@workstation"]);
    const refused = await command(id, { type: "resolve" });
    expect([refused.status, await saying(refused)]).toEqual([409, expect.stringMatching(/Possible now: .*mitigate/)]);
    expect(audited.slice(-2)).toMatchObject([
      { action: "incident.acknowledge", params: { incident: id } },
      { action: "incident.resolve", params: { incident: id, refused: "true" } },
    ]);
    expect(audited.at(-2)?.params).not.toHaveProperty("refused");
    const event = (await readEvents(ports.projections, id)).at(-1);
    expect(event?.record).toMatch(/^rec_/);
  });

  test("hold no free text on record", async () => {
    const id = await anIncident();
    const eta = ports.clock.nowMs + 60_000;
    await command(id, { type: "status", text: "Ada's disk is full.", owner: "Ada Lovelace", etaAt: eta });
    expect(JSON.stringify(audited)).not.toMatch(/disk|Lovelace/);
    expect(audited.at(-1)?.params).toMatchObject({
      etaAt: String(eta),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test("with a key are done once, however often they come; for something else the key is refused", async () => {
    const id = await anIncident();
    const note = { type: "note", text: "It is the disk." };
    const answers = await Promise.all([1, 2, 3].map(() => command(id, note, "k")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await readEvents(ports.projections, id)).filter(({ type }) => type === "incident.noted")).toHaveLength(1);
    expect((await command(id, { ...note, text: "It is the fan." }, "k")).status).toBe(409);
    // Sent again after it was done, it is not refused, and not on record as that.
    for (const _ of [1, 2]) expect((await command(id, { type: "cancel", reason: "a drill" }, "c")).status).toBe(200);
    expect(audited.slice(-2).map(({ params }) => params.refused)).toEqual([undefined, undefined]);
    expect((await command(id, note, "a key")).status).toBe(400);
  });

  test("of an action need an approval, unless it is the playbook's, word for word, and the playbook lets it go", async () => {
    await applyResponse(
      ports.projections,
      namedResponse([
        {
          kind: "Playbook",
          ...{ id: "capped", version: 1, title: "Too much", hypothesis: "Volume.", engineeringControl: "A bound." },
          trigger: [{ signals: ["availability"] }],
          immediateAction: { kind: "cap_concurrency", params: { max: 16 }, approval: "none", why: "It holds." },
          verificationTarget: [{ sli: "availability", op: ">=", value: 0.99, windowMinutes: 5, minCalls: 10 }],
          rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
          communication: { owner: "on-call", etaMinutes: 30, cadenceMinutes: 20 },
          learning: { postmortem: "required", questions: ["Why?"], testTemplates: [] },
        },
      ]),
      { source: "command", nowMs: 1 },
    );
    const id = await anIncident();
    for (const params of [{ max: 16 }, { max: 0 }, { max: 16, scope: "all" }])
      await command(id, { type: "act", kind: "cap_concurrency", params });
    const { incident } = await get<IncidentAnswer>(`/v1/incidents/${id}`);
    expect(incident.actions.map(({ state }) => state)).toEqual(["started", "started", "requested", "requested"]);
  });

  test.each<[string, unknown, number]>([
    ["what is no JSON", "{", 400],
    ["what is no command", { type: "tick" }, 400],
    ["a field too many", { type: "acknowledge", force: true }, 400],
    ["a status without an owner", { type: "status", text: "x", etaAt: 1 }, 400],
    ["an ETA that is over", { type: "status", text: "x", owner: "ada", etaAt: 1 }, 409],
    ["an ETA in another age", { type: "status", text: "x", owner: "ada", etaAt: 8.64e15 }, 409],
    ["an action that is none", { type: "approve", action: "a9" }, 409],
    ["itself to be merged into", { type: "merge", into: "inc_0123456789abaaaaaaaaaaaaaa" }, 404],
  ])("refuse %s", async (_, body, status) => {
    const id = await anIncident();
    const response = await command(id, body);
    expect(response.status).toBe(status);
    expect((await readEvents(ports.projections, id)).length).toBe(3);
  });

  test("to an incident that there is not are not found", async () => {
    expect((await command("inc_0123456789abaaaaaaaaaaaaaa", { type: "acknowledge" })).status).toBe(404);
    expect((await command("inc_x", { type: "acknowledge" })).status).toBe(404);
  });
});

test("those that have not ended come on one page, the latest first, whatever ended since", async () => {
  const first = await anIncident("a");
  for (let i = 0; i < 60; i += 1) {
    ports.clock.nowMs += 600_000;
    await command(await anIncident(`s${i}`), { type: "cancel", reason: "a drill" });
  }
  ports.clock.nowMs += 1;
  const last = await anIncident("z");
  const page = await get<IncidentsPage>("/v1/incidents?status=live");
  expect([page.incidents.map(({ id }) => id), page.next]).toEqual([[last, first], null]);
  const { incidents, next } = await get<IncidentsPage>("/v1/incidents");
  expect([incidents.length, next]).toEqual([50, incidents.at(-1)?.id]);
  const rest = await get<IncidentsPage>(`/v1/incidents?cursor=${next}`);
  expect(rest.incidents.at(-1)?.id).toBe(first);
});

test("a destination that a policy names is not taken away", async () => {
  const documents = namedResponse([
    { kind: "Destination", name: "pager", type: "pagerduty", routingKey: { secret: "pager" } },
    {
      ...{ kind: "ResponsePolicy", name: "all", rounds: 1, acknowledgedForMinutes: 30, tickets: [], executors: [] },
      levels: [{ targets: ["pager"], waitMinutes: 5 }],
    },
  ]);
  await applyResponse(ports.projections, documents, { source: "command", nowMs: 1 });
  const remove = (path: string) => app.request(path, { method: "DELETE" });
  const refused = await remove("/v1/response/Destination/pager");
  expect([refused.status, await saying(refused)]).toEqual([409, expect.stringMatching(/named by all/)]);
  expect((await remove("/v1/response/ResponsePolicy/all")).status).toBe(200);
  expect((await remove("/v1/response/Destination/pager")).status).toBe(200);
});
