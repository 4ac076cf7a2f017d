import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseResponseDocument } from "./document.ts";
import { parseResponseFile } from "./file.ts";
import { playbooks } from "./playbooks.ts";
import { signals } from "./response.ts";
import { yamlOf } from "./yaml.ts";

test("there is one for each scenario, for each failure mode, and for what fails otherwise", () =>
  expect(playbooks.map(({ id }) => id)).toEqual([
    "d1-release-volume",
    "d2-dependency-latency",
    "d3-schema-update",
    "d4-environment-parity",
    "d5-access-policy",
    "d6-backlog",
    "c1-stale-context",
    "c2-policy-drift",
    "c3-auth-mismatch",
    "c4-schema-breakage",
    "c5-retry-storm",
    "c6-silent-regression",
    "server-failing",
  ]));

test.each(signals)("of %s there is one that asks for nothing else", (signal) =>
  expect(
    playbooks.filter(({ trigger }) =>
      trigger.some((one) => one.signals.includes(signal) && Object.keys(one).length === 1),
    ),
  ).toHaveLength(1),
);

describe.each(playbooks.map((playbook) => [playbook.id, playbook] as const))("%s", (id, playbook) => {
  test("is sound, and nothing is to be noted of it", () =>
    expect(parseResponseDocument(playbook)).toMatchObject({ document: playbook, notes: [] }));

  test("printed, it can be edited and applied: read again it is the same", () =>
    expect(parseResponseFile(yamlOf(playbook), `${id}.yaml`)).toEqual({
      documents: [playbook],
      faults: [],
      notes: [],
    }));

  test("gives users a status every 20 minutes, and goes back after two failed checks of five minutes", () => {
    expect(playbook.communication.cadenceMinutes).toBe(20);
    expect(playbook.rollbackTrigger.consecutiveFails).toBe(2);
    for (const { windowMinutes, minCalls } of playbook.verificationTarget) {
      expect(windowMinutes).toBe(5);
      expect(minCalls).toBeGreaterThanOrEqual(5);
      expect(minCalls).toBeLessThanOrEqual(20);
    }
  });

  test("takes nothing from users without asking, but a bound", () =>
    expect(playbook.immediateAction.approval).toBe(
      playbook.immediateAction.kind === "cap_concurrency" ? "none" : "required",
    ));
});

test("whatever somebody writes into one is read again as it was, and does not steer a terminal", () => {
  const [playbook] = playbooks;
  const texts = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(texts, texts, fc.array(texts, { minLength: 1, maxLength: 3 }), (title, owner, questions) => {
      const own = {
        ...playbook,
        title,
        communication: { owner: owner.slice(0, 100), etaMinutes: 1, cadenceMinutes: 1 },
        learning: { postmortem: "required", questions, testTemplates: [] },
      };
      const parsed = parseResponseDocument(own);
      if ("faults" in parsed) return;
      const text = yamlOf(parsed.document);
      expect(text).not.toMatch(/[^\P{C}\n]/u);
      expect(parseResponseFile(text, "a.yaml")).toEqual({ documents: [own], faults: [], notes: [] });
    }),
    { numRuns: 500 },
  );
});
