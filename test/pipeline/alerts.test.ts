import { AppError } from "@tooltrail/core/errors";
import type { Projections } from "@tooltrail/core/follow/ports";
import { evaluateSlos, readStates } from "@tooltrail/core/slo/alerts";
import { defaultSlos } from "@tooltrail/core/slo/defaults";
import { parseDefinition } from "@tooltrail/core/slo/definition";
import { addMaintenance, applyDefinitions } from "@tooltrail/core/slo/definitions";
import { type MinuteCount, replay } from "@tooltrail/core/slo/replay";
import { readSlos } from "@tooltrail/core/slo/slos";
import { statusOf } from "@tooltrail/core/slo/status";
import type { PipelineEvent } from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aWatched, msOf, noon } from "../support/burning.ts";
import { memoryProjections, projectionStores } from "../support/followed.ts";
import { randomFrom } from "../support/pieces.ts";

const document = (name: string, target: number, server: string) => ({
  apiVersion: "openslo/v1",
  kind: "SLO",
  metadata: { name },
  spec: {
    indicator: {
      metadata: { name: "calls" },
      spec: { ratioMetric: { counter: false, good: source(server), total: source(server) } },
    },
    budgetingMethod: "Occurrences",
    timeWindow: [{ duration: "30d", isRolling: true }],
    objectives: [{ target }],
  },
});
const source = (server: string) => ({
  metricSource: { type: "tooltrail", spec: { sli: "availability", environment: "", server } },
});
const define = (projections: Projections, name: string, target: number, server: string) =>
  applyDefinitions(projections, [{ name, document: document(name, target, server) }], { source: "command", nowMs: 1 });

const burns = (events: readonly PipelineEvent[]) =>
  events.flatMap((event) =>
    "rule" in event ? [`${event.type.slice("slo.burn.".length)} ${event.slo} ${event.rule}`] : [],
  );

describe.each(projectionStores)("alerts on %s", (_, open) => {
  test("an outage is said to burn, by whom and what, and to be over three evaluations after the short window is clean", async () => {
    const { projections, close } = await open();
    const watched = aWatched(projections);
    for (let minute = noon - 60; minute < noon; minute += 5) await watched.calls("files", minute, 2);
    await watched.evaluate(noon - 1);
    expect(watched.heard()).toEqual([]);
    await watched.calls("files", noon, 20, "transport_error", { tool: "read" });
    await watched.evaluate(noon);
    const started = watched.heard();
    expect(burns(started)).toEqual([
      "started availability:files page-1h",
      "started availability:files page-6h",
      "started availability:files ticket-1d",
      "started availability:files ticket-3d",
    ]);
    expect(started[0]).toMatchObject({
      severity: "page",
      sli: "availability",
      environment: "",
      server: "files",
      startedAt: msOf(noon),
      longMinutes: 60,
      shortMinutes: 5,
      burners: { tools: [{ name: "read", bad: 20 }], versions: [], principals: [{ bad: 20 }] },
    });
    for (const event of started) {
      const { type, ...detail } = event;
      expect(
        pipelineEvent.safeParse({ source: "tooltrail.pipeline", "detail-type": type, detail }).error,
      ).toBeUndefined();
    }
    await watched.evaluate(noon); // the same minute again says nothing
    const cleared: string[] = [];
    for (let minute = noon + 1; minute < noon + 12; minute += 1) {
      await watched.calls("files", minute, 10);
      await watched.evaluate(minute);
      cleared.push(...burns(watched.heard()).map((text) => `${minute - noon}: ${text}`));
    }
    expect(cleared.filter((text) => text.includes("page-1h"))).toEqual(["7: cleared availability:files page-1h"]);
    await close();
  });
});

