import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createAudit } from "@tooltrail/core/audit";
import { ingest } from "@tooltrail/core/ingest";
import { ownActRecord } from "@tooltrail/core/own-acts";
import { principalRefs, queryRecords, readRecord } from "@tooltrail/core/query";
import {
  bodyLines,
  type ControlRecord,
  canonical,
  detailTypes,
  type Envelope,
  headersHash,
  ownActTypes,
  pipelineSource,
  recordSchema,
  type Shape,
  sha256,
} from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, digestKey, type OpenPorts, type PublishedEvent } from "../support/adapters.ts";
import { aCall, aMessage, anEnvelope, anIdentity, aPlainMessage } from "../support/batches.ts";
import { audited, carryOut, everyFault, expected, faulty, workOf } from "../support/faults.ts";
import { root } from "../support/pipeline.ts";

const deep = (levels: number): Shape => {
  let shape: Shape = "string";
  for (let i = 0; i < levels; i += 1) shape = [shape];
  return shape;
};

const aScoreMessage = (detail: unknown, more: { id?: string; source?: string; time?: string } = {}): string =>
  aMessage(detail, { source: "harness", ...more, detailType: detailTypes.score });

const aControl = (): ControlRecord => ({
  schema: recordSchema,
  kind: "control",
  at: 1_800_000_000_000,
  principal: aCall().principal,
  action: "records.query",
  params: {},
});

