import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseResponseFile, parseResponseFiles } from "./file.ts";

const runbook = (name: string, versions = ">=2") => `kind: Runbook
name: ${name}
server: billing
versions: "${versions}"
steps: [go back]
`;
const pager = (name: string) => `kind: Destination\nname: ${name}\ntype: pagerduty\nroutingKey: {secret: ${name}}\n`;
const issues = (name: string) =>
  `kind: Destination\nname: ${name}\ntype: github\nrepository: a/b\ntoken: {secret: t}\n`;
const policy = (target: string, ticket = "[]", executor = "[]") => `kind: ResponsePolicy
name: all
levels:
  - targets: [${target}]
    waitMinutes: 5
rounds: 1
acknowledgedForMinutes: 30
tickets: ${ticket}
executors: ${executor}
`;

test("a fault is told at the line and column of its field", () => {
  const { documents, faults } = parseResponseFile(`${runbook("a")}---\n${runbook("b", "later")}`, "r.yaml");
  expect(documents.map((one) => one.kind === "Runbook" && one.name)).toEqual(["a"]);
  expect(faults).toEqual([
    'r.yaml:10:1 versions: "later" is no range of versions. Write it as npm does: ">=2.0.0 <3", "2.1.x", or "*" for all.',
  ]);
});

test("what is no YAML is a fault, and a file of nothing is noted", () => {
  expect(parseResponseFile("kind: Runbook\nkind: Runbook", "r.yaml").faults).toEqual([
    'r.yaml:2:1 "kind" is there twice, first at 1:1. Keep one.',
  ]);
  expect(parseResponseFile("# nothing\n", "r.yaml")).toEqual({
    documents: [],
    faults: [],
    notes: ["r.yaml:1:1 There is no document in it."],
  });
});

test("each name of a kind is there once, in one file or in several", () => {
  expect(parseResponseFile(`${runbook("a")}---\n${runbook("a")}---\n${pager("a")}`, "r.yaml").faults).toEqual([
    'r.yaml:8:1 name: "a" is the Runbook at r.yaml:2:1 as well. Write another one.',
  ]);
  const [first, second] = parseResponseFiles([
    { name: "a.yaml", text: runbook("a") },
    { name: "b.yaml", text: `${runbook("b")}---\n${runbook("a", ">=3")}` },
  ]);
  expect(first?.faults).toEqual([]);
  expect(second?.faults).toEqual(['b.yaml:8:1 name: "a" is the Runbook at a.yaml:2:1 as well. Write another one.']);
  expect(second?.documents).toHaveLength(1);
});

describe("a policy's destinations", () => {
  test("may be elsewhere, which is noted", () => {
    const { faults, notes } = parseResponseFile(policy("gone", "[lost]"), "p.yaml");
    expect(faults).toEqual([]);
    expect(notes).toEqual([
      'p.yaml:4:15 levels[0].targets[0]: no destination "gone" is among these documents.',
      'p.yaml:8:11 tickets[0]: no destination "lost" is among these documents.',
    ]);
  });

  test("may be in another file of the same run", () =>
    expect(
      parseResponseFiles([
        { name: "p.yaml", text: policy("on-call", "[issues]") },
        { name: "d.yaml", text: `${pager("on-call")}---\n${issues("issues")}` },
      ]).flatMap(({ faults, notes }) => [...faults, ...notes]),
    ).toEqual([]));

  test("have to be of a type that can do what is asked", () => {
    const text = `${policy("issues", "[on-call]", "[on-call]")}---\n${pager("on-call")}---\n${issues("issues")}`;
    expect(parseResponseFile(text, "p.yaml").faults).toEqual([
      'p.yaml:4:15 levels[0].targets[0]: "issues" is of type github. Targets are of type pagerduty, slack, webhook, email or sns.',
      'p.yaml:8:11 tickets[0]: "on-call" is of type pagerduty. Tickets are of type github, jira or folder.',
      'p.yaml:9:13 executors[0]: "on-call" is of type pagerduty. Executors are of type webhook.',
    ]);
  });
});

test("the examples are sound, and need no other document", () => {
  const folder = join(import.meta.dirname, "../../../../examples/response");
  const files = globSync("*.yaml", { cwd: folder }).sort();
  const read = parseResponseFiles(files.map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") })));
  expect(read.flatMap(({ faults, notes }) => [...faults, ...notes])).toEqual([]);
  expect(new Set(read.flatMap(({ documents }) => documents.map(({ kind }) => kind))).size).toBe(4);
});

test("garbage never throws, and each line says where", () => {
  const sound = [runbook("a"), policy("x"), pager("x")].join("---\n").split("\n");
  const piece = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.constantFrom(...sound, "---", "- ", "{", "*a", "&a"),
  );
  fc.assert(
    fc.property(fc.nat(sound.length), fc.nat(3), fc.array(piece, { maxLength: 3 }), (from, count, more) => {
      const { documents, faults, notes } = parseResponseFile(
        sound.toSpliced(from, count, ...more).join("\n"),
        "a.yaml",
      );
      expect(documents.length + faults.length + notes.length).toBeGreaterThan(0);
      for (const line of [...faults, ...notes]) expect(line).toMatch(/^a\.yaml:\d+:\d+ .+$/);
    }),
    { numRuns: 500 },
  );
});
