import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildApplication, run } from "@stricli/core";
import { expect, test } from "vitest";
import { Refused } from "./client.ts";
import { lintCommand } from "./slo-lint.ts";

const examples = join(import.meta.dirname, "../../../examples/slos");

/** The command in this process. As in `tooltrail`, what is refused as a matter of usage is 64. */
async function lint(...words: string[]) {
  const said = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof said) => ({
    write: (text: string): void => {
      said[name] += text;
    },
  });
  const process = { stdout: stream("stdout"), stderr: stream("stderr"), env: {}, exitCode: undefined };
  const app = buildApplication(lintCommand, {
    name: "lint",
    determineExitCode: (error) => (error instanceof Refused && error.status === 400 ? 64 : 2),
  });
  const before = globalThis.process.exitCode;
  globalThis.process.exitCode = undefined;
  await run(app, words, { process } as never);
  const exit = globalThis.process.exitCode ?? process.exitCode;
  globalThis.process.exitCode = before;
  return { ...said, exit };
}

const folder = (files: { readonly [name: string]: string }): string => {
  const place = mkdtempSync(join(tmpdir(), "tooltrail-slo-lint-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  return place;
};

const slo = (name: string, target = 0.999): string =>
  JSON.stringify({
    apiVersion: "openslo/v1",
    kind: "SLO",
    metadata: { name },
    spec: {
      indicator: { spec: { ratioMetric: { total: { metricSource: { type: "tooltrail", spec: { sli: "schema" } } } } } },
      timeWindow: [{ duration: "30d", isRolling: true }],
      budgetingMethod: "Occurrences",
      objectives: [{ target }],
    },
  });

test("the examples are sound, and each is said in a line", async () => {
  expect(await lint(examples)).toEqual({
    stdout: [
      "billing-availability: availability of billing in production, 99.9 % over 30 days, page-1h page-6h ticket-1d ticket-3d",
      "payments-schema: schema of payments, 99.5 % over each month (Europe/Berlin), page-90m ticket-2d",
      "search-is-quick: latency up to 250 ms of tool search_* of catalogue, 99 % of 5-minute slices (good from 95 % on) over 28 days, page-1h page-6h ticket-1d ticket-3d",
      "",
    ].join("\n"),
    stderr: "",
    exit: 0,
  });
});

test("faults and notes go to stderr, a line each; what is sound is still said", async () => {
  const place = folder({ "a.yaml": `${slo("a", 0.9)}\n---\n${slo("b", 99.9)}`, "c.yml": slo("c"), "d.txt": "no" });
  const { stdout, stderr, exit } = await lint(join(place, "a.yaml"), join(place, "c.yml"));
  expect(exit).toBe(1);
  expect(stdout).toBe(
    "a: schema of everything, 90 % over 30 days, page-6h ticket-1d ticket-3d\nc: schema of everything, 99.9 % over 30 days, page-1h page-6h ticket-1d ticket-3d\n",
  );
  expect(stderr.replaceAll(`${place}/`, "").replace(/:\d+ /g, ":N ")).toBe(
    [
      "a.yaml:1:N alertPolicies: page-1h is left out: 14.4 times a budget of 10 % is over 100 %, it could never fire.",
      "a.yaml:3:N objectives[0].target: 99.9 is not a fraction between 0 and 1. Write target: 0.999, or targetPercent: 99.9.",
      "",
    ].join("\n"),
  );
});

test("--json prints one document", async () => {
  const place = folder({ "a.yaml": slo("a"), "b.yaml": slo("b", 2) });
  const { stdout, stderr, exit } = await lint("--json", place);
  expect(JSON.parse(stdout)).toMatchObject({
    definitions: [{ file: join(place, "a.yaml"), slo: { name: "a", budget: { numerator: 1, denominator: 1_000 } } }],
    faults: [expect.stringContaining("b.yaml:1:")],
    notes: [],
  });
  expect([stderr, exit]).toEqual(["", 1]);
});

test("a name in two files is a fault", async () => {
  const place = folder({ "a.yaml": slo("x"), "b.yaml": slo("x") });
  const { stderr, exit } = await lint(place);
  expect(stderr).toBe(
    `${join(place, "b.yaml")}: "x" is in ${join(place, "a.yaml")} as well. Write another metadata.name.\n`,
  );
  expect(exit).toBe(1);
});

test("nothing in a file steers the terminal", async () => {
  const place = folder({ "a.yaml": '"\\e[2J": 1' });
  expect((await lint(place)).stderr).not.toMatch(/[^\P{C}\n]/u);
});

test("what cannot be read is a matter of usage", async () => {
  const empty = folder({});
  mkdirSync(join(empty, "x.yaml"));
  for (const words of [["/nowhere.yaml"], [folder({})], [empty]]) {
    const { stderr, exit } = await lint(...words);
    expect([exit, stderr]).toEqual([64, expect.stringMatching(/cannot be read \(E|no \*\.yaml/)]);
  }
  // Stricli's own, which `tooltrail` makes 64.
  expect((await lint()).exit).toBeLessThan(0);
});