describe("at low traffic", () => {
  test("one failed call pages nobody, nor does it file a ticket", async () => {
    const watched = aWatched();
    await define(watched.projections, "strict", 0.999, "files");
    await watched.calls("files", noon, 1, "transport_error");
    for (let minute = noon; minute < noon + 5; minute += 1) await watched.evaluate(minute);
    expect(burns(watched.heard())).toEqual([]);
  });

  test.each([0.99, 0.995, 0.999, 0.9999])("two of two do, for a target of %d", async (target) => {
    const watched = aWatched();
    await define(watched.projections, "strict", target, "files");
    await watched.calls("files", noon, 2, "transport_error");
    await watched.evaluate(noon);
    expect(burns(watched.heard())).toContainEqual(expect.stringMatching(/^started strict page-/));
  });

  test("the total outage of a server with a call in ten minutes is found by its second failure", async () => {
    const watched = aWatched();
    await define(watched.projections, "strict", 0.999, "files");
    for (let minute = noon - 600; minute < noon; minute += 10) await watched.calls("files", minute, 1);
    await watched.calls("files", noon, 1, "transport_error");
    await watched.evaluate(noon);
    expect(burns(watched.heard())).toEqual([]);
    await watched.calls("files", noon + 10, 1, "transport_error");
    await watched.evaluate(noon + 10);
    expect(burns(watched.heard())).toContain("started strict page-1h");
  });

  test("what a caller does wrong, is denied or cancels burns nothing", async () => {
    const watched = aWatched();
    for (const outcome of ["denied", "cancelled", "input_required"] as const)
      await watched.calls("files", noon, 50, outcome);
    await watched.calls("files", noon, 50, "tool_error", {
      outcome: { class: "tool_error", reason: "invalid_arguments" },
    });
    expect(await watched.evaluate(noon)).toMatchObject({ firing: 0 });
    expect(burns(watched.heard())).toEqual([]);
  });
});

describe("while it burns", () => {
  async function aBurning() {
    const watched = aWatched();
    await watched.calls("files", noon, 20, "transport_error");
    await watched.evaluate(noon);
    watched.heard();
    return watched;
  }

  test("no data freezes the alert, and after ten minutes that is said", async () => {
    const watched = await aBurning();
    const heard: PipelineEvent[] = [];
    for (let minute = noon + 1; minute < noon + 60; minute += 1) {
      await watched.evaluate(minute);
      heard.push(...watched.heard());
    }
    expect(burns(heard).filter((text) => text.includes("page-1h"))).toEqual([]);
    const degraded = heard.filter(({ type }) => type === "slo.data.degraded");
    expect(degraded).toMatchObject([{ slo: "availability:files", what: "no_data", state: "started" }]);
    await watched.calls("files", noon + 60, 5);
    await watched.evaluate(noon + 60);
    expect(watched.heard()).toContainEqual(expect.objectContaining({ what: "no_data", state: "cleared" }));
  });

  test("it is said again where the burn has halved", async () => {
    const watched = await aBurning();
    await watched.calls("files", noon + 1, 30);
    await watched.evaluate(noon + 1);
    expect(burns(watched.heard())).toContain("updated availability:files page-1h");
  });

  test("an SLO that is defined anew takes over from the default, whose alert is cleared as removed", async () => {
    const watched = await aBurning();
    await define(watched.projections, "files-calls", 0.9, "files");
    await watched.evaluate(noon + 1);
    const heard = watched.heard();
    expect(burns(heard)).toContain("cleared availability:files page-1h");
    expect(heard.find(({ type }) => type === "slo.burn.cleared")).toMatchObject({ why: "removed" });
    expect(burns(heard)).toContain("started files-calls page-6h"); // at 90 %, a page within the hour could never be
    expect([...(await readStates(watched.projections)).keys()]).toEqual(["files-calls"]);
  });
});

