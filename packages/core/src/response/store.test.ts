import { expect, test } from "vitest";
import { memoryProjections } from "../../../../test/support/followed.ts";
import { AppError } from "../errors.ts";
import { readDefinition, readStored } from "../slo/definitions.ts";
import { planResponseFolder } from "./folder.ts";
import type { ResponseDocument, Runbook } from "./response.ts";
import {
  applyResponse,
  checkResponse,
  namedResponse,
  readResponse,
  readResponseDocument,
  readResponseVersions,
} from "./store.ts";
import { yamlOf } from "./yaml.ts";

const runbook = (name: string, versions = "*"): Runbook => ({
  kind: "Runbook",
  name,
  server: "billing",
  versions,
  steps: ["go back"],
});
const folderOf = (name: string): ResponseDocument => ({ kind: "Destination", name, type: "folder", path: "tickets" });
const command = (nowMs: number) => ({ source: "command", nowMs }) as const;

test("documents are kept in versions, each kind with names of its own", async () => {
  const projections = memoryProjections();
  const apply = (documents: ResponseDocument[], nowMs: number) =>
    applyResponse(projections, namedResponse(documents), command(nowMs));
  expect(await apply([runbook("a"), folderOf("a")], 1)).toEqual([
    { name: "Runbook/a", version: 1, outcome: "applied" },
    { name: "Destination/a", version: 1, outcome: "applied" },
  ]);
  expect(await apply([runbook("a", "2.x"), folderOf("a")], 2)).toEqual([
    { name: "Runbook/a", version: 2, outcome: "applied" },
    { name: "Destination/a", version: 1, outcome: "unchanged" },
  ]);
  expect(await readResponse(projections)).toEqual({
    playbooks: [],
    runbooks: [runbook("a", "2.x")],
    destinations: [folderOf("a")],
    policies: [],
    unreadable: [],
  });
  await applyResponse(projections, [], { removing: ["Runbook/a"], ...command(3) });
  expect(await readResponseDocument(projections, "Runbook", "a")).toBeUndefined();
  const versions = await readResponseVersions(projections, "Runbook", "a");
  expect(versions.map(({ version, removed, appliedAt }) => [version, removed, appliedAt])).toEqual([
    [3, true, 3],
    [2, undefined, 2],
    [1, undefined, 1],
  ]);
  expect((await readResponse(projections)).runbooks).toEqual([]);
});

test("what cannot be read is told, and keeps nothing else from being read", async () => {
  const projections = memoryProjections();
  const later = { ...runbook("later"), colour: "blue" };
  await applyResponse(
    projections,
    [{ name: "Runbook/later", document: later }, ...namedResponse([runbook("a")])],
    command(1),
  );
  expect(await readResponse(projections)).toMatchObject({
    runbooks: [runbook("a")],
    unreadable: [{ name: "Runbook/later", why: expect.stringMatching(/^colour: is not known here\./) }],
  });
});

test("of several documents none is taken where one is faulty, there twice, or asks a destination for what it cannot do", () => {
  const policy = {
    ...{ kind: "ResponsePolicy", name: "p", levels: [{ targets: ["t"], waitMinutes: 5 }], rounds: 1 },
    acknowledgedForMinutes: 30,
    tickets: [],
    executors: [],
  };
  expect(checkResponse([runbook("a"), folderOf("a"), policy])).toHaveLength(3);
  expect(() =>
    checkResponse([runbook("a"), { ...runbook("b"), steps: [] }, runbook("a"), policy, folderOf("t")]),
  ).toThrow(
    new AppError(
      "invalid",
      [
        "document 2: steps: has no items. Write at least 1.",
        "Runbook/a is there twice.",
        'ResponsePolicy/p: levels[0].targets[0]: "t" is of type folder. Targets are of type pagerduty, slack, webhook, email or sns.',
      ].join("\n"),
      { outcome: "not-applied" },
    ),
  );
});

test("a folder is compared as a whole, and what somebody applied by command stays", async () => {
  const projections = memoryProjections();
  await applyResponse(projections, namedResponse([runbook("by-hand")]), command(1));
  const file = (name: string, ...documents: ResponseDocument[]) => ({
    name: `${name}.yaml`,
    text: documents.map(yamlOf).join("---\n"),
  });
  const first = await planResponseFolder(projections, [
    file("a", runbook("one"), folderOf("one")),
    file("b", runbook("two")),
  ]);
  expect(first).toMatchObject({ removing: [], faults: [] });
  await applyResponse(projections, first.applying, { removing: first.removing, source: "folder", nowMs: 2 });

  const same = await planResponseFolder(projections, [
    file("a", runbook("one"), folderOf("one")),
    file("b", runbook("two")),
  ]);
  expect(same).toEqual({ applying: [], removing: [], faults: [] });
  const gone = await planResponseFolder(projections, [file("a", runbook("one"))]);
  expect(gone).toEqual({ applying: [], removing: ["Destination/one", "Runbook/two"], faults: [] });
  // Who knows what a file with a fault was to hold.
  const faulty = await planResponseFolder(projections, [
    file("a", runbook("one")),
    { name: "b.yaml", text: "kind: Runbook" },
  ]);
  expect(faulty).toMatchObject({
    applying: [],
    removing: [],
    faults: expect.arrayContaining(["b.yaml:1:1 name: is missing. Write a text."]),
  });
  const twice = await planResponseFolder(projections, [
    file("a", runbook("one")),
    file("b", runbook("one"), runbook("three")),
  ]);
  expect(twice).toMatchObject({
    applying: [],
    removing: [],
    faults: ['b.yaml:2:1 name: "one" is the Runbook at a.yaml:2:1 as well. Write another one.'],
  });
});

test("SLOs that were defined before there were other documents are read as ever", async () => {
  const projections = memoryProjections();
  const stored = { name: "billing", version: 4, appliedAt: 5, source: "folder", document: { kind: "SLO" } } as const;
  await projections.commit("slo-definitions", {
    from: undefined,
    to: { current: { number: 1, version: 1, leaf: 1 } },
    generation: 1,
    rows: [{ collection: "current", id: "billing", value: stored }],
  });
  expect(await readDefinition(projections, "billing")).toEqual(stored);
  expect(await readStored(projections)).toEqual([stored]);
});
