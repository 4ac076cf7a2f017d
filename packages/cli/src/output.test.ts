import type { RecordView } from "@tooltrail/api/types";
import { recordSchema } from "@tooltrail/format";
import { expect, test } from "vitest";
import { printers } from "./output.ts";

const score: RecordView = {
  id: `rec_${"e".repeat(26)}_0_0`,
  schema: recordSchema,
  kind: "score",
  at: 1_800_000_000_000,
  tool: "refund",
  suite: "golden, all",
  scorePermille: 870,
  case: "partial-refund",
  runId: "nightly-1",
  server: { id: "billing" },
  sealed: false,
  enrolled: false,
  receivedAt: 1_800_000_000_500,
  account: "000000000000",
};

test("a score's outcome in the table is the score", () => {
  const { head, line } = printers.table;
  expect(line(score).slice(head?.indexOf("outcome"))).toMatch(/^870‰ {2,}rec_/);
  expect(line(score)).toMatch(/ billing +refund +870‰/);
});

test("a score in CSV has a cell for each column, and nothing in those of calls", () => {
  const [head, cells] = [printers.csv.head, printers.csv.line(score)].map((text) => text?.split(/,(?! )/) ?? []);
  expect(
    Object.fromEntries((head ?? []).map((name, i) => [name, cells?.[i]]).filter(([, cell]) => cell !== "")),
  ).toEqual({
    id: score.id,
    kind: "score",
    at: "2027-01-15T08:00:00.000Z",
    server: "billing",
    tool: "refund",
    sealed: "false",
    suite: '"golden, all"',
    case: "partial-refund",
    runId: "nightly-1",
    scorePermille: "870",
  });
  expect(cells).toHaveLength(head?.length ?? 0);
});

test.each(["ocsf", "otel"] as const)("%s has no words for a score", (format) => {
  expect(printers[format].kinds).not.toContain("score");
});
