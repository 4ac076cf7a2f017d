import { effectOf } from "@tooltrail/core/incidents/effects";
import type { Cause, Incident, IncidentEvent } from "@tooltrail/core/incidents/incident";
import { lastChangeAt } from "@tooltrail/core/incidents/last-change";
import { saidOf } from "@tooltrail/core/incidents/said";
import { ingest } from "@tooltrail/core/ingest";
import type { StoredBatch } from "@tooltrail/core/ports";
import { draftPostmortem } from "@tooltrail/core/postmortem/draft";
import { collectEvidence } from "@tooltrail/core/postmortem/evidence";
import { judgeOf } from "@tooltrail/core/postmortem/judge";
import { markdownOf } from "@tooltrail/core/postmortem/markdown";
import { findFirstMinute, startOf } from "@tooltrail/core/postmortem/start";
import { defaultPolicy, type Playbook } from "@tooltrail/core/response/response";
import type { Slo } from "@tooltrail/core/slo/slo";
import { readSlos } from "@tooltrail/core/slo/slos";
import { verifyReceipt } from "@tooltrail/core/verify/receipt";
import {
  type AuditRecord,
  type CallRecord,
  canonical,
  type DefinitionRecord,
  type OutcomeClass,
  type OutcomeReason,
  pipelineSource,
  recordId,
  recordSchema,
  type ServerRef,
  sha256,
  shapeOf,
} from "@tooltrail/format";
import { afterEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall, aMessage, anIdentity, appendAll } from "../support/batches.ts";
import { aWatched, msOf, noon } from "../support/burning.ts";
import { aSignedBatch } from "../support/fleets.ts";
import { aMeteredFleet, firstDay, scanned } from "../support/metered.ts";
import { randomFrom } from "../support/pieces.ts";
import { recordsIn } from "../support/recomputed.ts";
import { aStillPipeline } from "../support/still-pipeline.ts";

const minute = 60_000;
const opened: OpenPorts[] = [];
afterEach(async () => {
  for (const ports of opened.splice(0)) await ports.close();
});

async function aPipeline(open: () => Promise<OpenPorts>) {
  const store = await open();
  opened.push(store);
  return aStillPipeline(store);
}

const playbook: Playbook = {
  kind: "Playbook",
  id: "D2",
  version: 1,
  title: "A release breaks calls",
  trigger: [],
  hypothesis: "A release broke it.",
  immediateAction: { kind: "pin_schema", params: {}, approval: "none", why: "" },
  engineeringControl: "",
  verificationTarget: [],
  rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
  communication: { owner: "on-call", etaMinutes: 30, cadenceMinutes: 20 },
  learning: { postmortem: "required", questions: ["Which test would have caught it?"], testTemplates: ["contract"] },
};

function anIncident(cause: Cause, from: number, to: number, acknowledged?: string) {
  const alert = {
    cause,
    state: "firing",
    severity: "page",
    source: "availability:files@production",
    rule: "page-1h",
    startedAt: msOf(from),
    at: msOf(from),
    text: "",
  } as const;
  const title = "Availability of files";
  const by = `p_${"a".repeat(26)}`;
  const base = { cause, severity: "page", title, playbook, policy: defaultPolicy, children: [] } as const;
  const events: IncidentEvent[] = [
    { type: "incident.opened", at: msOf(from), id: "inc_1", startedAt: msOf(from), ...base },
    { type: "incident.alerted", at: msOf(from), alerts: [alert], raised: false },
    {
      type: "incident.acknowledged",
      at: msOf(from + 4),
      untilAt: 0,
      by,
      ...(acknowledged && { record: acknowledged }),
    },
    { type: "incident.resolved", at: msOf(to) },
  ];
  const incident: Incident = {
    ...base,
    id: "inc_1",
    version: events.length,
    status: "resolved",
    episode: 1,
    alerts: {},
    alertCount: 1,
    startedAt: msOf(from),
    openedAt: msOf(from),
    at: msOf(from),
    calls: 0,
    escalation: { level: 1, round: 1, overdue: 0 },
    told: [],
    timers: {},
    checks: { passes: 0, fails: 0, inconclusive: 0, from: 0 },
    actions: [],
    tickets: [],
  };
  return { incident, events };
}

