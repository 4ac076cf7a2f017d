import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openMetrics } from "../../packages/api/src/open-metrics.ts";
import { root } from "../support/pipeline.ts";
import { needs } from "../support/requirements.ts";
import { aSloView, figuresOf, fullFigures, fullSloViews } from "../support/slo-views.ts";

const promtool = needs("promtool (Debian's package prometheus)", spawnSync("promtool", ["--version"]).status === 0);
/** Made by `.ci/run`: a Python with `requirements.txt`. */
const python = process.env.TOOLTRAIL_PYTHON ?? join(root, "node_modules/.cache/tooltrail/python/bin/python");
const there = needs("Python with test/interop/requirements.txt (see CONTRIBUTING)", existsSync(python));

const names = [
  'a "quoted" one',
  "back\\slash",
  "ends in one\\",
  "two\nlines\\n",
  "carriage\rreturn",
  '{a="b",} 1',
  "# EOF",
  "naïve 🦊 名\u2028前",
];
const views = [
  ...fullSloViews,
  ...names.map((name) => aSloView({ name, selector: { environment: name, server: name, version: name, tool: name } })),
];
const told = openMetrics({ ...fullFigures, slos: views });

describe.skipIf(!promtool)("promtool", () => {
  test.each([
    ["of SLOs", told],
    ["without any", openMetrics(figuresOf([]))],
  ])("accepts metrics %s, and has nothing to say of their names", (_, input) => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
  });
});

describe.skipIf(!there)("Prometheus's own parsers in Python", () => {
  const readBack = (format: string, input: string): Family[] =>
    JSON.parse(
      execFileSync(python, [join(root, "test/interop/check_open_metrics.py"), format], {
        input,
        stdio: "pipe",
      }).toString(),
    );

  test.each(["openmetrics", "text"])("read back every name and figure (%s)", (format) => {
    const families = readBack(format, told);
    const samples = (name: string) => families.find((family) => family.name === `tooltrail_slo_${name}`)?.samples;
    expect(samples("error_budget_spent_ratio")?.map(({ value }) => value)).toEqual(
      views.map(({ budget }) => budget.spent),
    );
    expect(samples("burn_rate")).toHaveLength(7 * views.length);
    expect(
      samples("alert_firing")
        ?.filter(({ value }) => value === 1)
        .map(({ labels }) => labels.rule),
    ).toEqual(["page-1h", "ticket-1d"]);
    expect(samples("objective_ratio")?.slice(fullSloViews.length)).toEqual(
      names.map((name) => ({
        name: "tooltrail_slo_objective_ratio",
        labels: {
          slo: name,
          sli: "availability",
          origin: "default",
          environment: name,
          server: name,
          version: name,
          tool: name,
        },
        value: 0.995,
      })),
    );
  });

  test("OpenMetrics' takes the units", () => {
    const units = readBack("openmetrics", told).map(({ name, type, unit }) => [name, type, unit]);
    expect(units).toContainEqual(["tooltrail_slo_error_budget_spent_ratio", "gauge", "ratio"]);
    expect(units).toContainEqual(["tooltrail_slo_budget_exhaustion_timestamp_seconds", "gauge", "seconds"]);
    expect(units).toContainEqual(["tooltrail_slo_burn_rate", "gauge", ""]);
  });

  test("can refuse", () => {
    expect(() => readBack("openmetrics", told.replace("# EOF\n", ""))).toThrow(/Missing # EOF/);
  });
});

interface Family {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly samples: readonly {
    readonly name: string;
    readonly labels: { readonly [name: string]: string };
    readonly value: number;
  }[];
}
