import type { PipelineEvent } from "@tooltrail/format";
import { beforeEach, expect, test } from "vitest";
import { memoryProjections } from "../../../../test/support/followed.ts";
import { inventory } from "../follow/inventory.ts";
import type { Cursor, Projections } from "../follow/ports.ts";
import type { Runbook } from "../response/response.ts";
import { applyResponse, namedResponse } from "../response/store.ts";
import { collections, readRow, transact } from "./store.ts";
import { sweepIncidents } from "./sweep.ts";

const dayMs = 86_400_000;
const now = 1_800_000_000_000;
const cursorAt = (leaf: number): Cursor => ({ current: { number: 1, version: 1, leaf } });

let projections: Projections;
let said: PipelineEvent[];
beforeEach(() => {
  projections = memoryProjections();
  said = [];
});

const sweep = (nowMs = now) =>
  sweepIncidents({ projections, events: { publish: async (event) => void said.push(event) } }, nowMs);

const seen = (server: string, version: string, lastSeen: number) => ({
  collection: "servers",
  id: `${server}/${version}`,
  value: { server, version, firstSeen: 5, lastSeen, calls: 1, attempts: 1, outcomes: {} },
});

test("a version that no runbook is about is said when it is first seen, once, and again where a runbook is gone", async () => {
  const runbook: Runbook = { kind: "Runbook", name: "files", server: "files", versions: "*", steps: ["go back"] };
  const command = { source: "command", nowMs: now } as const;
  await applyResponse(projections, namedResponse([runbook]), command);
  const rows = [seen("billing", "2.0.0", now), seen("billing", "1.0.0", now - 31 * dayMs), seen("files", "1.0.0", now)];
  await projections.commit(inventory.name, { from: undefined, to: cursorAt(1), generation: 1, rows });
  await sweep();
  await sweep();
  const missing = (server: string, version: string) => ({ type: "runbook.missing", environment: "", server, version });
  expect(said).toEqual([missing("billing", "2.0.0")]);

  const later = [seen("billing", "2.0.1", now)];
  await projections.commit(inventory.name, { from: cursorAt(1), to: cursorAt(2), generation: 1, rows: later });
  await applyResponse(projections, [], { removing: ["Runbook/files"], ...command });
  await sweep();
  expect(said.slice(1)).toEqual([missing("billing", "2.0.1"), missing("files", "1.0.0")]);
});

test("what was not said is said by the next sweep", async () => {
  const rows = [seen("billing", "2.0.0", now)];
  await projections.commit(inventory.name, { from: undefined, to: cursorAt(1), generation: 1, rows });
  const deaf = { publish: () => Promise.reject(new Error("no bus")) };
  await expect(sweepIncidents({ projections, events: deaf }, now)).rejects.toThrow("no bus");
  await sweep();
  expect(said).toHaveLength(1);
});

test("answers to requests with a key are kept for a day", async () => {
  await transact(projections, async ({ put }) => put(collections.answered, "key", { at: now, asked: "x" }));
  await sweep(now + dayMs);
  expect(await readRow(projections, collections.answered, "key")).toBeDefined();
  await sweep(now + dayMs + 1);
  expect(await readRow(projections, collections.answered, "key")).toBeUndefined();
});