const inputs = (required: string[]) => ({
  type: "object",
  properties: { path: { type: "string" }, mode: { type: "string" } },
  required,
});
const textOf = (tool: string, required: string[]) => canonical({ name: tool, inputSchema: inputs(required) });
function aDefinition(tool: string, required: string[], atMinute: number): DefinitionRecord {
  const text = textOf(tool, required);
  const [at, digest, bytes] = [msOf(atMinute), sha256(text), Buffer.byteLength(text)];
  return { schema: recordSchema, kind: "definition", at, tool, digest, bytes, text };
}
const aControl = (atMinute: number, action: string, params: { [name: string]: string } = {}): AuditRecord => ({
  schema: recordSchema,
  kind: "control",
  at: msOf(atMinute),
  principal: { ref: `p_${"a".repeat(26)}`, method: "os", verified: true },
  action,
  params,
});

const production = { id: "files", environment: "production" };
const cause: Cause = { environment: "production", server: "files", tool: "", signal: "availability" };

/** An hour of calls, the second half of which fail now and then after a release, among other servers that fail, too. */
async function aBadRelease() {
  const random = randomFrom(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const call = (atMinute: number, tool: string, required: string[], outcome: CallRecord["outcome"]): CallRecord =>
    aCall({
      at: msOf(atMinute) + Math.floor(random() * minute),
      tool,
      principal: { ref: `p_${pick(["a", "b", "c", "d", "e"]).repeat(26)}`, method: "os", verified: true },
      definition: sha256(textOf(tool, required)),
      args: { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 20, shape: shapeOf({ path: "a secret" }, inputs([])) },
      outcome,
    });
  const broken: readonly (readonly [OutcomeClass, OutcomeReason?])[] = [
    ["ok"],
    ["ok"],
    ["ok"],
    ["tool_error", "internal_error"],
    ["timeout"],
    ["tool_error", "invalid_arguments"],
    ["denied", "forbidden"],
  ];
  const batches: StoredBatch[] = [];
  const seqs = new Map<number, number>();
  const add = async (emitter: number, server: StoredBatch["headers"]["server"], records: readonly AuditRecord[]) => {
    const seq = seqs.get(emitter) ?? 0;
    seqs.set(emitter, seq + 1);
    const receivedAtMs = Math.max(...records.map(({ at }) => at)) + 2_000;
    batches.push(await aSignedBatch({ emitter, seq, server, records, receivedAtMs }));
  };
  await add(1, { ...production, version: "1" }, [
    aDefinition("read", [], noon - 300),
    aDefinition("write", ["path"], noon - 300),
    call(noon - 300, "read", [], { class: "ok" }),
  ]);
  await add(9, { id: "tooltrail" }, [aControl(noon - 40, "slo.apply", { name: "files" })]);
  await add(9, { id: "tooltrail" }, [aControl(noon - 30, "records.query", {})]);
  await add(1, { ...production, version: "2" }, [aDefinition("read", ["mode"], noon - 6)]);
  for (let at = noon - 30; at < noon + 30; at += 1) {
    const isBroken = at >= noon - 5 && at < noon + 20;
    const calls = Array.from({ length: 6 }, () => {
      const tool = pick(["read", "write"]);
      const [layer, reason] = isBroken ? pick(broken) : ["ok" as const];
      const required = tool === "write" ? ["path"] : isBroken ? ["mode"] : [];
      return call(at, tool, required, { class: layer, ...(reason && { reason }) });
    });
    await add(1, { ...production, version: at < noon - 6 ? "1" : "2" }, calls);
    await add(2, { id: "other" }, [call(at, "read", [], { class: "timeout" })]);
    await add(3, { id: "files", environment: "staging" }, [call(at, "read", [], { class: "timeout" })]);
  }
  const acknowledged = await aSignedBatch({
    emitter: 9,
    seq: seqs.get(9) ?? 0,
    server: { id: "tooltrail" },
    records: [aControl(noon + 4, "incident.acknowledge", { id: "inc_1" })],
  });
  return { batches, acknowledged };
}

describe.each(adapterSets)("a postmortem on %s", (_, open) => {
  test("counts whom and what an incident hit as a plain scan of all records does, and its receipts verify offline", async () => {
    const { batches, acknowledged } = await aBadRelease();
    const pipeline = await aPipeline(open);
    await pipeline.arrive([...batches, acknowledged]);
    await pipeline.follow(batches);
    const command = recordId({ emitter: anIdentity(9).emitter, seq: acknowledged.headers.seq, index: 0 });
    const { incident, events } = anIncident(cause, noon, noon + 25, command);
    const evidence = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 26));

    const all = recordsIn(batches).filter(
      ({ batch: { headers } }) => headers.server.id === "files" && headers.server.environment === "production",
    );
    const bad = all.flatMap(({ record }) =>
      record.kind === "call" && (record.outcome.reason === "internal_error" || record.outcome.class === "timeout")
        ? [record]
        : [],
    );
    const startedAt = Math.min(...bad.map(({ at }) => at));
    const span = { from: Math.floor(startedAt / minute), to: noon + 26 };
    expect(evidence.startedAt).toBe(startedAt);
    const { calls, principals, tools, versions, budget } = evidence.impact;
    expect(calls).toEqual(scanned(all, "availability", {}, span));
    expect(calls.bad).toBe(bad.length);
    expect(principals).toMatchObject({
      count: new Set(bad.map(({ principal }) => principal.ref)).size,
      atLeast: false,
    });
    expect(principals.listed[0]).toBe(bad.find(({ at }) => at === startedAt)?.principal.ref);
    for (const { name, bad: count } of tools) expect(count).toBe(bad.filter(({ tool }) => tool === name).length);
    expect(versions).toEqual([{ server: "files", name: "2", bad: bad.length }]);
    expect(budget).toMatchObject({ slo: "availability:files@production", spentBefore: 0 });
    expect(budget?.spent).toBeCloseTo(
      bad.length / scanned(all, "availability", {}, { from: 0, to: span.to }).total / 0.005,
    );

    expect(evidence.candidates.map(({ what }) => what)).toEqual([
      "slo.apply, name files",
      "The definition of read of files in production changed.",
      "Version 2 of files in production was seen for the first time.",
    ]);

    // What was called before and after the release, and failed after it.
    expect(evidence.contractTests.map(({ tool }) => tool).sort()).toEqual(["read", "write"]);
    const read = evidence.contractTests.find(({ tool }) => tool === "read");
    expect(read?.definition).toBe(sha256(textOf("read", ["mode"])));
    expect(read?.source).toContain('"path": "example"');

    const kinds = evidence.records.map(({ what }) => what);
    expect(new Set(kinds)).toEqual(
      new Set([
        ...["read", "write"].flatMap((tool) => [
          `A call of ${tool} of files that ended as tool_error (internal_error).`,
          `A call of ${tool} of files that ended as timeout.`,
        ]),
        "The command incident.acknowledge, id inc_1.",
      ]),
    );
    expect(evidence.missingReceipts).toEqual([command]); // it has just arrived

    await pipeline.follow([acknowledged]);
    const complete = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 26));
    expect(complete.missingReceipts).toEqual([]);
    const postmortem = draftPostmortem(incident, events, complete, msOf(noon + 26));
    for (const { record, receipt = "" } of postmortem.evidence) {
      expect((await verifyReceipt(receipt, pipeline.keys, undefined)).id).toBe(record);
      for (const tampered of [
        receipt.replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) + 1}`),
        receipt.replace(/^extra (.)/m, (_, first) => `extra ${first === "e" ? "f" : "e"}`),
        receipt.replace(/^(— \S+ .{10})./m, (_, start) => `${start}!`),
        receipt.replace(/\n\n(\S+\n)(\d+)\n/, (_, name, size) => `\n\n${name}${Number(size) + 1}\n`),
      ]) {
        expect(tampered).not.toBe(receipt);
        await expect(verifyReceipt(tampered, pipeline.keys, undefined)).rejects.toThrow();
      }
      // As somebody copies it out of the ticket.
      expect(markdownOf(postmortem)).toContain(`\`\`\`\n${receipt}\`\`\``);
    }
  });
});

