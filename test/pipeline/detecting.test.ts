import { counters } from "@tooltrail/core/follow/counters";
import type { StoredBatch } from "@tooltrail/core/ports";
import { addMaintenance } from "@tooltrail/core/slo/definitions";
import { type DetectPorts, detect } from "@tooltrail/core/slo/detect";
import { readSlos } from "@tooltrail/core/slo/slos";
import { canonical, type DefinitionRecord, recordSchema, sha256 } from "@tooltrail/format";
import { pipelineEvent } from "@tooltrail/format/schema";
import { describe, expect, test } from "vitest";
import { aWatched, msOf, noon } from "../support/burning.ts";
import { aSignedBatch } from "../support/fleets.ts";
import { aLog, followAll } from "../support/followed.ts";

/** A fleet whose detectors run up to a minute, that included. */
function aGuarded(batches: readonly StoredBatch[] = []) {
  const watched = aWatched();
  const ports: DetectPorts = {
    ...watched.ports,
    ledger: {
      read: async (emitter, seq) => batches.find(({ headers }) => headers.emitter === emitter && headers.seq === seq),
    },
  };
  return {
    ...watched,
    async detect(minute: number) {
      await detect(ports, await readSlos(watched.projections, msOf(minute)), msOf(minute + 1));
      const heard = watched.heard();
      for (const { type, ...detail } of heard)
        expect(
          pipelineEvent.safeParse({ source: "tooltrail.pipeline", "detail-type": type, detail }).error,
        ).toBeUndefined();
      return heard.flatMap((event) => (event.type === "detector.fired" ? [event] : []));
    },
  };
}

const principal = (letter: string) => ({ ref: `p_${letter.repeat(26)}`, method: "os", verified: true }) as const;

describe("a detector fires", () => {
  test("once, where keys of several callers are refused all at once", async () => {
    const fleet = aGuarded();
    for (let minute = noon - 30; minute < noon; minute += 1) await fleet.calls("files", minute, 10);
    expect(await fleet.detect(noon - 1)).toEqual([]);
    const refused = { outcome: { class: "tool_error", reason: "unauthorized" } } as const;
    const found = [];
    for (let minute = noon; minute < noon + 6; minute += 1) {
      for (const letter of ["a", "b"])
        await fleet.calls("files", minute, 10, "ok", { ...refused, principal: principal(letter) });
      found.push(...(await fleet.detect(minute)));
      found.push(...(await fleet.detect(minute))); // the same minute again
    }
    expect(found).toMatchObject([{ detector: "auth_mismatch", severity: "ticket", server: "files", environment: "" }]);
  });

  test("and not where one caller tries the same key over and over, and another is refused once", async () => {
    const fleet = aGuarded();
    const refused = { outcome: { class: "tool_error", reason: "unauthorized" } } as const;
    for (let minute = noon; minute < noon + 3; minute += 1) {
      await fleet.calls("files", minute, 30, "ok", { ...refused, principal: principal("a") });
      if (minute === noon + 1) await fleet.calls("files", minute, 1, "ok", { ...refused, principal: principal("b") });
      expect(await fleet.detect(minute)).toEqual([]);
    }
  });

  test("where a call was executed that nobody allowed", async () => {
    const fleet = aGuarded();
    await fleet.calls("files", noon, 1, "ok", { decision: { effect: "deny", rule: "no-writes" } });
    await fleet.calls("files", noon, 1, "denied", { decision: { effect: "deny", rule: "no-writes" } });
    expect(await fleet.detect(noon)).toMatchObject([{ detector: "policy_drift", severity: "page", observed: 1 }]);
    expect(await fleet.detect(noon + 1)).toEqual([]);
  });

  test("where callers repeat what has failed, in a storm", async () => {
    const fleet = aGuarded();
    const args = { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 2 };
    const found = [];
    for (let minute = noon; minute < noon + 8; minute += 1) {
      await fleet.calls("files", minute, 60, "timeout", { args });
      found.push(...(await fleet.detect(minute)));
    }
    expect(found.map(({ detector }) => detector).sort()).toEqual(["retry_amplification", "retry_storm"]);
  });

  test("where scores are lower than they were, though nothing failed", async () => {
    const fleet = aGuarded();
    const score = (minute: number, scorePermille: number) =>
      fleet.count({ id: "files" }, [
        { schema: recordSchema, kind: "score", at: msOf(minute), tool: "search", suite: "smoke", scorePermille },
      ]);
    for (let i = 0; i < 60; i += 1) await score(noon - 1_440 + i * 10, 850 + (i % 5) * 20);
    const found = [];
    for (let minute = noon; minute < noon + 40; minute += 1) {
      await score(minute, 700);
      found.push(...(await fleet.detect(minute)));
    }
    expect(found).toMatchObject([{ detector: "silent_regression", severity: "ticket" }]);
  });

  test("where payloads of a new version do not fit, which was fine before", async () => {
    const fleet = aGuarded();
    const misfit = { class: "tool_error", reason: "invalid_arguments" } as const;
    const call = (version: string, minute: number, outcome: typeof misfit | { class: "ok" }, count: number) =>
      fleet.count(
        { id: "files", version },
        Array.from({ length: count }, (_, i) => ({
          schema: recordSchema,
          kind: "call" as const,
          at: msOf(minute) + i,
          callId: `call_${"a".repeat(26)}`,
          attempt: 1,
          final: true,
          principal: principal("a"),
          tool: "read",
          outcome,
        })),
      );
    await call("1", noon - 60, { class: "ok" }, 100);
    await call("1", noon - 60, misfit, 1);
    await call("2", noon, { class: "ok" }, 10);
    await call("2", noon, misfit, 10);
    expect(await fleet.detect(noon)).toMatchObject([{ detector: "schema_breakage", version: "2", observed: 10 }]);
    expect(await fleet.detect(noon + 1)).toEqual([]);
  });
});