test("counters that are behind for five minutes are said to be, once for all SLOs, and when they are no more", async () => {
  const watched = aWatched();
  await watched.calls("files", noon, 5);
  await watched.evaluate(noon, msOf(noon - 4));
  expect(watched.heard()).toEqual([]);
  await watched.evaluate(noon + 1, msOf(noon - 4));
  await watched.evaluate(noon + 2, msOf(noon - 4));
  const [started, ...others] = watched.heard();
  expect(started).toMatchObject({ type: "slo.data.degraded", what: "behind", state: "started" });
  expect(started).not.toHaveProperty("slo");
  expect(others).toEqual([]);
  await watched.evaluate(noon + 3);
  expect(watched.heard()).toMatchObject([{ what: "behind", state: "cleared" }]);
});

describe("what is said minute by minute", () => {
  const sliced = {
    budgetingMethod: "Timeslices",
    objectives: [{ target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: "5m" }],
  };

  test.each([
    ["calls", 1, {}],
    ["calls", 2, {}],
    ["slices of five minutes", 3, sliced],
    [
      "a calendar month",
      4,
      {
        timeWindow: [
          {
            duration: "1M",
            calendar: { startTime: "2027-01-01 00:00:00", timeZone: "Asia/Kolkata" },
            isRolling: false,
          },
        ],
      },
    ],
  ])("is what a replay of the same minutes says: %s (seed %i)", async (_, seed, more) => {
    const watched = aWatched();
    const given = document("files-calls", 0.95, "files");
    const defined = { ...given, spec: { ...given.spec, ...more } };
    await applyDefinitions(watched.projections, [{ name: "files-calls", document: defined }], {
      source: "command",
      nowMs: 1,
    });
    const chance = randomFrom(seed);
    const series: MinuteCount[] = [];
    const said: string[] = [];
    let [failing, quiet] = [false, false];
    for (let minute = noon; minute < noon + 240; minute += 1) {
      if (chance() < 0.05) failing = !failing;
      if (chance() < 0.05) quiet = !quiet;
      const total = quiet ? 0 : Math.floor(chance() * 12);
      const bad = failing ? Math.floor(chance() * (total + 1)) : 0;
      await watched.calls("files", minute, total - bad);
      await watched.calls("files", minute, bad, "timeout");
      if (total > 0) series.push({ minute, total, bad });
      await watched.evaluate(minute);
      said.push(
        ...watched
          .heard()
          .flatMap((event) =>
            "rule" in event && event.slo === "files-calls" && event.type !== "slo.burn.updated"
              ? [
                  `${minute} ${event.rule} ${event.type === "slo.burn.started" ? "firing" : "cleared"} ${event.burnLong}`,
                ]
              : [],
          ),
      );
    }
    const parsed = parseDefinition(defined);
    if (!("slo" in parsed)) throw new Error(JSON.stringify(parsed.faults));
    const first = series[0]?.minute ?? 0;
    const replayed = [...replay(parsed.slo, series)].map(
      ({ minute, rule, state, burnLong }) => `${minute} ${rule.name} ${state} ${Math.round(burnLong * 1_000) / 1_000}`,
    );
    expect(said.length).toBeGreaterThan(1);
    const last = series.at(-1)?.minute ?? 0; // a replay ends with its series
    const within = (text: string): boolean => Number(text.split(" ")[0]) >= first && Number(text.split(" ")[0]) <= last;
    expect(said.filter(within)).toEqual(replayed);
  });

  test("failures that come hours late change the budget, and page nobody", async () => {
    const watched = aWatched();
    for (let minute = noon - 300; minute <= noon; minute += 1) await watched.calls("files", minute, 1);
    await watched.evaluate(noon);
    await watched.calls("files", noon - 180, 100, "timeout");
    await watched.evaluate(noon);
    await watched.evaluate(noon + 1);
    expect(burns(watched.heard()).filter((text) => text.includes("page"))).toEqual([]);
    const known = await readSlos(watched.projections, msOf(noon));
    const [view] = await statusOf(watched.projections, known, known.slos, noon, false);
    expect(view?.budget).toMatchObject({ total: 401, bad: 100 });
  });
});