const [[, openFirst]] = adapterSets as [(typeof adapterSets)[number]];

/** With an id as the bus has them. */
function aKeptIncident() {
  const { incident, events } = anIncident(cause, noon, noon + 25);
  return { incident: { ...incident, id: `inc_${"0".repeat(12)}${"a".repeat(14)}` }, events };
}

/** As the bus says it, and ingest makes a batch of it. */
async function ownAct(store: OpenPorts, incident: Incident, event: IncidentEvent, version: number) {
  const { type, ...detail } = saidOf(effectOf({ ...incident, version }, event), incident, event);
  const message = aMessage(detail, { source: pipelineSource, detailType: type });
  const ingested = await ingest(store, message);
  if (ingested.outcome === "quarantined") throw new Error((await store.quarantine.read(ingested.id))?.detail);
  return ingested.batch;
}

test("what the pipeline did by itself is evidence once it is on record, and what is not is said", async () => {
  const store = await openFirst();
  opened.push(store);
  const pipeline = aStillPipeline(store);
  const { incident, events } = aKeptIncident();
  const collect = () => collectEvidence(pipeline.ports, incident, events, msOf(noon + 26));
  const missing = "Acts of the pipeline by itself that are not among the records: 1.";
  expect((await collect()).limits).toContainEqual(expect.stringContaining(missing));
  const [first] = events as [IncidentEvent];
  await pipeline.follow([await ownAct(store, incident, first, 1)]);
  const { records, limits, missingReceipts } = await collect();
  expect(records).toMatchObject([{ at: first.at, what: "By itself: incident.opened." }]);
  expect(missingReceipts).toEqual([]);
  expect(limits).not.toContainEqual(expect.stringContaining("Acts of the pipeline"));
});

