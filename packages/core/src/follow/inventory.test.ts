import { type AuditRecord, recordSchema } from "@tooltrail/format";
import { expect, test } from "vitest";
import { inventory, type ToolRow } from "./inventory.ts";
import type { LogLeaf } from "./projection.ts";

const [served, scored] = ["a".repeat(64), "b".repeat(64)] as const;
const named = { schema: recordSchema, tool: "refund" } as const;

const aLeaf = (record: AuditRecord): LogLeaf => ({
  number: 0,
  emitter: "e".repeat(26),
  seq: 0,
  index: 0,
  count: 1,
  server: { id: "billing" },
  receivedAtMs: record.at,
  record,
  lastAt: record.at,
});

test("a score tells that its tool was seen, and not with which definition it is served", () => {
  const definition = aLeaf({ ...named, kind: "definition", at: 1_000, digest: served, bytes: 9 });
  const score = aLeaf({ ...named, kind: "score", at: 2_000, suite: "golden", scorePermille: 870, definition: scored });
  const collections = inventory.rowsOf(score).map(({ collection }) => collection);
  expect(collections).toEqual(["servers", "tools"]);
  const before = inventory.fold([undefined, undefined, undefined], definition).slice(0, 2);
  const tool = inventory.fold(before, score)[1] as ToolRow;
  expect(tool).toMatchObject({ definition: served, definedAt: 1_000, lastSeen: 2_000, calls: 0, attempts: 0 });
});