test("a definition that breaks its callers is found when it is first served, and one that does not is not", async () => {
  const definition = (tool: string, properties: object, required: readonly string[]): DefinitionRecord => {
    const text = canonical({ name: tool, inputSchema: { type: "object", properties, required } });
    return {
      schema: recordSchema,
      kind: "definition",
      at: msOf(noon),
      tool,
      digest: sha256(text),
      bytes: text.length,
      text,
    };
  };
  const path = { path: { type: "string" } };
  const batches = await Promise.all([
    aSignedBatch({ records: [definition("read", path, []), definition("list", path, [])] }),
    aSignedBatch({ emitter: 2, records: [definition("read", path, []), definition("list", path, [])] }), // another process of the same
    aSignedBatch({
      seq: 1,
      records: [definition("read", path, ["path"]), definition("list", { ...path, depth: { type: "number" } }, [])],
    }),
  ]);
  const fleet = aGuarded(batches);
  const log = aLog();
  await log.append(batches.slice(0, 2));
  await followAll({ ...log, projections: fleet.projections }, [counters]);
  expect(await fleet.detect(noon)).toEqual([]);
  await log.append(batches.slice(2));
  await followAll({ ...log, projections: fleet.projections }, [counters]);
  const found = await fleet.detect(noon);
  expect(found).toMatchObject([{ detector: "schema_breakage", server: "files", tool: "read" }]);
  expect(found[0]?.detail).toContain("path");
  expect(await fleet.detect(noon + 1)).toEqual([]);
});

test("under maintenance detectors say nothing, but for what nobody allowed", async () => {
  const fleet = aGuarded();
  const window = {
    id: "mnt_1",
    from: msOf(noon - 1),
    until: msOf(noon + 60),
    server: "files",
    reason: "upgrade",
    by: "p_a",
  };
  await addMaintenance(fleet.projections, window, msOf(noon));
  const found = [];
  for (let minute = noon; minute < noon + 5; minute += 1) {
    await fleet.calls("files", minute, 120, "timeout", minute === noon ? { decision: { effect: "deny" } } : {});
    found.push(...(await fleet.detect(minute)));
  }
  expect(found.map(({ detector }) => detector)).toEqual(["policy_drift"]);
});

test("healthy servers leave nothing behind", async () => {
  const fleet = aGuarded();
  for (let minute = noon - 20; minute <= noon; minute += 1) await fleet.calls("files", minute, 10);
  expect(await fleet.detect(noon)).toEqual([]);
  expect(await fleet.projections.cursor("slo-alerts")).toBeUndefined();
});