test("a change is found behind any number of acts of the pipeline, and behind so many reads it is not", async () => {
  const store = await openFirst();
  opened.push(store);
  const { incident, events } = aKeptIncident();
  const control = (seq: number, at: number, action: string) =>
    aSignedBatch({ emitter: 9, seq, server: { id: "tooltrail" }, records: [aControl(at, action, {})] });
  await appendAll(store.ledger, [await control(0, noon - 40, "slo.apply")]);
  const [first] = events as [IncidentEvent];
  for (let version = 1; version <= 250; version += 1) await ownAct(store, incident, first, version);
  expect(await lastChangeAt(store.ledger, msOf(noon + 1))).toBe(msOf(noon - 40));
  const reads = Array.from({ length: 250 }, (_, i) => control(i + 1, noon - 1, "records.query"));
  await appendAll(store.ledger, await Promise.all(reads));
  expect(await lastChangeAt(store.ledger, msOf(noon + 1))).toBeUndefined();
});

test.each(["availability", "schema"] as const)("counts %s over a random fleet as a plain scan does", async (signal) => {
  const batches = await aMeteredFleet(11, 300, 1);
  const pipeline = await aPipeline(openFirst);
  await pipeline.arrive(batches);
  await pipeline.follow(batches);
  const all = recordsIn(batches);
  const from = firstDay * 1_440 + 600;
  for (const asked of [
    { server: "server-1", environment: "" },
    { server: "server-0", environment: "staging", tool: "read" },
    {},
  ]) {
    const about: Cause = { environment: "*", server: "*", tool: "", ...asked, signal };
    const { incident, events } = anIncident(about, from, from + 180);
    const { startedAt, impact } = await collectEvidence(pipeline.ports, incident, events, msOf(from + 200));
    const expected = scanned(all, signal, asked, { from: Math.floor(startedAt / minute), to: from + 181 });
    expect(impact.calls).toEqual(expected);
    expect(impact.versions.reduce((sum, { bad }) => sum + bad, 0)).toBe(expected.bad);
  }
});

