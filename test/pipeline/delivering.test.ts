import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { runCommand } from "@tooltrail/core/incidents/command";
import type { Command, Incident } from "@tooltrail/core/incidents/incident";
import { deliver, type OutboxPorts, retryUndelivered } from "@tooltrail/core/incidents/outbox";
import { listIncidents, listOutbox, listUndelivered } from "@tooltrail/core/incidents/store";
import { triage } from "@tooltrail/core/incidents/triage";
import type { ResponseDocument } from "@tooltrail/core/response/response";
import { applyResponse, namedResponse } from "@tooltrail/core/response/store";
import type { PipelineEvent } from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchHttp } from "../../functions/lib/http.ts";
import { type PagerDuty, startPagerDuty } from "../support/destinations/pagerduty.ts";
import { broken } from "../support/destinations/server.ts";
import { startWebhook, type WebhookReceiver } from "../support/destinations/webhook.ts";
import { memoryProjections } from "../support/followed.ts";

const startMs = 1_800_000_000_000;
const minuteMs = 60_000;

let clock: { nowMs: number };
let pager: PagerDuty;
let hook: WebhookReceiver;
let projections: Projections;
let said: PipelineEvent[];
let secrets: Map<string, string>;

beforeEach(async () => {
  clock = { nowMs: startMs };
  pager = await startPagerDuty();
  hook = await startWebhook(() => clock.nowMs);
  projections = memoryProjections();
  said = [];
  secrets = new Map([
    ["pager-key", pager.routingKey],
    ["hook-key", hook.signingKey],
  ]);
  await define(
    {
      kind: "Destination",
      name: "pager",
      type: "pagerduty",
      url: pager.url,
      routingKey: { secret: "pager-key" },
    },
    { kind: "Destination", name: "hook", type: "webhook", url: hook.url, signingKey: { secret: "hook-key" } },
    {
      kind: "ResponsePolicy",
      name: "all",
      levels: [{ targets: ["pager", "hook"], waitMinutes: 5 }],
      rounds: 2,
      acknowledgedForMinutes: 30,
      tickets: [],
      executors: [],
    },
  );
});

afterEach(async () => {
  await pager.stop();
  await hook.stop();
});

const define = (...documents: ResponseDocument[]) =>
  applyResponse(projections, namedResponse(documents), { source: "command", nowMs: clock.nowMs });

const ports = (rows: Projections = projections): OutboxPorts => ({
  projections: rows,
  events: { publish: async (event) => void said.push(structuredClone(event)) },
  ways: {
    http: fetchHttp({ timeoutMs: 500 }),
    secrets: { read: async (name) => secrets.get(name) },
    now: () => clock.nowMs,
  },
  principals: { names: async () => new Map([["p_ada", { issuer: "os", subject: "os:ada@workstation" }]]) },
  destinations: [],
  random: () => 0.5,
  now: () => clock.nowMs,
  draft: async () => ({ outcome: "done" }),
  ticket: async () => ({ outcome: "done" }),
});

async function anIncident(): Promise<string> {
  const cause = { environment: "", server: "files", tool: "", signal: "availability" } as const;
  const alert = {
    state: "firing",
    severity: "page",
    source: "availability:files",
    rule: "page-1h",
    text: "It burns.",
  } as const;
  await triage(
    { projections, tickets: [], changedAt: async () => undefined },
    [{ ...alert, cause, startedAt: clock.nowMs, at: clock.nowMs }],
    clock.nowMs,
  );
  const [incident] = await listIncidents(projections, { limit: 1 });
  return incident?.id ?? "";
}

const run = (incident: string, command: Command): Promise<Incident> =>
  runCommand(projections, { incident, command, nowMs: clock.nowMs });

async function toTheEnd(id: string, meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  await run(id, { type: "acknowledge" });
  await meanwhile();
  let { checks } = await run(id, { type: "mitigate" });
  for (let i = 0; i < 2; i += 1) {
    const { from } = checks;
    clock.nowMs = Math.max(clock.nowMs, from + 5 * minuteMs);
    ({ checks } = await run(id, { type: "check", from, to: from + 5 * minuteMs, result: "pass", measured: [] }));
  }
  await run(id, { type: "resolve" });
}

const typesAt = (receiver: WebhookReceiver) => receiver.deliveries().map(({ type }) => type);
const always = () => true;

