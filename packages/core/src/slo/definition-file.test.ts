import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDefinition } from "./definition.ts";
import { parseDefinitionFile } from "./definition-file.ts";

const slo = (name = "billing", more = ""): string => `apiVersion: openslo/v1
kind: SLO
metadata:
  name: ${name}
spec:
  indicator:
    spec:
      ratioMetric:
        total:
          metricSource:
            type: tooltrail
            spec:
              sli: availability
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - displayName: Good
      target: 0.999
${more}`;

const sli = (name: string, spec: string): string => `apiVersion: openslo/v1
kind: SLI
metadata:
  name: ${name}
spec:
  thresholdMetric:
    metricSource:
      type: tooltrail
      spec: ${spec}
`;

const referring = (name: string): string =>
  slo().replace(/ {2}indicator:[\s\S]*(?= {2}timeWindow)/, `  indicatorRef: ${name}\n`);

const read = (text: string) => parseDefinitionFile(text, "slo/a.yaml");
const faultsOf = (text: string) => read(text).faults;

describe("a fault is told at the line and column", () => {
  test.each<[string, string, string[]]>([
    [
      "of its field",
      slo().replace("0.999", "99.9"),
      [
        "slo/a.yaml:20:7 objectives[0].target: 99.9 is not a fraction between 0 and 1. Write target: 0.999, or targetPercent: 99.9.",
      ],
    ],
    [
      "of the field that is unknown",
      slo().replace("displayName", "display"),
      [expect.stringMatching(/^slo\/a.yaml:19:7 objectives\[0\]\.display: is not known here\. Known are displayName,/)],
    ],
    [
      "of the nearest parent, where it is missing",
      slo().replace("      target: 0.999\n", ""),
      ["slo/a.yaml:19:7 objectives[0].target: is missing. Write target: 0.999, or targetPercent: 99.9."],
    ],
    [
      "of the document, where that is all there is",
      slo().replace("apiVersion: openslo/v1\n", ""),
      ["slo/a.yaml:1:1 apiVersion: is missing. Write apiVersion: openslo/v1."],
    ],
    [
      "of an item",
      `${slo("a", "  alertPolicies:\n    - 5\n")}`,
      [expect.stringMatching(/^slo\/a.yaml:22:7 alertPolicies\[0\]: 5 is/)],
    ],
    [
      "in its own document, of several",
      `---\n${slo("a")}---\n# the second\n${slo("b").replace("30d", "90d")}`,
      [
        "slo/a.yaml:38:7 timeWindow[0].duration: 90d is too long: minutes are kept for 34 days. Write at most 30d, or a calendar window.",
      ],
    ],
    [
      "of what an alias stands for",
      "a: &a {x: 1}\nkind: *a\n",
      expect.arrayContaining(["slo/a.yaml:2:1 kind: a mapping is not known. Write SLO."]),
    ],
  ])("%s", (_, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  test("and all of them are, in the order of the file", () => {
    const text = slo("Bad_Name").replace("30d", "31d").replace("availability", "uptime").replace("0.999", "1");
    expect(faultsOf(text).map((line) => line.replace(/ .*/, ""))).toEqual([
      "slo/a.yaml:4:3",
      "slo/a.yaml:13:15",
      "slo/a.yaml:15:7",
      "slo/a.yaml:20:7",
    ]);
  });
});

describe("what is no YAML here is refused, with line and column", () => {
  test.each<[string, string]>([
    ["a: [1\nb: 2", "2:1 Flow sequence in block collection must be sufficiently indented and end with a ]."],
    ["a: 'x", "1:6 Missing closing 'quote."],
    ["kind: SLO\nkind: SLI", '2:1 "kind" is there twice, first at 1:1. Keep one.'],
    ["a:\n  b: 1\n  c: 2\n  b: 3", '4:3 "b" is there twice, first at 2:3. Keep one.'],
    ["a: !secret x", "1:4 Unresolved tag: !secret."],
    ["a: !!binary aGk=", "1:4 Unresolved tag: tag:yaml.org,2002:binary."],
    ["? [a]\n: 1", "1:3 A list or a mapping is no name of a field. Write a text."],
    ["a: *b", "1:1 Its aliases cannot be written out: Unresolved alias (the anchor must be set before the alias): b."],
    ["a: &a [*a]", "1:1 Its aliases cannot be written out: Converting circular structure to JSON."],
    [
      "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]",
      "1:1 Its aliases cannot be written out: Excessive alias count indicates a resource exhaustion attack.",
    ],
    [
      `a: &a ${"x".repeat(100_000)}\nb: [${"*a, ".repeat(50)}]`,
      "1:1 As JSON, with aliases written out, the document is over 1 MiB.",
    ],
    ["x".repeat(1024 * 1024 + 1), "1:1 The file is over 1 MiB. Split it."],
    ["é".repeat(512 * 1024 + 1), "1:1 The file is over 1 MiB. Split it."],
    ["---\na\n".repeat(201), "1:1 There are over 200 documents. Split the file."],
    ["a\n...\n".repeat(201), "1:1 There are over 200 documents. Split the file."],
  ])("%.40s", (text, fault) => {
    expect(read(text)).toMatchObject({ definitions: [], faults: [`slo/a.yaml:${fault}`] });
  });

  test("also where it is nested deeper than anybody can read", () => {
    expect(faultsOf("[".repeat(500_000))[0]).toMatch(/^slo\/a\.yaml:1:\d+ This is nested too deeply\.$/);
  });

  test("and a hundred lines of it are enough", () => {
    const lines = faultsOf("---\n- x\n".repeat(150));
    expect(lines).toHaveLength(101);
    expect(lines[100]).toBe("slo/a.yaml: and more.");
  });
});

test("YAML is the same whatever version it says: no dates, no yes for true, no merging", () => {
  const text = `%YAML 1.1\n---\n${slo().replace("isRolling: true", "isRolling: yes")}`;
  expect(faultsOf(text)).toEqual(['slo/a.yaml:18:7 timeWindow[0].isRolling: "yes" is neither true nor false.']);
});

describe("a file may hold", () => {
  test("several objectives, and empty documents", () => {
    const { definitions, faults, notes } = read(`---\n${slo("a")}---\n---\n# nothing\n---\n${slo("b")}`);
    expect(definitions.map(({ slo: { name } }) => name)).toEqual(["a", "b"]);
    expect([...faults, ...notes]).toEqual([]);
  });

  test("sound ones beside others", () => {
    const { definitions, faults } = read(`${slo("a")}---\n${slo("B")}`);
    expect(definitions.map(({ slo: { name } }) => name)).toEqual(["a"]);
    expect(faults).toHaveLength(1);
  });

  test("each name once", () => {
    const { definitions, faults } = read(`${slo("a")}---\n${slo("a")}`);
    expect(definitions).toHaveLength(1);
    expect(faults).toEqual(['slo/a.yaml:25:3 metadata.name: "a" is the SLO at 4:3 as well. Write another name.']);
  });

  test("none, which is noted", () => {
    expect(read("")).toEqual({ definitions: [], faults: [], notes: ["slo/a.yaml:1:1 There is no SLO in it."] });
  });

  test.each([
    ["Service", "notes", "is not read: servers are known from their calls."],
    ["DataSource", "notes", "is not read: tooltrail itself is the only source."],
    ["AlertPolicy", "faults", "is not read. Write it into the alertPolicies of its SLO."],
    ["AlertCondition", "faults", "is not read. Write it into an AlertPolicy within its SLO."],
    ["AlertNotificationTarget", "faults", "is not read. Leave it out: where alerts go is told to tooltrail itself."],
  ] as const)("a %s among %s", (kind, where, words) => {
    const answer = read(`${slo("a")}---\nkind: ${kind}\nmetadata: {name: x}\n`);
    expect(answer).toMatchObject({ faults: [], notes: [], [where]: [`slo/a.yaml:22:1 kind: ${kind} ${words}`] });
    expect(answer.definitions).toHaveLength(1);
  });

  test("an indicator of its own, which is written into the objective's document", () => {
    const { definitions, faults, notes } = read(
      `${referring("quick")}---\n${sli("quick", "{sli: latency, thresholdMs: 220}")}`,
    );
    expect(faults).toEqual([]);
    // Once, and where it stands.
    expect(notes).toEqual([
      "slo/a.yaml:23:28 thresholdMetric.metricSource.spec.thresholdMs: 220 is counted as 200 ms, the nearest bucket edge.",
    ]);
    const [definition] = definitions;
    expect(definition?.document).not.toHaveProperty("spec.indicatorRef");
    expect(parseDefinition(definition?.document)).toMatchObject({ slo: definition?.slo });
  });

  test("a faulty one: its faults are told where it stands, and not once more where it is meant", () => {
    const { definitions, faults } = read(`${referring("quick")}---\n${sli("quick", "{sli: fast}")}`);
    expect(definitions).toEqual([]);
    expect(faults).toEqual([
      'slo/a.yaml:23:14 thresholdMetric.metricSource.spec.sli: "fast" is not known. Write availability, latency, freshness, quality or schema.',
    ]);
  });

  test("a reference to none", () => {
    expect(faultsOf(referring("gone"))).toEqual([
      'slo/a.yaml:6:3 indicatorRef: "gone" is not there. Write a document of kind: SLI with that name, or an indicator.',
    ]);
  });

  test("whatever indicator, for who brings counts", () => {
    for (const text of [
      referring("gone"),
      slo().replace("tooltrail", "Prometheus"),
      `${referring("quick")}---\n${sli("quick", "{}")}`,
    ]) {
      const answer = parseDefinitionFile(text, "a.yaml", { indicator: "optional" });
      expect(answer).toMatchObject({ definitions: [{ slo: { indicator: { sli: "availability", selector: {} } } }] });
      expect([answer.faults.length, answer.notes.length]).toEqual([0, 1]);
    }
  });
});

const examples = join(import.meta.dirname, "../../../../examples/slos");
test.each(globSync("*.yaml", { cwd: examples }).sort())("the example %s is sound", (file) => {
  const { definitions, faults, notes } = parseDefinitionFile(readFileSync(join(examples, file), "utf8"), file);
  expect({ faults, notes, definitions: definitions.length }).toEqual({ faults: [], notes: [], definitions: 1 });
  for (const { slo: read, document } of definitions) expect(parseDefinition(document)).toMatchObject({ slo: read });
});

test("garbage never throws, and what is sound lies within faults of one line", () => {
  const lines = slo("a", "  alertPolicies: []\n").split("\n");
  const piece = fc.oneof(
    fc.string({ maxLength: 20, unit: "grapheme" }),
    fc.constantFrom(
      ...lines,
      "---",
      "...",
      "&a",
      "*a",
      "!!x",
      "%YAML 1.1",
      "<<: *a",
      "? ",
      "- ",
      "[",
      "{",
      "|",
      '"',
      "\t",
    ),
  );
  const damaged = fc
    .tuple(fc.nat(lines.length), fc.nat(3), fc.array(piece, { maxLength: 3 }))
    .map(([from, count, more]) => lines.toSpliced(from, count, ...more).join("\n"));
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.array(piece).map((all) => all.join("\n")),
      ),
      (text) => {
        const { definitions, faults, notes } = parseDefinitionFile(text, "a.yaml");
        expect(definitions.length + faults.length + notes.length).toBeGreaterThan(0);
        for (const line of [...faults, ...notes]) expect(line).toMatch(/^a\.yaml:\d+:\d+ .+$/);
      },
    ),
    { numRuns: 1_000 },
  );
});