/** Of one server, by minute from noon on: how many calls went well, and how many did not, ten seconds before its end. */
type Minutes = readonly (readonly [minute: number, good: number, bad: number])[];
const each = (from: number, to: number, good: number, bad: number): Minutes =>
  Array.from({ length: to - from }, (_, i) => [from + i, good, bad]);
const theBad = (atMinute: number): number => msOf(noon + atMinute) + 50_000;
const theCalls = (minutes: Minutes, server: ServerRef, emitter = 1): Promise<StoredBatch[]> =>
  Promise.all(
    minutes.map(([atMinute, good, bad], seq) => {
      const records = [
        ...Array.from({ length: good }, (_, i) => aCall({ at: msOf(noon + atMinute) + i, tool: "read" })),
        ...Array.from({ length: bad }, (_, i) =>
          aCall({ at: theBad(atMinute) + i, tool: "read", outcome: { class: "timeout" } }),
        ),
      ];
      return aSignedBatch({ emitter, seq, server, records, receivedAtMs: theBad(atMinute) + 5_000 });
    }),
  );

test.each<{ where: string; before: Minutes; begins: number; environment?: string }>([
  { where: "one call had failed long before", before: [[-50, 0, 1], ...each(-49, -1, 10, 0)], begins: -1 },
  { where: "five good minutes came before it", before: [[-20, 0, 1], ...each(-6, -1, 9, 0)], begins: -1 },
  { where: "the objective allows what failed before", before: each(-12, -1, 249, 1), begins: -1 },
  {
    where: "no objective allows what failed before",
    before: each(-12, -1, 249, 1),
    begins: -12,
    environment: "elsewhere",
  },
  { where: "four good minutes lay in between", before: [[-20, 0, 1], ...each(-5, -1, 9, 0)], begins: -20 },
  { where: "nobody called in between", before: [[-20, 9, 1]], begins: -20 },
])(
  "counts from the first failure of the outage, and no earlier, where $where",
  async ({ before, begins, environment = "production" }) => {
    const minutes: Minutes = [...before, [-1, 0, 20]];
    const calls = await theCalls(minutes, { id: "files", environment });
    const changes = [
      aControl(noon - 130, "slo.apply", { name: "a" }),
      aControl(noon - 100, "slo.apply", { name: "b" }),
      aControl(noon - 99, "incident.note", { id: "inc_0" }),
      aControl(noon - 98, "slo.read", { name: "b" }),
    ];
    const controls = await Promise.all(
      changes.map((record, seq) => aSignedBatch({ emitter: 9, seq, server: { id: "tooltrail" }, records: [record] })),
    );
    const pipeline = await aPipeline(openFirst);
    await pipeline.arrive([...calls, ...controls]);
    await pipeline.follow([...calls, ...controls]);
    const { incident, events } = anIncident({ ...cause, environment }, noon, noon + 5);
    const evidence = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 6));
    expect(evidence.startedAt).toBe(theBad(begins));
    const { times, durations } = draftPostmortem(incident, events, evidence, msOf(noon + 6));
    expect([times.startedAt, durations.timeToDetectMs]).toEqual([theBad(begins), msOf(noon) - theBad(begins)]);
    const counted = minutes.filter(([at]) => at >= begins);
    const bad = counted.reduce((sum, [, , some]) => sum + some, 0);
    const total = counted.reduce((sum, [, good]) => sum + good, bad);
    expect(evidence.impact).toMatchObject({ from: msOf(noon + begins), calls: { total, bad }, tools: [{ bad }] });
    expect(evidence.records[0]?.at).toBe(theBad(begins));
    // What was read, and what was done about incidents, changed nothing.
    const near = begins > -10 ? ["slo.apply, name b"] : ["slo.apply, name a", "slo.apply, name b"];
    expect(evidence.candidates.map(({ what }) => what)).toEqual(near);
  },
);