describe("what follows from events", () => {
  test("each destination is told each step once, in order, and all of it is on the bus, as the schema has it", async () => {
    const id = await anIncident();
    await deliver(ports(), always);
    await toTheEnd(id, () => deliver(ports(), always));
    await deliver(ports(), always);
    expect(pager.incidents()).toMatchObject([{ state: "resolved", actions: ["trigger", "acknowledge", "resolve"] }]);
    expect(typesAt(hook)).toEqual([
      "incident.opened",
      "action.requested",
      "incident.acknowledged",
      "incident.mitigating",
      "incident.mitigated",
      "incident.resolved",
    ]);
    for (const { type, ...detail } of said) {
      const event = { source: "tooltrail.pipeline", "detail-type": type, detail };
      expect(pipelineEvent.safeParse(event).error, type).toBeUndefined();
    }
    expect(said.map((event) => ("version" in event ? event.version : 0))).toEqual(said.map((_, i) => i + 1));
    expect(await listOutbox(projections, 10)).toEqual([]);
    expect(await deliver(ports(), always)).toEqual({ done: 0, failed: 0, givenUp: 0, more: false });
  });

  test("one destination that is down holds up no other, is left alone for a while, and hears all of it in order once it is back", async () => {
    const id = await anIncident();
    pager.answerWith(broken);
    for (let i = 0; i < 20; i += 1) {
      await deliver(ports(), always);
      clock.nowMs += 3_000;
    }
    expect(typesAt(hook)).toEqual(["incident.opened", "action.requested"]);
    const asked = pager.requests().length;
    expect(asked).toBeGreaterThanOrEqual(5);
    expect(asked).toBeLessThan(10); // the breaker is open by then
    await run(id, { type: "acknowledge" });
    pager.answerWith();
    for (let i = 0; i < 40; i += 1) {
      clock.nowMs += minuteMs;
      await deliver(ports(), always);
    }
    expect(pager.incidents()).toMatchObject([{ state: "acknowledged", actions: ["trigger", "acknowledge"] }]);
    expect(await listOutbox(projections, 10)).toEqual([]);
  });

  test("who was away until it was over is not called for it", async () => {
    const id = await anIncident();
    pager.answerWith(broken);
    await deliver(ports(), always);
    await toTheEnd(id);
    pager.answerWith();
    clock.nowMs += minuteMs;
    await deliver(ports(), always);
    expect(pager.incidents()).toEqual([]);
    expect(await listOutbox(projections, 10)).toEqual([]);
  });

  test.each([
    "slow",
    "half-closed",
    "reset",
    "answer lost",
    { status: 429, headers: { "retry-after": "30" } },
  ] as const)("a receiver that is %o is told again, and takes it once", async (fault) => {
    await anIncident();
    hook.answerWith(fault, 1);
    await deliver(ports(), always);
    expect(await listOutbox(projections, 10)).not.toEqual([]);
    clock.nowMs += minuteMs;
    await deliver(ports(), always);
    expect(typesAt(hook)).toEqual(["incident.opened", "action.requested"]);
    expect(await listOutbox(projections, 10)).toEqual([]);
  });

  test("killed after it was told and before that was remembered, it is told again under the same id", async () => {
    await anIncident();
    let isKilled = false;
    const dying: Projections = {
      ...projections,
      async commit(...change) {
        if (isKilled || hook.requests().length > 0) {
          isKilled = true;
          throw new AppError("unavailable", "killed", { outcome: "not-applied" });
        }
        return projections.commit(...change);
      },
    };
    await expect(deliver(ports(dying), always)).rejects.toThrow("killed");
    await deliver(ports(), always);
    const ids = hook.requests().map(({ headers }) => headers["webhook-id"]);
    expect(ids.length).toBeGreaterThan(new Set(ids).size);
    expect(typesAt(hook)).toEqual(["incident.opened", "action.requested"]);
    expect(pager.incidents()).toHaveLength(1);
  });

  test("what is refused for good is kept aside, does not stop what is behind it, and is sent again by hand", async () => {
    const id = await anIncident();
    secrets.set("pager-key", "another0key0of0thirty0two0digits");
    await run(id, { type: "acknowledge" });
    const { givenUp } = await deliver(ports(), always);
    expect(givenUp).toBe(2);
    const dead = await listUndelivered(projections);
    expect(dead.map(({ why }) => why)).toEqual([expect.stringMatching(/400/), expect.stringMatching(/400/)]);
    expect(JSON.stringify(dead)).not.toContain("another0key");
    secrets.set("pager-key", pager.routingKey);
    expect(await retryUndelivered(projections, undefined, clock.nowMs)).toBe(2);
    await deliver(ports(), always);
    expect(pager.incidents()).toMatchObject([{ state: "acknowledged", actions: ["trigger", "acknowledge"] }]);
    expect(await listUndelivered(projections)).toEqual([]);
  });

  test("a destination that nobody has defined yet is told once somebody has", async () => {
    await define({
      kind: "ResponsePolicy",
      name: "files",
      server: "files",
      levels: [{ targets: ["later"], waitMinutes: 5 }],
      rounds: 1,
      acknowledgedForMinutes: 30,
      tickets: [],
      executors: [],
    });
    await anIncident();
    expect(await deliver(ports(), always)).toMatchObject({ failed: 1 });
    await define({
      kind: "Destination",
      name: "later",
      type: "webhook",
      url: hook.url,
      signingKey: { secret: "hook-key" },
    });
    clock.nowMs += minuteMs;
    await deliver(ports(), always);
    expect(typesAt(hook)).toContain("incident.opened");
  });

  test("what one destination leaves behind in half a day hides nothing from the others", async () => {
    pager.answerWith(broken);
    for (let i = 0; i < 60; i += 1) {
      clock.nowMs += 12 * minuteMs;
      const id = await anIncident();
      for (let n = 0; n < 10; n += 1)
        await run(id, { type: "status", text: `${n}`, owner: "ada", etaAt: clock.nowMs + 1 });
      await run(id, { type: "cancel", reason: "a drill" });
      await deliver(ports(), always);
    }
    expect((await listOutbox(projections, 10_000)).length).toBeGreaterThan(500);
    const opened = typesAt(hook).filter((type) => type === "incident.opened");
    expect(opened).toHaveLength(60);
  });

  test("where the bus fails, each destination is told once all the same", async () => {
    await anIncident();
    const failing: OutboxPorts = {
      ...ports({
        ...projections,
        async commit(...change) {
          const rows = JSON.stringify(change);
          if (rows.includes('"kind":"publish"')) return projections.commit(...change);
          throw new AppError("unavailable", "throttled", { outcome: "not-applied" });
        },
      }),
    };
    await deliver(failing, always).catch(() => undefined);
    await deliver(ports(), always);
    expect(typesAt(hook)).toEqual(["incident.opened", "action.requested"]);
  });

  test("people are called anew when their acknowledgement has run out, and nothing stays open at PagerDuty after the end", async () => {
    const id = await anIncident();
    await deliver(ports(), always);
    await run(id, { type: "acknowledge" });
    await deliver(ports(), always);
    clock.nowMs += 30 * minuteMs;
    await run(id, { type: "tick" });
    await deliver(ports(), always);
    expect(pager.incidents()).toMatchObject([{ state: "acknowledged" }, { state: "triggered" }]);
    await run(id, { type: "acknowledge" });
    await run(id, { type: "cancel", reason: "a drill" });
    await deliver(ports(), always);
    expect(pager.incidents()).toMatchObject([{ state: "resolved" }, { state: "resolved" }]);
  });

  test("that somebody was not told is said, and an executor that refuses has not done it", async () => {
    await define(
      {
        kind: "Destination",
        name: "robot",
        type: "webhook",
        url: `${hook.url}-elsewhere`,
        signingKey: { secret: "hook-key" },
      },
      {
        kind: "ResponsePolicy",
        name: "files",
        server: "files",
        levels: [{ targets: [], waitMinutes: 5 }],
        rounds: 1,
        acknowledgedForMinutes: 30,
        tickets: [],
        executors: ["robot"],
      },
    );
    const id = await anIncident();
    await run(id, { type: "approve", action: "a1" });
    await deliver(ports(), always);
    expect(said.filter(({ type }) => type === "notice.undelivered")).toMatchObject([
      { incident: id, destination: "robot" },
    ]);
    const [incident] = await listIncidents(projections, { limit: 1 });
    expect(incident?.actions).toMatchObject([{ id: "a1", state: "failed", detail: expect.stringMatching(/404/) }]);
  });

  test("what was given up after a day is tried again as if for the first time", async () => {
    await anIncident();
    pager.answerWith(broken);
    for (let i = 0; i < 300; i += 1) {
      clock.nowMs += 10 * minuteMs;
      await deliver(ports(), always);
    }
    expect(await listUndelivered(projections)).toHaveLength(1);
    expect(await retryUndelivered(projections, undefined, clock.nowMs)).toBe(1);
    await deliver(ports(), always);
    expect(await listUndelivered(projections)).toEqual([]); // one that fails again has another day
    pager.answerWith();
    clock.nowMs += minuteMs;
    await deliver(ports(), always);
    expect(pager.incidents()).toMatchObject([{ state: "triggered" }]);
  });

  test("what there is no time for is left for the next look", async () => {
    await anIncident();
    let left = 2;
    await deliver(ports(), () => left-- > 0);
    expect(await listOutbox(projections, 10)).not.toEqual([]);
    await deliver(ports(), always);
    expect(await listOutbox(projections, 10)).toEqual([]);
  });
});
