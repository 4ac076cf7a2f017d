import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { alertOf } from "@tooltrail/core/incidents/alert";
import { causeKey } from "@tooltrail/core/incidents/cause";
import { runCommand } from "@tooltrail/core/incidents/command";
import { replay } from "@tooltrail/core/incidents/evolve";
import type { Alert, Incident } from "@tooltrail/core/incidents/incident";
import { listIncidents, readEvents } from "@tooltrail/core/incidents/store";
import { type TriagePorts, triage } from "@tooltrail/core/incidents/triage";
import type { Signal } from "@tooltrail/core/response/response";
import { addMaintenance } from "@tooltrail/core/slo/definitions";
import type { PipelineEvent } from "@tooltrail/format";
import { describe, expect, test } from "vitest";
import { memoryProjections, projectionStores } from "../support/followed.ts";
import { randomFrom } from "../support/pieces.ts";

const startMs = 1_800_000_000_000;
const minuteMs = 60_000;

const triager = (projections: Projections): TriagePorts => ({
  projections,
  tickets: [],
  changedAt: async () => undefined,
});

interface Wanted {
  readonly server?: string;
  readonly tool?: string;
  readonly environment?: string;
  readonly signal?: Signal;
  readonly state?: Alert["state"];
  readonly severity?: Alert["severity"];
  readonly rule?: string;
  readonly startedAt?: number;
  readonly at?: number;
}

const anAlert = ({
  server = "files",
  tool = "",
  environment = "",
  signal = "availability",
  state = "firing",
  severity = "page",
  rule = "page-1h",
  startedAt = startMs,
  at = startedAt,
}: Wanted = {}): Alert => ({
  cause: { environment, server, tool, signal },
  state,
  severity,
  source: `${signal}:${server}${tool}`,
  rule,
  startedAt,
  at,
  text: "It burns.",
});

const live = (incidents: readonly Incident[]) => incidents.filter(({ endedAt }) => endedAt === undefined);
const all = (projections: Projections) => listIncidents(projections, { limit: 500 });

/** Bytes, once what nobody holds any more is gone. */
function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

/** In memory it would say no more than on SQLite. */
const stores = projectionStores.filter(([name]) => name !== "memory");