test("where an alert comes long after what it is about, as one of a long window does, it begins with the last outage", async () => {
  const calls = await theCalls([[-50, 0, 1], ...each(-49, -20, 5, 0), [-20, 0, 9], ...each(-19, 1, 5, 0)], production);
  const pipeline = await aPipeline(openFirst);
  await pipeline.arrive(calls);
  await pipeline.follow(calls);
  const { incident, events } = anIncident(cause, noon, noon + 5);
  expect(await collectEvidence(pipeline.ports, incident, events, msOf(noon + 6))).toMatchObject({
    startedAt: theBad(-20),
  });
});

test("where an objective is about slices of time, what one may have in it and be good is no part of an outage", async () => {
  const { calls, projections } = aWatched();
  for (let at = noon - 9; at < noon; at += 1) {
    await calls("files", at, 97);
    await calls("files", at, 3, "timeout");
  }
  await calls("files", noon, 9, "timeout");
  const known = await readSlos(projections, msOf(noon + 1));
  const found = known.slos.find(({ slo }) => slo.name === "availability:files")?.slo as Slo;
  const begins = (slo: Slo): Promise<number | undefined> =>
    findFirstMinute(
      { projections, known },
      { cause: { ...cause, environment: "" }, judge: judgeOf("availability", undefined), slo },
      msOf(noon),
      60 * minute,
    );
  expect(await begins(found)).toBe(noon - 9);
  const target = { numerator: 95, denominator: 100 };
  expect(await begins({ ...found, slices: { minutes: 1, target } })).toBe(noon);
});

test("where the records of the first minute were not seen, or none is bad by itself, it begins with that minute", () => {
  const failing = (...at: number[]) => ({
    records: at.map((one) => ({ id: `${one}`, record: aCall({ at: one }), server: production })),
    isCut: true,
  });
  const within = msOf(noon) + 5_000;
  expect(startOf(noon, failing(within, msOf(noon + 9)), msOf(noon + 2))).toBe(within);
  expect(startOf(noon, failing(msOf(noon + 9)), msOf(noon + 2))).toBe(msOf(noon));
  expect(startOf(noon, failing(), msOf(noon + 2))).toBe(msOf(noon));
  expect(startOf(undefined, failing(within), msOf(noon + 2))).toBe(within);
  expect(startOf(undefined, failing(), msOf(noon + 2))).toBe(msOf(noon + 2));
});

test.each<[string, Partial<Cause>, string, string[]]>([
  ["a pattern", { server: "payx-*", environment: "*" }, "payx-*", ["payx-*", "payx-eu", "payx-us"]],
  [
    "a pattern of servers and tools",
    { server: "payx-*", tool: "re*" },
    "re* of payx-* in production",
    ["payx-*", "payx-eu", "payx-us"],
  ],
  ["a name with a star in it", { server: "payx-\u2217" }, "payx-* in production", ["payx-*"]],
])("finds whom and what it hit where its servers are told by %s", async (_, about, inWords, expected) => {
  const definition = aDefinition("read", ["path"], noon - 3);
  const called = (at: number, outcome: CallRecord["outcome"]): CallRecord =>
    aCall({
      at,
      outcome,
      tool: "read",
      definition: definition.digest,
      args: { digest: "", bytes: 1, shape: { path: "string" } },
    });
  const servers = ["payx-*", "payx-eu", "payx-us", "pay-eu"];
  const batches = await Promise.all(
    servers.map((id, emitter) =>
      aSignedBatch({
        emitter: emitter + 1,
        server: { id, environment: "production", version: "7" },
        records: [definition, called(msOf(noon - 2), { class: "ok" }), called(msOf(noon - 1), { class: "timeout" })],
        receivedAtMs: msOf(noon - 1) + 9,
      }),
    ),
  );
  const pipeline = await aPipeline(openFirst);
  await pipeline.arrive(batches);
  await pipeline.follow(batches);
  const { incident, events } = anIncident({ ...cause, ...about }, noon, noon + 5);
  const evidence = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 6));
  const hit = expected.length;
  expect(evidence.startedAt).toBe(msOf(noon - 1));
  expect(evidence.impact).toMatchObject({
    calls: { total: hit, bad: hit },
    principals: { count: 1 },
    tools: [{ name: "read", bad: hit }],
  });
  expect(evidence.impact.versions).toEqual(expected.map((server) => ({ server, name: "7", bad: 1 })));
  expect(evidence.records).toHaveLength(hit);
  expect(evidence.contractTests.map(({ server }) => server)).toEqual(expected);
  expect(evidence.candidates.map(({ what }) => what)).toEqual(
    expected.map((server) => `Version 7 of ${server} in production was seen for the first time.`),
  );
  expect(draftPostmortem(incident, events, evidence, msOf(noon + 6)).summary).toContain(`calls of ${inWords} were bad`);
});