describe("servers that are called anything", () => {
  test("have SLOs of their own, whose names tell them apart", () => {
    const name = fc
      .array(fc.constantFrom("a", "@", "%", "%40", "*", "/"), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(
        name,
        fc.option(name, { nil: "" }),
        name,
        fc.option(name, { nil: "" }),
        (server, environment, other, elsewhere) => {
          const names = (place: { server: string; environment: string }) =>
            defaultSlos(place, []).map((slo) => slo.name);
          const same = server === other && environment === elsewhere;
          const [one, two] = [names({ server, environment }), names({ server: other, environment: elsewhere })];
          expect(one.some((text) => two.includes(text))).toBe(same);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("burn nobody else's budget, and stop nobody's evaluation", async () => {
    const watched = aWatched();
    for (const server of ["*", "g*", "a@b", "a%40b", "__proto__"]) await watched.calls(server, noon, 5);
    for (const server of ["good", "a@b", "a%40b"]) await watched.calls(server, noon, 20, "timeout");
    await watched.evaluate(noon);
    const firing = new Set(watched.heard().map((event) => ("slo" in event ? event.slo : "")));
    expect(firing).toEqual(new Set(["availability:good", "availability:a%40b", "availability:a%2540b"]));
  });
});

test("a definition of one tool leaves the server its default; one of the whole server takes its place", async () => {
  const watched = aWatched();
  const given = document("refunds", 0.99, "billing");
  const spec = { sli: "availability", server: "billing", tool: "refund" };
  const good = { metricSource: { type: "tooltrail", spec } };
  const indicator = { metadata: { name: "calls" }, spec: { ratioMetric: { counter: false, good, total: good } } };
  const ofTool = { ...given, spec: { ...given.spec, indicator } };
  await applyDefinitions(watched.projections, [{ name: "refunds", document: ofTool }], { source: "command", nowMs: 1 });
  await watched.calls("billing", noon, 30, "transport_error", { tool: "charge" });
  await watched.evaluate(noon);
  expect(burns(watched.heard())).toContain("started availability:billing page-1h");
});

test("a server that nobody has heard of for a month has no defaults any more, and its alert is over", async () => {
  const watched = aWatched();
  await watched.calls("files", noon, 20, "timeout");
  await watched.evaluate(noon);
  watched.heard();
  await watched.evaluate(noon + 20 * 1_440);
  expect(burns(watched.heard()).filter((text) => text.includes("page"))).toEqual([]);
  await watched.evaluate(noon + 33 * 1_440);
  expect(burns(watched.heard())).toContain("cleared availability:files page-1h");
  expect(await watched.evaluate(noon + 33 * 1_440)).toMatchObject({ slos: 4 });
});

test("what cannot be said of one SLO keeps nobody from hearing of the others, and is said by the next look", async () => {
  const watched = aWatched();
  for (const server of ["files", "git"]) await watched.calls(server, noon, 20, "timeout");
  const { publish } = watched.ports.events;
  const ports = {
    ...watched.ports,
    events: {
      publish: async (event: PipelineEvent) => {
        if ("slo" in event && event.slo === "availability:files") throw new AppError("unavailable", "the bus is away");
        return publish(event);
      },
    },
  };
  await expect(
    evaluateSlos(ports, await readSlos(watched.projections, msOf(noon)), msOf(noon), undefined),
  ).rejects.toThrow("the bus is away");
  expect(new Set(watched.heard().map((event) => ("slo" in event ? event.slo : "")))).toEqual(
    new Set(["availability:git"]),
  );
  await watched.evaluate(noon);
  expect(new Set(watched.heard().map((event) => ("slo" in event ? event.slo : "")))).toEqual(
    new Set(["availability:files"]),
  );
});

test("under maintenance nothing opens; afterwards what still burns does", async () => {
  const watched = aWatched();
  const window = {
    id: "mnt_1",
    from: msOf(noon),
    until: msOf(noon + 10),
    server: "file*",
    reason: "upgrade",
    by: "p_a",
  };
  await addMaintenance(watched.projections, window, msOf(noon));
  await watched.calls("files", noon + 1, 20, "transport_error");
  await watched.calls("other", noon + 1, 20, "transport_error");
  await watched.evaluate(noon + 1);
  expect(new Set(watched.heard().map((event) => ("slo" in event ? event.slo : "")))).toEqual(
    new Set(["availability:other"]),
  );
  await watched.calls("files", noon + 10, 20, "transport_error");
  await watched.evaluate(noon + 10);
  expect(burns(watched.heard())).toContain("started availability:files page-1h");
});

test("calls whose end nobody knows, and records that were lost, are said where they are many", async () => {
  const watched = aWatched();
  await watched.calls("files", noon, 50);
  await watched.calls("files", noon, 20, "unknown");
  await watched.count({ id: "files" }, [
    { schema: "tooltrail.record/1", kind: "lifecycle", at: msOf(noon), event: "lost", count: 7 },
  ]);
  await watched.evaluate(noon);
  const degraded = watched.heard().map((event) => ("what" in event ? event.what : event.type));
  expect(degraded).toEqual(["unknown_outcomes", "records_lost"]);
  await watched.evaluate(noon + 61);
  expect(watched.heard()).toMatchObject([{ state: "cleared" }, { state: "cleared" }]);
});

test("killed or failing anywhere, what burns is said at least once, and in the end remembered", async () => {
  const expected = ["page-1h", "page-6h", "ticket-1d", "ticket-3d"].map((rule) => `started availability:files ${rule}`);
  let calls = Number.POSITIVE_INFINITY;
  for (let n = 0; n < calls; n += 1)
    for (const persists of [false, true]) {
      const projections = memoryProjections();
      const healthy = aWatched(projections);
      await healthy.calls("files", noon, 20, "transport_error");
      let made = 0;
      const failing = <T extends object>(port: T): T =>
        Object.fromEntries(
          Object.entries(port).map(([name, method]) => [
            name,
            async (...args: unknown[]) => {
              const mine = made++;
              if (mine === n && !persists) throw new AppError("unavailable", `${name} failed`);
              const result = await method(...args);
              if (mine === n) throw new AppError("unavailable", `${name} failed after all`);
              return result;
            },
          ]),
        ) as T;
      const faulty = failing(projections);
      const ports = { projections: faulty, events: failing(healthy.ports.events) };
      await (async () => evaluateSlos(ports, await readSlos(faulty, msOf(noon)), msOf(noon), undefined))().catch(
        () => undefined,
      );
      if (made <= n) calls = n;
      await healthy.evaluate(noon);
      await healthy.evaluate(noon);
      expect(new Set(burns(healthy.said)), `${n}`).toEqual(new Set(expected));
      expect(healthy.said.length).toBeLessThanOrEqual(2 * expected.length);
      healthy.heard();
      await healthy.evaluate(noon + 1);
      expect(burns(healthy.heard())).toEqual([]);
    }
  expect(calls).toBeGreaterThan(10);
});

test("of two evaluations at once, one finds that it was overtaken", async () => {
  const watched = aWatched();
  await watched.calls("files", noon, 20, "transport_error");
  const results = await Promise.allSettled([watched.evaluate(noon), watched.evaluate(noon)]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("healthy SLOs leave nothing behind and are not looked at closely", async () => {
  const watched = aWatched();
  for (let server = 0; server < 20; server += 1) await watched.calls(`server-${server}`, noon, 5);
  const evaluation = await watched.evaluate(noon);
  expect(evaluation).toEqual({ slos: 44, looked: 0, firing: 0, said: 0 });
  expect((await readStates(watched.projections)).size).toBe(0);
});
