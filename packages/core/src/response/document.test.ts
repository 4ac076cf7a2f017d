import { readFileSync } from "node:fs";
import type { responseDocument } from "@tooltrail/format/schema";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { sentence } from "../slo/document.ts";
import { parseResponseDocument } from "./document.ts";
import { actionKinds, type ResponseDocument, responseKinds, signals } from "./response.ts";

const example = (name: string): { [field: string]: unknown } =>
  JSON.parse(readFileSync(new URL(`../../../format/examples/response-${name}.json`, import.meta.url), "utf8"));

const faultsOf = (value: unknown): string[] => {
  const parsed = parseResponseDocument(value);
  return "faults" in parsed ? parsed.faults.map(sentence) : [];
};
const notesOf = (value: unknown): string[] => {
  const parsed = parseResponseDocument(value);
  return "notes" in parsed ? parsed.notes.map(sentence) : [];
};
const withTarget = (...targets: object[]) => ({
  ...example("playbook"),
  verificationTarget: targets.map((target) => ({
    sli: "availability",
    op: ">=",
    value: 0.9,
    windowMinutes: 5,
    minCalls: 5,
    ...target,
  })),
});
const runbook = (more: object) => ({ ...example("runbook"), ...more });

type Frozen<T> = T extends object ? { readonly [Name in keyof T]: Frozen<T[Name]> } : T;
test("what is checked is what the rest of core knows, no more and no less", () => {
  expectTypeOf<Frozen<(typeof responseDocument)["_zod"]["output"]>>().toExtend<ResponseDocument>();
  expectTypeOf<ResponseDocument>().toExtend<Frozen<(typeof responseDocument)["_zod"]["output"]>>();
  const { immediateAction, ...playbook } = example("playbook");
  expect(faultsOf({ ...playbook, immediateAction, trigger: [{ signals: [...signals] }] })).toEqual([]);
  for (const kind of actionKinds)
    expect(faultsOf({ ...playbook, immediateAction: { ...(immediateAction as object), kind } })).toEqual([]);
  expect(faultsOf({ kind: "Policy" })).toEqual([
    `kind: "Policy" is not known. Write ${responseKinds.slice(0, -1).join(", ")} or ${responseKinds.at(-1)}.`,
  ]);
});

