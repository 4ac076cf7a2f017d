import { expect, test } from "vitest";
import { memoryProjections } from "../../../../test/support/followed.ts";
import { jsonRows } from "../follow/row-limits.ts";
import { applyDefinitions } from "./definitions.ts";
import { planFolder } from "./folder.ts";

const yaml = (name: string, note = ""): string => `apiVersion: openslo/v1
kind: SLO
metadata: {name: ${name}, annotations: {note: "${note}"}}
spec:
  indicator: {spec: {thresholdMetric: {metricSource: {type: tooltrail, spec: {sli: availability, server: billing}}}}}
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.99}]
`;

const file = (name: string, text: string) => ({ name: `slos/${name}.yaml`, text });

test("a file with a definition that is too large, or that another has, is left out whole, and nothing is removed meanwhile", async () => {
  const projections = memoryProjections();
  const first = await planFolder(projections, [file("a", yaml("one")), file("b", yaml("two"))]);
  expect(first.applying.map(({ name }) => name)).toEqual(["one", "two"]);
  await applyDefinitions(projections, first.applying, { source: "folder", nowMs: 1 });
  expect(await planFolder(projections, [file("a", yaml("one")), file("b", yaml("two"))])).toEqual({
    applying: [],
    removing: [],
    faults: [],
  });

  const large = await planFolder(projections, [file("a", yaml("one")), file("c", yaml("three", "x".repeat(40_000)))]);
  expect(large.faults).toEqual([expect.stringMatching(/^slos\/c\.yaml: "three" has \d+ bytes of JSON/)]);
  expect([large.applying, large.removing]).toEqual([[], []]);

  const gone = await planFolder(projections, [file("a", yaml("one"))]);
  expect(gone).toMatchObject({ applying: [], removing: ["two"], faults: [] });
});

test("forty of the largest fit one commit", async () => {
  const projections = memoryProjections();
  const files = Array.from({ length: 45 }, (_, i) => file(`${i}`, yaml(`slo-${i}`, "x".repeat(31_000))));
  const { applying, faults } = await planFolder(projections, files);
  expect(faults).toEqual([]);
  const checked: typeof projections = {
    ...projections,
    async commit(name, change) {
      jsonRows(change.rows);
      return projections.commit(name, change);
    },
  };
  expect((await applyDefinitions(checked, applying, { source: "folder", nowMs: 1 })).length).toBe(45);
});
