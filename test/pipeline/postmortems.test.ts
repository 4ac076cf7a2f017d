import type { Cause, Incident, IncidentEvent } from "@tooltrail/core/incidents/incident";
import { defaultPolicy, type Playbook } from "@tooltrail/core/incidents/response";
import type { StoredBatch } from "@tooltrail/core/ports";
import { draftPostmortem } from "@tooltrail/core/postmortem/draft";
import { collectEvidence } from "@tooltrail/core/postmortem/evidence";
import { markdownOf } from "@tooltrail/core/postmortem/markdown";
import { verifyReceipt } from "@tooltrail/core/verify/receipt";
import {
  type AuditRecord,
  type CallRecord,
  canonical,
  type DefinitionRecord,
  type OutcomeClass,
  type OutcomeReason,
  recordId,
  recordSchema,
  sha256,
  shapeOf,
} from "@tooltrail/format";
import { afterEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall, anIdentity } from "../support/batches.ts";
import { msOf, noon } from "../support/burning.ts";
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

const letterRef = (letter: string) => ({ ref: `p_${letter.repeat(26)}`, method: "os", verified: true }) as const;

/** Calls of one server: by minute, counted from noon, how many went well and how many did not, the latter from its tenth second on. */
const minutesOf = (server: ServerRef, emitter: number, minutes: readonly (readonly [number, number, number])[]) =>
  Promise.all(
    minutes.map(([minuteOfDay, good, bad], seq) => {
      const at = msOf(noon + minuteOfDay);
      const records = [
        ...Array.from({ length: good }, (_, i) => aCall({ at: at + i })),
        ...Array.from({ length: bad }, (_, i) => aCall({ at: at + 10_000 + i, outcome: { class: "timeout" } })),
      ];
      return aSignedBatch({ emitter, seq, server, records, receivedAtMs: at + 20_000 });
    }),
  );
const each = (from: number, to: number, good: number, bad: number) =>
  Array.from({ length: to - from }, (_, i) => [from + i, good, bad] as const);

test.each<{ when: string; signal?: Cause["signal"]; before: (readonly [number, number, number])[]; starts: number }>([
  { when: "one failure was long before", before: [[-50, 0, 1], ...each(-49, -1, 10, 0)], starts: -1 },
  { when: "little failed all the time, as the objective allows", before: each(-12, -1, 249, 1), starts: -1 },
  { when: "little failed all the time, and no objective allows it", signal: "auth_mismatch", before: [], starts: 0 },
  { when: "five minutes were good", before: [[-20, 0, 1], ...each(-6, -1, 9, 0)], starts: -1 },
  { when: "four minutes were good", before: [[-20, 0, 1], ...each(-5, -1, 9, 0)], starts: -20 },
  { when: "nobody called for a quarter of an hour", before: [[-20, 2, 1]], starts: -20 },
])("it begins with the outage and not with what failed otherwise, where $when", async () => {});

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