describe("a fault says where, what, and what to write", () => {
  test.each<[unknown, string[]]>([
    [[], ["a list is not a mapping. Write its fields."]],
    [null, ["null is not a mapping. Write its fields."]],
    [{}, ["kind: is missing. Write Playbook, Runbook, Destination or ResponsePolicy."]],
    [
      { kind: "Destination", name: "a", type: "pigeon" },
      ['type: "pigeon" is not known. Write pagerduty, slack, webhook, email, sns, github, jira or folder.'],
    ],
    [
      runbook({ name: "Billing_2" }),
      ['name: "Billing_2" is not a name. Write lower-case letters, digits and inner hyphens.'],
    ],
    [runbook({ name: undefined }), ["name: is missing. Write a text."]],
    [runbook({ versions: 2 }), ["versions: 2 is a number, not a text. Put it in quotation marks."]],
    [
      runbook({ versions: "newest" }),
      ['versions: "newest" is no range of versions. Write it as npm does: ">=2.0.0 <3", "2.1.x", or "*" for all.'],
    ],
    [
      runbook({ rollbackTo: "v2.1" }),
      ['rollbackTo: "v2.1" is itself in ">=2.0.0 <3", from which it is to be gone back. Write an earlier one.'],
    ],
    [runbook({ steps: [] }), ["steps: has no items. Write at least 1."]],
    [runbook({ steps: ["x".repeat(1_025)] }), ["steps[0]: 1025 characters are too many. Write at most 1024."]],
    [runbook({ steps: "a" }), ['steps: "a" is not a list. Begin each item with a dash.']],
    [
      runbook({ step: "a" }),
      ["step: is not known here. Known are kind, name, server, environment, versions, rollbackTo, steps, url, owner."],
    ],
    [
      runbook({ steps: Array(50).fill("x".repeat(1_000)) }),
      [expect.stringMatching(/^has \d+ bytes of JSON, and it may have 32768\.$/)],
    ],
    [{ ...example("policy"), rounds: "3" }, ['rounds: "3" is not a number. Take away the quotation marks.']],
    [{ ...example("policy"), rounds: 1.5 }, ["rounds: 1.5 is not a whole number. Write a whole number."]],
    [{ ...example("policy"), rounds: 6 }, ["rounds: 6 is too much. Write at most 5."]],
    [
      { ...example("destination-pagerduty"), routingKey: "R01ABC" },
      [expect.stringMatching(/^routingKey: is a secret written in clear\./)],
    ],
    [
      { ...example("destination-webhook"), url: "https://user:hunter2@example.com" },
      [expect.stringMatching(/^url: is no address to send to\.(?!.*hunter2)/)],
    ],
    [
      withTarget({ value: 99.9 }),
      ["verificationTarget[0].value: 99.9 is not a part, from 0 to 1. Write value: 0.999."],
    ],
    [
      withTarget({ sli: "latency" }, { sli: "quality" }),
      [
        "verificationTarget[0].thresholdMs: is missing. Write what latency has to keep to, as a number.",
        "verificationTarget[1].thresholdPermille: is missing. Write what quality has to keep to, as a number.",
      ],
    ],
    [
      withTarget({ thresholdMs: 100 }, { sli: "freshness", thresholdMs: 1_000, thresholdPermille: 1 }),
      [
        "verificationTarget[0].thresholdMs: is nothing of availability. Leave it out.",
        "verificationTarget[1].thresholdPermille: is nothing of freshness. Leave it out.",
      ],
    ],
    [
      withTarget({ sli: "latency", thresholdMs: 1_000_001 }),
      ["verificationTarget[0].thresholdMs: 1000001 is more than can be told of latency."],
    ],
  ])("%j", (value, faults) => expect(faultsOf(value)).toEqual(faults));
});

test.each([
  [{ sli: "burn", op: "<", value: 6 }, []],
  [{ sli: "throughput", op: ">=", value: 1.5 }, []],
  [{ sli: "latency", thresholdMs: 250 }, []],
  [
    { sli: "latency", thresholdMs: 220 },
    ["verificationTarget[0].thresholdMs: 220 is counted as 200, an edge of the buckets that are kept."],
  ],
  [
    { sli: "quality", thresholdPermille: 805 },
    ["verificationTarget[0].thresholdPermille: 805 is counted as 810, an edge of the buckets that are kept."],
  ],
  [{ op: "<" }, ["verificationTarget[0].op: holds the worse it gets: availability is to be high. Is >= meant?"]],
  [
    { sli: "retries", op: ">", value: 0.1 },
    ["verificationTarget[0].op: holds the worse it gets: retries is to be low. Is <= meant?"],
  ],
])("of the target %j it is noted: %j", (target, notes) => expect(notesOf(withTarget(target))).toEqual(notes));

test("all faults of a document are told", () =>
  expect(faultsOf({ ...example("policy"), rounds: 0, levels: [{ targets: ["A"], waitMinutes: 0 }] })).toHaveLength(3));

test("whatever it is given, it answers", () => {
  const piece = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(...responseKinds),
    fc.constantFrom("playbook", "runbook", "policy").map(example),
  );
  fc.assert(
    fc.property(
      fc.constantFrom("playbook", "runbook", "policy", "destination-github").map(example),
      fc.dictionary(
        fc.oneof(
          fc.constantFrom("kind", "id", "name", "trigger", "levels", "steps", "immediateAction", "__proto__"),
          fc.string(),
        ),
        piece,
      ),
      (document, more) => {
        const parsed = parseResponseDocument({ ...document, ...more });
        if ("faults" in parsed) expect(parsed.faults.map(sentence).every((line) => line.length > 0)).toBe(true);
        // Sound once is sound again, and the same word for word.
        else expect(JSON.stringify(parseResponseDocument(parsed.document))).toBe(JSON.stringify(parsed));
      },
    ),
    { numRuns: 500 },
  );
});