describe.each(stores)("triage on %s", (name, open) => {
  test("all rules of one objective, and all its versions, are one incident; a second look changes nothing", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    const alerts = ["page-1h", "page-6h", "ticket-1d", "ticket-3d"].map((rule) =>
      anAlert({ rule, severity: rule.startsWith("page") ? "page" : "ticket" }),
    );
    expect(await triage(ports, alerts, startMs)).toEqual({ opened: 1, attached: 3, suppressed: 0, idle: 0 });
    await triage(ports, alerts, startMs + 1);
    const [incident, ...others] = await all(projections);
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ status: "open", severity: "page", alertCount: 4, title: "availability of files" });
    expect(replay(await readEvents(projections, incident?.id ?? ""))).toEqual(incident);
    await close();
  });

  test("a ticket that becomes a page is raised, once", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ rule: "ticket-3d", severity: "ticket" })], startMs);
    await triage(ports, [anAlert({ rule: "page-6h" }), anAlert({ rule: "page-1h" })], startMs + minuteMs);
    const [incident] = await all(projections);
    const events = await readEvents(projections, incident?.id ?? "");
    expect(incident?.severity).toBe("page");
    expect(events.filter((event) => event.type === "incident.alerted" && event.raised)).toHaveLength(1);
    await close();
  });

  test("three tools of a server within five minutes are one incident of the server, which takes what comes after", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ tool: "read" })], startMs);
    await triage(ports, [anAlert({ tool: "write" })], startMs + 4 * minuteMs);
    expect(live(await all(projections))).toHaveLength(2);
    await triage(ports, [anAlert({ tool: "list" })], startMs + 5 * minuteMs);
    await triage(ports, [anAlert({ tool: "move" })], startMs + 6 * minuteMs);
    const [parent, ...others] = live(await all(projections));
    expect(others).toEqual([]);
    expect(parent).toMatchObject({ cause: { server: "files", tool: "" }, alertCount: 4, severity: "page" });
    expect(parent?.children).toHaveLength(3);
    const merged = (await all(projections)).filter(({ status }) => status === "merged");
    expect(merged.map(({ parent: into }) => into)).toEqual(merged.map(() => parent?.id));
    // What ceases is told the parent, too.
    await triage(
      ports,
      [anAlert({ tool: "read", state: "cleared", at: startMs + 7 * minuteMs })],
      startMs + 7 * minuteMs,
    );
    const [after] = live(await all(projections));
    expect(after?.alerts[causeKey(anAlert({ tool: "read" }).cause)]?.firing).toEqual({});
    await close();
  });

  test("two tools, or three that took longer, are incidents of their own; an incident of the server takes them in", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ tool: "read" })], startMs);
    await triage(ports, [anAlert({ tool: "write" })], startMs + minuteMs);
    await triage(ports, [anAlert({ tool: "list" })], startMs + 6 * minuteMs);
    expect(live(await all(projections))).toHaveLength(3);
    await triage(ports, [anAlert({})], startMs + 7 * minuteMs);
    expect(live(await all(projections)).map(({ cause }) => cause.tool)).toEqual([""]);
    await close();
  });

  test("what somebody works on is not taken from him: it stays, beside the server's", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ tool: "read" })], startMs);
    const [own] = await all(projections);
    for (const type of ["acknowledge", "mitigate"] as const)
      await runCommand(projections, { incident: own?.id ?? "", command: { type }, nowMs: startMs });
    await triage(ports, [anAlert({})], startMs + minuteMs);
    expect(live(await all(projections))).toHaveLength(2);
    await triage(ports, [anAlert({ tool: "read", state: "cleared", at: startMs + 9 })], startMs + 2 * minuteMs);
    const still = (await all(projections)).find(({ id }) => id === own?.id);
    expect(Object.values(still?.alerts ?? {})[0]?.firing).toEqual({});
    await close();
  });

  test("a page inhibits tickets about the same server, whatever they are of, also those that came before it", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ signal: "schema_breakage", severity: "ticket" })], startMs);
    await triage(ports, [anAlert({ rule: "ticket-3d", severity: "ticket" })], startMs + 1);
    expect(live(await all(projections))).toHaveLength(2);
    await triage(ports, [anAlert({ rule: "page-1h", at: startMs + 2 })], startMs + 2);
    await triage(ports, [anAlert({ signal: "retry_storm", severity: "ticket", tool: "read" })], startMs + 3);
    expect(live(await all(projections))).toMatchObject([
      { severity: "page", alertCount: 4, cause: { signal: "availability" } },
    ]);
    await triage(ports, [anAlert({ signal: "retry_storm", severity: "ticket", server: "mail" })], startMs + 4);
    await triage(ports, [anAlert({ signal: "latency" })], startMs + 5);
    expect(
      live(await all(projections))
        .map(({ cause }) => [cause.server, cause.signal])
        .sort(),
    ).toEqual([
      ["files", "availability"],
      ["files", "latency"], // another page is another thing
      ["mail", "retry_storm"],
    ]);
    await close();
  });

  test("whoever has taken an incident of all servers hears that another one is befallen, at most each five minutes", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ server: "*", environment: "prod" })], startMs);
    const [{ id = "" } = {}] = await all(projections);
    await runCommand(projections, { incident: id, command: { type: "acknowledge" }, nowMs: startMs });
    const widened = async () =>
      (await readEvents(projections, id)).filter((event) => event.type === "incident.alerted" && event.widened).length;
    for (const [i, server] of ["a", "b", "c"].entries())
      await triage(ports, [anAlert({ server, environment: "prod", at: startMs + i })], startMs + i * minuteMs);
    expect(await widened()).toBe(1);
    await triage(ports, [anAlert({ server: "d", environment: "prod" })], startMs + 6 * minuteMs);
    await triage(ports, [anAlert({ server: "d", environment: "prod", rule: "page-6h" })], startMs + 60 * minuteMs);
    expect(await widened()).toBe(2);
    expect(await all(projections)).toMatchObject([{ calls: 2, alertCount: 6 }]);
    await close();
  });

  test("a server that calls itself a star speaks for itself alone", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    const burn = {
      type: "slo.burn.started",
      slo: "availability:*",
      rule: "page-1h",
      severity: "page",
      sli: "availability",
      literal: true,
      environment: "*",
      server: "*",
      at: startMs,
      startedAt: startMs,
      burnLong: 20,
      burnShort: 20,
      longMinutes: 60,
      shortMinutes: 5,
      budgetSpent: 0.1,
      burners: { tools: [], versions: [], principals: [] },
    } as const;
    const [named, pattern] = [alertOf(burn), alertOf({ ...burn, literal: undefined } as unknown as PipelineEvent)];
    await triage(ports, [named, anAlert({ environment: "prod" })] as Alert[], startMs);
    expect(live(await all(projections))).toHaveLength(2);
    expect(pattern?.cause).toMatchObject({ environment: "*", server: "*" });
    await close();
  });

  test("an objective of several servers, by a pattern, takes the alerts of each of them", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ server: "pay-*", environment: "*" })], startMs);
    await triage(ports, [anAlert({ server: "pay-eu", environment: "prod" }), anAlert({ server: "mail" })], startMs + 1);
    expect(
      live(await all(projections))
        .map(({ cause, alertCount }) => [cause.server, alertCount])
        .sort(),
    ).toEqual([
      ["mail", 1],
      ["pay-*", 2],
    ]);
    await close();
  });

  test("those that a wider one could not take in at once come after", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    for (let i = 0; i < 12; i += 1) await triage(ports, [anAlert({ tool: `t${i}` })], startMs + i * 6 * minuteMs);
    const later = startMs + 100 * minuteMs;
    await triage(ports, [anAlert({ startedAt: later })], later);
    await triage(ports, [anAlert({ startedAt: later, rule: "page-6h" })], later + 1);
    expect(live(await all(projections))).toMatchObject([{ cause: { tool: "" }, alertCount: 14 }]);
    await close();
  });

  test("nothing opens under maintenance, but what nobody allowed; what is open goes on", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert({ server: "mail" })], startMs - 1);
    for (const server of ["files", "mail"])
      await addMaintenance(
        projections,
        { id: `mnt_${server}`, from: startMs, until: startMs + minuteMs, server, reason: "a move", by: "p_x" },
        startMs,
      );
    const during = [
      anAlert(),
      anAlert({ server: "mail", rule: "page-6h" }),
      anAlert({ signal: "policy_drift" }),
      anAlert({ server: "mail", state: "cleared", at: startMs + 5 }),
    ];
    expect(await triage(ports, during, startMs)).toEqual({ opened: 1, attached: 2, suppressed: 1, idle: 0 });
    expect(await triage(ports, [anAlert({ at: startMs + 2 * minuteMs })], startMs + 2 * minuteMs)).toMatchObject({
      opened: 1,
    });
    await close();
  });

  test("it reopens within half an hour, and is another one after; what fired before its end is no reason for either", async () => {
    const { projections, close } = await open();
    const ports = triager(projections);
    await triage(ports, [anAlert()], startMs);
    const [{ id = "" } = {}] = await all(projections);
    const run = (command: Parameters<typeof runCommand>[1]["command"], nowMs: number) =>
      runCommand(projections, { incident: id, command, nowMs });
    await run({ type: "acknowledge" }, startMs);
    await run({ type: "mitigate" }, startMs);
    for (const from of [startMs, startMs + 5 * minuteMs])
      await run({ type: "check", from, to: from + 5 * minuteMs, result: "pass", measured: [] }, from + 5 * minuteMs);
    const resolvedAt = startMs + 20 * minuteMs;
    await run({ type: "resolve" }, resolvedAt);

    await triage(ports, [anAlert({ rule: "ticket-3d", at: resolvedAt + 1 })], resolvedAt + 1);
    expect(await all(projections)).toMatchObject([{ status: "resolved", alertCount: 2 }]);
    const again = resolvedAt + 30 * minuteMs;
    await triage(ports, [anAlert({ startedAt: again })], again);
    expect(await all(projections)).toMatchObject([{ status: "open", episode: 2, escalation: { level: 1, round: 1 } }]);
    await run({ type: "cancel", reason: "a drill" }, again + 1);
    await triage(ports, [anAlert({ startedAt: again, at: again + 2 })], again + 2);
    expect(await all(projections)).toHaveLength(1);
    await triage(ports, [anAlert({ startedAt: again + 3 })], again + 3);
    expect(live(await all(projections))).toHaveLength(1);
    expect(await all(projections)).toHaveLength(2);
    await close();
  });

  test("ten thousand alerts in a minute, from two hundred servers, twice and in any order, by two at once, are a handful of incidents, and none is lost", async () => {
    const { projections, close } = await open();
    const random = randomFrom(7);
    // DynamoDB Local takes its time: a tenth of them there.
    const servers = Array.from({ length: name === "DynamoDB" ? 20 : 200 }, (_, i) => `server-${i}`);
    const signals = ["availability", "latency", "freshness", "quality", "schema"] as const;
    const rules = ["page-1h", "page-6h", "ticket-1d", "ticket-3d", "own"];
    const states = ["firing", "cleared"] as const;
    const distinct = servers.flatMap((server) =>
      signals.flatMap((signal) =>
        rules.flatMap((rule) =>
          states.map((state, i) =>
            anAlert({
              ...{ server, signal, rule, state },
              severity: rule.startsWith("page") ? "page" : "ticket",
              at: startMs + i,
            }),
          ),
        ),
      ),
    );
    expect(distinct).toHaveLength(servers.length * 50);
    // Those of one rule stay in their order, as its evaluation says them; all else is mixed.
    const shuffled = distinct
      .map((alert) => ({ alert, key: `${alert.at}`.padStart(20, "0") + random().toFixed(9) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ alert }) => alert);
    const batches: Alert[][] = [];
    for (let i = 0; i < shuffled.length; i += 100) batches.push(shuffled.slice(i, i + 100));
    const ports = triager(projections);
    const queue = [...batches.flatMap((batch, i) => (i % 10 === 0 ? [batch, batch] : [batch]))];
    const work = async (): Promise<void> => {
      for (let batch = queue.shift(); batch; batch = queue.shift()) await triage(ports, batch, startMs + 60_000);
    };
    const before = heapInUse();
    await Promise.all([work(), work()]);
    const grown = heapInUse() - before;
    const incidents = await all(projections);
    for (const signal of signals) {
      const mine = incidents.filter(({ cause }) => cause.signal === signal);
      expect(mine.length).toBeLessThanOrEqual(10);
      expect(live(mine)).toHaveLength(1);
    }
    const counted = live(incidents).reduce((sum, { alertCount }) => sum + alertCount, 0);
    expect(counted).toBe(distinct.length);
    for (const incident of incidents) expect(JSON.stringify(incident).length).toBeLessThan(300_000);
    expect(grown).toBeLessThan(30_000_000);
    await close();
  }, 120_000);
});