test("where far too much fails, it finds the first failure all the same, and says that it did not look at all", async () => {
  const fail = (at: number, letter: string): CallRecord =>
    aCall({
      at,
      outcome: { class: "timeout" },
      principal: { ref: `p_${letter.repeat(26)}`, method: "os", verified: true },
    });
  const first = fail(msOf(noon - 3) + 1, "z");
  const batches = [
    await aSignedBatch({ server: production, records: [first, aCall({ at: msOf(noon - 3) })] }),
    ...(await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        aSignedBatch({
          seq: i + 1,
          server: production,
          records: Array.from({ length: 100 }, (_, n) => fail(msOf(noon + i) + n, "b")),
        }),
      ),
    )),
  ];
  const pipeline = await aPipeline(openFirst);
  await pipeline.arrive(batches);
  await pipeline.follow(batches);
  const { incident, events } = anIncident(cause, noon, noon + 25);
  const evidence = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 26));
  expect(evidence.startedAt).toBe(first.at);
  expect(evidence.impact.calls).toEqual({ total: 2_402, bad: 2_401 });
  expect(evidence.impact.principals).toMatchObject({ count: 2, atLeast: true });
  expect(evidence.limits.join()).toMatch(/more than was looked at.*No contract test/s);
});

test("where callers no longer fit a tool, its test is made from the last call that did", async () => {
  const [before, after] = ["path", "file"].map((name) =>
    canonical({ name: "read", inputSchema: { type: "object", properties: { [name]: { type: "string" } } } }),
  ) as [string, string];
  const definition = (text: string, at: number): DefinitionRecord => ({
    schema: recordSchema,
    kind: "definition",
    at,
    tool: "read",
    digest: sha256(text),
    bytes: text.length,
    text,
  });
  const call = (text: string, at: number, outcome: CallRecord["outcome"]): CallRecord => {
    const shape = shapeOf({ path: "a secret" }, JSON.parse(text).inputSchema);
    return aCall({ at, tool: "read", definition: sha256(text), args: { digest: "", bytes: 1, shape }, outcome });
  };
  const misfit = { class: "tool_error", reason: "invalid_arguments" } as const;
  const batches = [
    await aSignedBatch({
      server: production,
      records: [definition(before, msOf(noon - 10)), call(before, msOf(noon - 9), { class: "ok" })],
    }),
    await aSignedBatch({
      seq: 1,
      server: production,
      records: [definition(after, msOf(noon)), call(after, msOf(noon), misfit), call(after, msOf(noon + 1), misfit)],
    }),
  ];
  const pipeline = await aPipeline(openFirst);
  await pipeline.arrive(batches);
  await pipeline.follow(batches);
  const { incident, events } = anIncident({ ...cause, signal: "schema_breakage" }, noon + 1, noon + 5);
  const { contractTests, impact } = await collectEvidence(pipeline.ports, incident, events, msOf(noon + 6));
  expect(impact.calls).toEqual({ total: 2, bad: 2 });
  expect(contractTests).toMatchObject([{ tool: "read", definition: sha256(before) }]);
  expect(contractTests[0]?.source).toContain('"path": "example"');
});