describe.each(adapterSets)("ingest on %s", (_, open) => {
  let ports: OpenPorts;
  beforeEach(async () => {
    ports = await open();
    ports.enrolledKeys.add(anIdentity(1).key).add(anIdentity(9).key);
  });
  afterEach(() => ports.close());

  const calls = async () => (await queryRecords(ports, { kind: "call" }, { limit: 100 })).records;
  const scores = async () => (await queryRecords(ports, { kind: "score" }, { limit: 100 })).records;
  const quarantined = () => ports.quarantine.list({ limit: 100 });

  describe("a signed batch", () => {
    test("is stored as it came, and its names beside it", async () => {
      const envelope = await anEnvelope();
      expect(await ingest(ports, aMessage(envelope))).toMatchObject({ outcome: "stored" });
      const stored = await ports.ledger.read(envelope.headers.emitter, 0);
      expect(stored).toMatchObject({
        headers: envelope.headers,
        sig: envelope.sig,
        body: envelope.body,
        account: "000000000000",
      });
      expect(stored?.receivedAtMs).toBe(ports.clock.nowMs);
      expect(await calls()).toMatchObject([
        { tool: "echo", sealed: true, principal: { subject: "os:ada@workstation" }, server: { id: "files" } },
      ]);
      expect(bodyLines(stored?.body ?? "")?.join()).not.toContain("ada");
    });

    test("delivered again, in any order, is stored once", async () => {
      const first = await anEnvelope();
      const second = await anEnvelope({ seq: 1, prev: headersHash(first.headers) });
      const outcomes: string[] = [];
      for (const envelope of [second, first, second, first])
        outcomes.push((await ingest(ports, aMessage(envelope))).outcome);
      expect(outcomes).toEqual(["stored", "stored", "duplicate", "duplicate"]);
      expect(await calls()).toHaveLength(2);
    });

    test("with other content under a taken number is refused, quarantined whole, and seen", async () => {
      await ingest(ports, aMessage(await anEnvelope()));
      const message = aMessage(await anEnvelope({ records: [aCall({ tool: "forged" })] }));
      expect(await ingest(ports, message)).toMatchObject({ outcome: "quarantined", reason: "conflict" });
      expect(await quarantined()).toMatchObject([{ reason: "conflict", body: message }]);
      expect((await calls()).map((call) => "tool" in call && call.tool)).toEqual(["echo"]);
    });

    test("that is in conflict is said on the bus, with what is stored and what was refused", async () => {
      const [stored, refused] = [await anEnvelope(), await anEnvelope({ records: [aCall({ tool: "forged" })] })];
      await ingest(ports, aMessage(stored));
      expect(await ports.published()).toEqual([]);
      await ingest(ports, aMessage(refused));
      const [entry] = await quarantined();
      const published = await ports.published();
      const [{ source, "detail-type": type, detail }] = published as [PublishedEvent];
      expect(pipelineEvent.safeParse({ source, "detail-type": type, detail }).error).toBeUndefined();
      expect(published).toMatchObject([
        {
          source: "tooltrail.pipeline",
          "detail-type": "integrity.conflict",
          detail: {
            what: "batch_refused",
            emitter: stored.headers.emitter,
            seq: 0,
            stored: headersHash(stored.headers),
            refused: headersHash(refused.headers),
            quarantineId: entry?.id,
            account: "000000000000",
          },
        },
      ]);
    });

    test("that is in conflict is kept although nobody could be told, and said when it is delivered again", async () => {
      await ingest(ports, aMessage(await anEnvelope()));
      const message = aMessage(await anEnvelope({ records: [aCall({ tool: "forged" })] }));
      const mute = faulty(ports, { port: "events", method: "publish", kind: "failed" });
      await expect(ingest(mute, message)).rejects.toMatchObject({ retryable: true });
      expect(await quarantined()).toMatchObject([{ reason: "conflict", body: message }]);
      expect(await ports.published()).toEqual([]);
      expect(await ingest(mute, message)).toMatchObject({ outcome: "quarantined" });
      expect(await ports.published()).toHaveLength(1);
      expect(await quarantined()).toHaveLength(1);
    });
  });

  describe("what is refused", () => {
    const alter = (change: (envelope: Envelope) => unknown) => async (): Promise<string> =>
      aMessage(change(await anEnvelope()));
    const lines = (...records: unknown[]): string =>
      gzipSync(records.map((r) => `${typeof r === "string" ? r : canonical(r)}\n`).join("")).toString("base64");
    const resealed =
      (records: readonly unknown[], more: object = {}) =>
      async (): Promise<string> =>
        aMessage(await anEnvelope({ ...more, records: records as never }));

    const cases: readonly (readonly [string, string, RegExp, () => Promise<string>])[] = [
      ["a message that is not JSON", "not_json", /EventBridge event/, async () => "{"],
      ["an event without a source", "not_json", /source/, async () => JSON.stringify({ id: "1", "detail-type": "x" })],
      [
        "an unknown detail-type",
        "unknown_type",
        /"MCP tool call" is none .* "MCP Tool Call" or "MCP Tool Score"/,
        async () => aMessage({}, { detailType: "MCP tool call" }),
      ],
      [
        "a batch of a version from the future",
        "unknown_type",
        /tooltrail.batch\/2/,
        async () => aMessage({}, { detailType: "tooltrail.batch/2" }),
      ],
      ["a batch without a signature", "invalid", /^detail\.sig: /, alter(({ sig: _, ...rest }) => rest)],
      [
        "a batch with an unknown header",
        "invalid",
        /headers/,
        alter((e) => ({ ...e, headers: { ...e.headers, extra: 1 } })),
      ],
      [
        "a batch signed by another key",
        "bad_signature",
        /^sig: /,
        async () => {
          const [mine, other] = [await anEnvelope(), await anEnvelope({ identity: anIdentity(2) })];
          return aMessage({ ...mine, sig: other.sig });
        },
      ],
      [
        "a batch in another emitter's name",
        "emitter_mismatch",
        /^headers\.emitter/,
        async () => aMessage(await anEnvelope({ identity: { ...anIdentity(2), emitter: anIdentity(1).emitter } })),
      ],
      [
        "a batch with a flipped byte",
        "body_altered",
        /^body: /,
        alter((e) => ({ ...e, body: e.body.replace(/.(?=.{8}$)/, (c) => (c === "A" ? "B" : "A")) })),
      ],
      [
        "a batch whose names were changed",
        "sides_altered",
        /^sides: /,
        alter((e) => ({ ...e, sides: { principals: {} } })),
      ],
      [
        "a batch whose names are under no pseudonym",
        "invalid",
        /sides\.principals/,
        alter((e) => ({ ...e, sides: { principals: { ada: { issuer: "", subject: "x" } } } })),
      ],
      ["a body that is none", "invalid", /^detail\.body/, alter((e) => ({ ...e, body: "%%%" }))],
      [
        "a body that is not gzip",
        "body_unreadable",
        /gzip/,
        async () => {
          const e = await anEnvelope();
          return aMessage(await reseal(e, Buffer.from("no gzip").toString("base64")));
        },
      ],
      [
        "a body with another count",
        "count_wrong",
        /count/,
        async () => aMessage(await reseal(await anEnvelope(), lines(aCall(), aCall()))),
      ],
      [
        "a body that is not canonical",
        "not_canonical",
        /RFC 8785/,
        async () => aMessage(await reseal(await anEnvelope(), lines('{"b":1,"a":2}'))),
      ],
      ["a record with an unknown member", "invalid", /^record 0: .*surprise/, resealed([{ ...aCall(), surprise: 1 }])],
      ["a record of another kind", "invalid", /^record 1\.kind/, resealed([aCall(), { ...aCall(), kind: "mystery" }])],
      [
        "a record of a version from the future",
        "invalid",
        /^record 0\.schema/,
        resealed([{ ...aCall(), schema: "tooltrail.record/2" }]),
      ],
      [
        "a record that is too large",
        "too_large",
        /^record 0: \d+ bytes/,
        resealed([
          aCall({
            args: {
              digest: `hmac-sha256:${"0".repeat(64)}`,
              bytes: 1,
              shape: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}${"k".repeat(200)}`, "string"])),
            },
          }),
        ]),
      ],
      ["records too far apart", "times_wrong", /ms apart/, resealed([aCall({ at: 1 }), aCall({ at: 600_002 })])],
      [
        "a plain event with a lone surrogate",
        "invalid",
        /cannot be read/,
        async () => aPlainMessage({ server: "s", tool: "\ud800", outcome: "ok" }),
      ],
      [
        "a shape nested without end",
        "invalid",
        /cannot be read|too deep|shape/,
        resealed([aCall({ args: { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 1, shape: deep(6_000) } })]),
      ],
      [
        "a control record of an unknown key",
        "not_enrolled",
        /not enrolled/,
        async () => aMessage(await anEnvelope({ identity: anIdentity(3), records: [aControl()], server: "files" })),
      ],
      [
        "an unknown key's word about tooltrail itself",
        "not_enrolled",
        /not enrolled/,
        async () => aMessage(await anEnvelope({ identity: anIdentity(3), server: "tooltrail" })),
      ],
      [
        "a record from the far future",
        "times_wrong",
        /^at: .* more than a day ahead/,
        resealed([aCall({ at: 1_800_000_000_000 + 86_400_001 })]),
      ],
      [
        "a plain event from the far future",
        "times_wrong",
        /^at: /,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "ok", at: "2031-01-01T00:00:00Z" }),
      ],
      [
        "a plain event without a tool",
        "invalid",
        /^detail\.tool: /,
        async () => aPlainMessage({ server: "s", outcome: "ok" }),
      ],
      [
        "a plain event with a mistyped member",
        "invalid",
        /durationMs/,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "ok", durationMs: 3 }),
      ],
      [
        "a plain event with an unknown outcome",
        "invalid",
        /^detail\.outcome/,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "fine" }),
      ],
      [
        "a plain event before 1970",
        "invalid",
        /^detail\.at/,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "ok", at: "1969-01-01T00:00:00Z" }),
      ],
      [
        "a plain event with attempt 0",
        "invalid",
        /^detail\.attempt: /,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "ok", attempt: 0 }),
      ],
      [
        "a plain event with an unknown effect of its decision",
        "invalid",
        /^detail\.decision\.effect: /,
        async () => aPlainMessage({ server: "s", tool: "t", outcome: "ok", decision: { effect: "maybe" } }),
      ],
      [
        "a plain event that names an approver",
        "invalid",
        /^detail\.decision: .*approver/,
        async () =>
          aPlainMessage({ server: "s", tool: "t", outcome: "ok", decision: { effect: "allow", approver: "ada" } }),
      ],
      [
        "a score of more than 1000",
        "invalid",
        /^detail\.scorePermille: /,
        async () => aScoreMessage({ server: "s", tool: "t", suite: "golden", scorePermille: 1_001 }),
      ],
      [
        "a plain event about tooltrail itself",
        "not_enrolled",
        /^detail\.server: /,
        async () => aPlainMessage({ server: "tooltrail", tool: "incident.mitigated", outcome: "ok" }),
      ],
      [
        "a score of tooltrail itself",
        "not_enrolled",
        /^detail\.server: /,
        async () => aScoreMessage({ server: "tooltrail", tool: "t", suite: "golden", scorePermille: 870 }),
      ],
      [
        "a score as a fraction",
        "invalid",
        /^detail\.scorePermille: /,
        async () => aScoreMessage({ server: "s", tool: "t", suite: "golden", scorePermille: 0.87 }),
      ],
      [
        "a score without a suite",
        "invalid",
        /^detail\.suite: /,
        async () => aScoreMessage({ server: "s", tool: "t", scorePermille: 870 }),
      ],
      [
        "a score that names somebody",
        "invalid",
        /^detail: .*principal/,
        async () => aScoreMessage({ server: "s", tool: "t", suite: "golden", scorePermille: 870, principal: "ada" }),
      ],
      [
        "a score from the far future",
        "times_wrong",
        /^at: /,
        async () =>
          aScoreMessage({ server: "s", tool: "t", suite: "golden", scorePermille: 1, at: "2031-01-01T00:00:00Z" }),
      ],
    ];

    test.each(cases)(
      "%s is quarantined as %s, whole, and the reason names the field",
      async (_name, reason, detail, make) => {
        const message = await make();
        expect(await ingest(ports, message)).toMatchObject({ outcome: "quarantined", reason });
        const entries = await quarantined();
        expect(entries).toMatchObject([{ reason, body: message }]);
        expect(entries[0]?.detail).toMatch(detail);
        expect([...(await calls()), ...(await scores())]).toEqual([]);
        await ingest(ports, message);
        expect(await quarantined()).toEqual(entries);
      },
    );

    /** The same headers around another body, hash and signature made good. */
    async function reseal(envelope: Envelope, body: string): Promise<Envelope> {
      const { sign } = await import("node:crypto");
      const headers = { ...envelope.headers, bodySha256: sha256(body) };
      return {
        ...envelope,
        headers,
        body,
        sig: sign(null, Buffer.from(canonical(headers)), anIdentity().privateKey).toString("base64"),
      };
    }
  });

  test("a reason that would quote without end is cut; the message is not", async () => {
    const message = aPlainMessage({ server: "s", tool: "t", outcome: "ok", [`x${"y".repeat(200_000)}`]: 1 } as never);
    await ingest(ports, message);
    const [entry] = await quarantined();
    expect(entry?.detail).toMatch(/^detail: /);
    expect(entry?.detail.length).toBeLessThanOrEqual(4_000);
    expect(entry?.body).toBe(message);
  });

  test("an unknown key's batch is kept and marked, and vouches for nobody", async () => {
    await ingest(ports, aMessage(await anEnvelope({ identity: anIdentity(3) })));
    await ingest(ports, aMessage(await anEnvelope({ identity: anIdentity(1) })));
    const seen = (await calls()).map(({ sealed, enrolled, principal }) => [sealed, enrolled, principal?.verified]);
    expect(seen.sort()).toEqual([
      [true, false, false],
      [true, true, true],
    ]);
  });

  test("a batch can neither rename anybody nor name somebody whom it is not about", async () => {
    await ingest(ports, aMessage(await anEnvelope()));
    const [ada] = await calls();
    const sides = {
      principals: {
        [ada?.principal?.ref ?? ""]: { issuer: "os", subject: "mallory" },
        [`p_${"b".repeat(26)}`]: { issuer: "", subject: "eve" },
      },
    };
    await ingest(ports, aMessage(await anEnvelope({ identity: anIdentity(3), sides })));
    expect((await calls()).map(({ principal }) => principal?.subject)).toEqual([
      "os:ada@workstation",
      "os:ada@workstation",
    ]);
    expect(await ports.principals.refsOf("mallory")).toEqual([]);
    expect(await ports.principals.refsOf("eve")).toEqual([]);
  });

  describe("a plain event", () => {
    const said = {
      server: "billing",
      tool: "refund",
      outcome: "ok",
      principal: "grace",
      version: "2",
      durationUs: 12,
    } as const;

    test("becomes one unsigned record whose principal is a pseudonym", async () => {
      expect(await ingest(ports, aPlainMessage(said))).toMatchObject({ outcome: "stored" });
      const [call] = await calls();
      expect(call).toMatchObject({
        sealed: false,
        tool: "refund",
        at: Date.parse("2026-11-22T23:00:00Z"),
        durationUs: 12,
        final: true,
        attempt: 1,
        server: { id: "billing", version: "2" },
        principal: { ref: expect.stringMatching(/^p_/), subject: "grace", method: "claimed", verified: false },
      });
      const stored = await ports.ledger.newestFirst({ limit: 1 });
      expect(JSON.stringify(stored) + bodyLines(stored[0]?.body ?? "")).not.toContain("grace");
    });

    test.each([
      [
        "the same EventBridge event delivered twice",
        aPlainMessage(said, { id: "e1" }),
        aPlainMessage(said, { id: "e1" }),
        1,
      ],
      [
        "a producer's retry with its own id, later",
        aPlainMessage({ ...said, id: "r1" }, { time: "2026-11-22T23:00:00Z" }),
        aPlainMessage({ ...said, id: "r1" }, { time: "2026-11-22T23:00:09Z" }),
        1,
      ],
      ["two events without an id", aPlainMessage(said), aPlainMessage(said), 2],
      [
        "the same id from two sources",
        aPlainMessage({ ...said, id: "r1" }, { source: "a" }),
        aPlainMessage({ ...said, id: "r1" }, { source: "b" }),
        2,
      ],
    ])("%s", async (_name, one, two, stored) => {
      await ingest(ports, one);
      await ingest(ports, two);
      expect(await calls()).toHaveLength(stored);
      expect(await quarantined()).toEqual([]);
    });

    test("with the same id and other words is a conflict", async () => {
      await ingest(ports, aPlainMessage({ ...said, id: "r1" }));
      expect(await ingest(ports, aPlainMessage({ ...said, id: "r1", outcome: "tool_error" }))).toMatchObject({
        reason: "conflict",
      });
    });

    test("from before a rotation of the digest key is recognised when it comes again, and found by its principal's name", async () => {
      const message = aPlainMessage({ ...said, id: "r1" });
      await ingest(ports, message);
      const rotated = {
        ...ports,
        surroundings: { ...ports.surroundings, digestKey: new Uint8Array(32).fill(4), formerDigestKeys: [digestKey] },
      };
      expect(await ingest(rotated, message)).toMatchObject({ outcome: "duplicate" });
      expect(await ingest(rotated, aPlainMessage({ ...said, id: "r2" }))).toMatchObject({ outcome: "stored" });
      const principals = await principalRefs(rotated, "grace");
      const { records } = await queryRecords(rotated, { kind: "call", principals }, { limit: 10 });
      expect(records.map(({ principal }) => principal?.subject)).toEqual(["grace", "grace"]);
      expect(new Set(records.map(({ principal }) => principal?.ref)).size).toBe(2);
      expect(await quarantined()).toEqual([]);
    });

    test.each([
      ["2026-11-22T20:00:00-03:00", Date.parse("2026-11-22T23:00:00Z")],
      [1_800_000_000_123, 1_800_000_000_123],
    ])("with the time %s is at that time", async (at, ms) => {
      await ingest(ports, aPlainMessage({ ...said, at }));
      expect((await calls())[0]?.at).toBe(ms);
    });

    test("says which attempt it is, whether it is the last, and what was decided", async () => {
      const decision = { effect: "deny", rule: "refunds-under-100", policyVersion: "7" };
      await ingest(ports, aPlainMessage({ ...said, id: "r1-1", outcome: "timeout", final: false }));
      await ingest(ports, aPlainMessage({ ...said, id: "r1-2", attempt: 2, outcome: "input_required", decision }));
      await ingest(ports, aPlainMessage({ ...said, id: "r1-3", attempt: 3, outcome: "input_required", final: true }));
      const seen = (await calls()).map((call) => call.kind === "call" && [call.attempt, call.final, call.decision]);
      expect(seen.sort()).toEqual([
        [1, false, undefined],
        [2, false, decision],
        [3, true, undefined],
      ]);
    });
  });

  describe("a plain score", () => {
    const said = {
      server: "billing",
      version: "2",
      environment: "production",
      tool: "refund",
      suite: "golden",
      scorePermille: 870,
      case: "partial-refund",
      runId: "nightly-1",
    } as const;

    test("becomes one unsigned record about nobody", async () => {
      expect(await ingest(ports, aScoreMessage(said))).toMatchObject({ outcome: "stored" });
      const [score, ...more] = await scores();
      expect(more).toEqual([]);
      expect(score).toMatchObject({
        kind: "score",
        sealed: false,
        at: Date.parse("2026-11-22T23:00:00Z"),
        server: { id: "billing", version: "2", environment: "production" },
        tool: "refund",
        suite: "golden",
        scorePermille: 870,
        case: "partial-refund",
        runId: "nightly-1",
      });
      expect(score).not.toHaveProperty("principal");
      expect(await readRecord(ports, score?.id ?? "")).toEqual(score);
      expect(await calls()).toEqual([]);
    });

    test.each([
      [
        "the same EventBridge event delivered three times",
        [{ id: "e1" }, { id: "e1" }, { id: "e1" }].map((more) => aScoreMessage(said, more)),
        1,
      ],
      [
        "a harness's retry with its own id, later",
        ["2026-11-22T23:00:00Z", "2026-11-22T23:00:09Z"].map((time) => aScoreMessage({ ...said, id: "r1" }, { time })),
        1,
      ],
      ["two scores without an id", [aScoreMessage(said), aScoreMessage(said)], 2],
      ["the same id from two sources", ["a", "b"].map((source) => aScoreMessage({ ...said, id: "r1" }, { source })), 2],
    ])("%s", async (_name, messages, stored) => {
      for (const message of messages) await ingest(ports, message);
      expect(await scores()).toHaveLength(stored);
      expect(await quarantined()).toEqual([]);
    });

    test("with the same id and another score is a conflict", async () => {
      await ingest(ports, aScoreMessage({ ...said, id: "r1" }));
      expect(await ingest(ports, aScoreMessage({ ...said, id: "r1", scorePermille: 990 }))).toMatchObject({
        reason: "conflict",
      });
      expect(await scores()).toMatchObject([{ scorePermille: 870 }]);
    });

    test("is found by its tool, its server and its time", async () => {
      await ingest(ports, aScoreMessage({ ...said, at: 1_700_000_000_000 }));
      await ingest(ports, aScoreMessage({ ...said, tool: "charge" }));
      const found = async (filter: object) =>
        (await queryRecords(ports, { kind: "score", ...filter }, { limit: 10 })).records.map(
          (r) => "tool" in r && r.tool,
        );
      expect(await found({ tool: "refund" })).toEqual(["refund"]);
      expect(await found({ server: "billing" })).toEqual(["charge", "refund"]);
      expect(await found({ sinceMs: 1_700_000_000_001 })).toEqual(["charge"]);
      expect(await found({ server: "files" })).toEqual([]);
    });
  });

  test("a quarantined message that has become valid is stored when it is ingested again", async () => {
    const message = aPlainMessage(await Promise.resolve({ server: "s", tool: "t", outcome: "ok" }));
    await ports.quarantine.put({ id: "qua_x", reason: "poison", detail: "", body: message, receivedAtMs: 1 });
    const entry = await ports.quarantine.read("qua_x");
    expect(await ingest(ports, entry?.body ?? "")).toMatchObject({ outcome: "stored" });
  });

  test("an approver's name is kept as the principal's is", async () => {
    const approver = `p_${"b".repeat(26)}`;
    const records = [aCall({ decision: { effect: "require_approval", rule: "writes", approver } })];
    const names = {
      [approver]: { issuer: "os", subject: "grace" },
      [`p_${"c".repeat(26)}`]: { issuer: "", subject: "eve" },
    };
    await ingest(ports, aMessage(await anEnvelope({ records, sides: { principals: names } })));
    expect(await calls()).toMatchObject([{ decision: { effect: "require_approval", approver } }]);
    expect(await ports.principals.refsOf("grace")).toEqual([approver]);
    expect(await ports.principals.refsOf("eve")).toEqual([]);
  });

  test("every fault of every method of every port: the next attempt makes it good, once", async () => {
    const faults = everyFault(ports);
    expect(faults).toHaveLength(26);
    for (const [n, fault] of faults.entries()) {
      const steps = await workOf(n);
      const broken = faulty(ports, fault);
      expect(await carryOut(steps, broken), JSON.stringify(fault)).toMatchObject([
        { code: "unavailable", retryable: true },
      ]);
      expect(await carryOut(steps, broken)).toEqual([]); // everything comes again
      expect(broken.hits()).toBeGreaterThan(1);
    }
    ports = ports.reopen();
    expect(await audited(ports)).toEqual(expected(faults.length));
  });

  describe("what the pipeline says that it did by itself", () => {
    const examples = globSync("packages/format/examples/pipeline-event-*.json", { cwd: root })
      .map((file) => JSON.parse(readFileSync(join(root, file), "utf8")))
      .filter((event) => (ownActTypes as readonly string[]).includes(event["detail-type"]))
      .map(({ "detail-type": detailType, detail: { by: _, record: __, ...detail } }) => ({ detailType, detail }));
    const said = (detail: object, detailType: string) =>
      aMessage(detail, { source: pipelineSource, detailType, time: "2026-11-22T23:00:09Z" });
    const escalated = examples.find(({ detailType }) => detailType === "incident.escalated")?.detail;
    const controls = async () => (await queryRecords(ports, { kind: "control" }, { limit: 100 })).records;

    test("there is an example of each", () => {
      expect(examples.map(({ detailType }) => detailType).sort()).toEqual([...ownActTypes].sort());
    });

    test.each(examples)("$detailType becomes a record in the pipeline's own name", async ({ detailType, detail }) => {
      expect(await ingest(ports, said(detail, detailType))).toMatchObject({ outcome: "stored" });
      const [record, ...more] = await controls();
      expect(more).toEqual([]);
      expect(record).toMatchObject({
        id: ownActRecord({ ...detail, type: detailType }),
        kind: "control",
        sealed: false,
        at: detail.at,
        server: { id: "tooltrail" },
        principal: { subject: "pipeline", method: "none", verified: false }, // the bus alone vouches for it
        action: detailType,
        params: { incident: detail.incident, version: String(detail.version), status: detail.status },
      });
      const words = [detail.title, detail.detail, detail.reason].filter(Boolean);
      for (const word of words) expect(JSON.stringify(record)).not.toContain(word);
    });

    test("is one record, however often it is said, and whatever more a later version would say of it", async () => {
      await ingest(ports, said(escalated, "incident.escalated"));
      const { why, ...less } = escalated;
      for (const again of [escalated, { ...less, why: "status_overdue" }])
        expect(await ingest(ports, said(again, "incident.escalated"))).toMatchObject({ outcome: "duplicate" });
      expect(await controls()).toMatchObject([{ params: { why } }]);
    });

    test("has a record of its own where, after a restore, another event has its number", async () => {
      await ingest(ports, said(escalated, "incident.escalated"));
      const { level: _, round: __, why: ___, ...common } = escalated;
      for (const [detail, type] of [
        [{ ...escalated, at: escalated.at + 1 }, "incident.escalated"],
        [common, "incident.mitigated"],
      ])
        expect(await ingest(ports, said(detail, type))).toMatchObject({ outcome: "stored" });
      expect(await controls()).toHaveLength(3);
      expect(await quarantined()).toEqual([]);
    });

    test("says of an action what, of a rollback where to, and of a check what was measured", async () => {
      for (const { detailType, detail } of examples) await ingest(ports, said(detail, detailType));
      const paramsOf = async (action: string) =>
        (await controls()).flatMap((one) => (one.kind === "control" && one.action === action ? [one.params] : []))[0];
      const exampleOf = (type: string) => examples.find(({ detailType }) => detailType === type)?.detail;
      const { kind, params } = exampleOf("action.started");
      expect(await paramsOf("action.started")).toMatchObject({ kind, params: JSON.stringify(params) });
      const { name, rollbackTo } = exampleOf("rollback.requested").runbook;
      expect(await paramsOf("rollback.requested")).toMatchObject({ runbook: name, rollbackTo });
      const { measured } = exampleOf("gate.checked");
      expect(JSON.parse((await paramsOf("gate.checked"))?.measured ?? "")).toEqual(measured);
    });

    test("is known by a hash where it is too long to be told", async () => {
      const started = examples.find(({ detailType }) => detailType === "action.started")?.detail;
      const params = Object.fromEntries(["a", "b", "c", "d", "e"].map((name) => [name, name.repeat(250)]));
      await ingest(ports, said({ ...started, params }, "action.started"));
      expect(await controls()).toMatchObject([{ params: { params: `sha256:${sha256(JSON.stringify(params))}` } }]);
    });

    test("is on record where alerts make a page of a ticket", async () => {
      const { level: _, round: __, why: ___, ...common } = escalated;
      const alerted = (raised: boolean, version: number) =>
        ingest(ports, said({ ...common, version, alerts: 1, raised }, "incident.alerted"));
      expect(await alerted(true, 8)).toMatchObject({ outcome: "stored" });
      expect(await alerted(false, 9)).toMatchObject({ outcome: "quarantined", reason: "unknown_type" });
    });

    test.each([
      ["in another's name", () => aMessage(escalated, { source: "billing", detailType: "incident.escalated" })],
      ["what a person asked for", () => said({ ...escalated, record: "rec_a" }, "incident.escalated")],
      ["of alerts alone", () => said(escalated, "incident.alerted")],
    ])("%s is no such thing", async (_, message) => {
      expect(await ingest(ports, message())).toMatchObject({ outcome: "quarantined", reason: "unknown_type" });
    });

    test("with a fault is refused by its field", async () => {
      const message = said({ ...escalated, level: "two" }, "incident.escalated");
      expect(await ingest(ports, message)).toMatchObject({ outcome: "quarantined", reason: "invalid" });
      expect(await quarantined()).toMatchObject([{ detail: expect.stringContaining("event.detail.level: ") }]);
    });
  });

  describe("tooltrail's own records", () => {
    const caller = { issuer: "os", subject: "os:ada@workstation", method: "token", verified: true } as const;

    test("are a signed chain, one a read, with the reader's pseudonym", async () => {
      const audit = createAudit(ports, anIdentity(9), "000000000000");
      await Promise.all(["a", "b", "c"].map((tool) => audit(caller, "records.query", { tool })));
      const batches = await Promise.all([0, 1, 2].map((seq) => ports.ledger.read(anIdentity(9).emitter, seq)));
      const headers = batches.map((batch) => batch?.headers as Envelope["headers"]);
      expect(headers[1]?.prev).toBe(headersHash(headers[0] as Envelope["headers"]));
      expect(headers[2]?.prev).toBe(headersHash(headers[1] as Envelope["headers"]));
      const { records } = await queryRecords(ports, { kind: "control" }, { limit: 10 });
      expect(records).toMatchObject(
        ["c", "b", "a"].map((tool) => ({
          action: "records.query",
          params: { tool },
          principal: { subject: caller.subject },
        })),
      );
    });

    test.each(["failed", "failed but persisted"] as const)(
      "one that %s is written again before the next, and none is doubled",
      async (kind) => {
        const audit = createAudit(
          faulty(ports, { port: "ledger", method: "append", kind }),
          anIdentity(9),
          "000000000000",
        );
        await expect(audit(caller, "records.query", { n: "1" })).rejects.toThrow();
        await audit(caller, "records.query", { n: "2" });
        const { records } = await queryRecords(ports, { kind: "control" }, { limit: 10 });
        expect(records.map((record) => record.kind === "control" && record.params.n)).toEqual(["2", "1"]);
        expect(await quarantined()).toEqual([]);
      },
    );
  });

  test("a record is read by its id, and what is no id finds nothing", async () => {
    await ingest(ports, aMessage(await anEnvelope({ records: [aCall(), aCall({ tool: "second" })] })));
    const [call] = (await calls()).filter((record) => "tool" in record && record.tool === "second");
    expect(call?.id).toBe(`rec_${anIdentity().emitter}_0_1`);
    expect(await readRecord(ports, call?.id ?? "")).toEqual(call);
    for (const id of ["", "rec_x", `rec_${anIdentity().emitter}_0_2`, `rec_${anIdentity().emitter}_1_0`]) {
      expect(await readRecord(ports, id)).toBeUndefined();
    }
  });
});