test.each(["failed", "failed but persisted"])("alerts survive each commit that %s", async (kind) => {
  for (let broken = 1; broken < 12; broken += 1) {
    const real = memoryProjections();
    let commits = 0;
    const projections: Projections = {
      ...real,
      async commit(...change) {
        commits += 1;
        if (commits !== broken) return real.commit(...change);
        if (kind === "failed but persisted") await real.commit(...change);
        throw new AppError("unavailable", "no answer", { outcome: kind === "failed" ? "not-applied" : "unknown" });
      },
    };
    const ports = triager(projections);
    for (const [i, tool] of ["read", "write", "list", "move"].entries()) {
      const alerts = [anAlert({ tool }), anAlert({ tool, rule: "page-6h" })];
      await triage(ports, alerts, startMs + i).catch(() => triage(ports, alerts, startMs + i)); // the queue's next delivery
    }
    const incidents = await all(projections);
    expect(live(incidents)).toMatchObject([{ cause: { tool: "" }, alertCount: 8 }]);
    for (const incident of incidents) expect(replay(await readEvents(projections, incident.id))).toEqual(incident);
  }
});

test("fifty commands at the same time are all carried out", async () => {
  const projections = memoryProjections();
  await triage(triager(projections), [anAlert()], startMs);
  const [{ id = "" } = {}] = await all(projections);
  await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      runCommand(projections, { incident: id, command: { type: "note", text: `note ${i}` }, nowMs: startMs + i }),
    ),
  );
  const notes = (await readEvents(projections, id)).filter(({ type }) => type === "incident.noted");
  expect(new Set(notes.map((event) => "text" in event && event.text)).size).toBe(50);
});

test.each([
  [{ type: "slo.burn.started" }, "firing"],
  [{ type: "slo.burn.cleared", why: "recovered" }, "cleared"],
])("%o is an alert", (some, state) => {
  const event = {
    slo: "availability:files",
    rule: "page-1h",
    severity: "page",
    sli: "availability",
    environment: "",
    server: "files",
    at: 2,
    startedAt: 1,
    burnLong: 20,
    burnShort: 20,
    longMinutes: 60,
    shortMinutes: 5,
    budgetSpent: 0.1,
    burners: { tools: [], versions: [{ name: "2.0.0", bad: 4 }], principals: [] },
    ...some,
  } as unknown as PipelineEvent;
  expect(alertOf(event)).toMatchObject({ state, cause: { server: "files", tool: "", signal: "availability" } });
});
