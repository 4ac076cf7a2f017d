import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { RecordView, SlosPage } from "@tooltrail/api/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import {
  behindProxy,
  eventually,
  makePlace,
  type Place,
  type RunningPipeline,
  records,
  server,
  startPipeline,
  tooltrail,
} from "../support/pipeline.ts";

interface Said {
  readonly "detail-type": string;
  readonly time: string;
  readonly detail: { readonly [name: string]: unknown };
}

/** What the pipeline has said so far, of some types. */
function said({ data }: Place, type: RegExp): Said[] {
  const file = join(data, "events.ndjson");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  return lines.map((line) => JSON.parse(line) as Said).filter((event) => type.test(event["detail-type"]));
}

async function report(endpoint: string, calls: readonly object[]): Promise<void> {
  for (let from = 0; from < calls.length; from += 10) {
    const Entries = calls.slice(from, from + 10).map((call) => ({
      Source: "billing",
      DetailType: "MCP Tool Call",
      Detail: JSON.stringify(call),
    }));
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "x-amz-target": "AWSEvents.PutEvents" },
      body: JSON.stringify({ Entries }),
    });
    expect(await response.json()).toMatchObject({ FailedEntryCount: 0 });
  }
}

async function slos(place: Place, endpoint: string, ...args: string[]): Promise<SlosPage["slos"]> {
  const { stdout, stderr } = await tooltrail(place, endpoint, "slo", "status", "--json", ...args);
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as SlosPage).slos;
}

describe("a server that begins to fail", () => {
  const { place, pipeline } = aPipeline();

  test("a real one behind the proxy: the alert fires, says who and what, and the command line exits with 1", async () => {
    expect(await tooltrail(place, pipeline.endpoint, "slo", "status", "--firing")).toMatchObject({ code: 0 });
    const memory = join(place.dir, "memory.json");
    writeFileSync(memory, "not what it was");
    const client = new Client({ name: "check", version: "1.0.0" });
    const command = behindProxy(place, pipeline.endpoint, server("mcp-server-memory"));
    await client.connect(
      new StdioClientTransport({ ...command, env: { ...command.env, MEMORY_FILE_PATH: memory }, stderr: "ignore" }),
    );
    const began = Date.now();
    for (let i = 0; i < 4; i += 1)
      expect(await client.callTool({ name: "read_graph", arguments: {} })).toMatchObject({ isError: true });
    await client.close();
    const started = await eventually(
      async () => said(place, /^slo\.burn\.started$/),
      (events) => events.some(({ detail }) => detail.severity === "page"),
      15_000,
    );
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(started[0]?.detail).toMatchObject({
      slo: "availability:memory-server",
      server: "memory-server",
      burners: { tools: [{ name: "read_graph", bad: 4 }], principals: [{ bad: 4 }] },
    });
    const { code, stdout } = await tooltrail(place, pipeline.endpoint, "slo", "status", "--firing");
    expect(code).toBe(1);
    expect(stdout).toContain("availability:memory-server");
    const detail = await tooltrail(place, pipeline.endpoint, "slo", "status", "availability:memory-server");
    expect(detail.stdout).toContain("read_graph");
    expect(detail.stdout).toContain("os:");
  });

  test("one failed call pages nobody, two of two do, and what callers do wrong burns nothing", async () => {
    await report(pipeline.endpoint, [{ server: "one", tool: "t", outcome: "timeout" }]);
    await report(
      pipeline.endpoint,
      Array.from({ length: 50 }, () => ({
        server: "callers",
        tool: "t",
        outcome: { class: "tool_error", reason: "invalid_arguments" },
      })),
    );
    await report(
      pipeline.endpoint,
      [1, 2].map(() => ({ server: "two", tool: "t", outcome: "timeout" })),
    );
    await eventually(
      async () => said(place, /^slo\.burn\.started$/).map(({ detail }) => detail.slo),
      (names) => names.includes("availability:two"),
      15_000,
    );
    const firing = (await slos(place, pipeline.endpoint, "--firing")).map(({ name }) => name);
    expect(firing).toContain("availability:two");
    expect(firing).not.toContain("availability:one");
    expect(firing).not.toContain("availability:callers");
  });

  test("OpenMetrics are served to who has the token, and to nobody else", async () => {
    expect((await fetch(`${pipeline.endpoint}/metrics`)).status).toBe(401);
    const response = await fetch(`${pipeline.endpoint}/metrics`, {
      headers: { authorization: `Bearer ${pipeline.token}` },
    });
    expect(response.headers.get("content-type")).toContain("application/openmetrics-text");
    expect(await response.text()).toMatch(/^tooltrail_slo_alert_firing\{.*slo="availability:two".*\} 1$/m);
  });
});

describe("over kills and restarts", () => {
  let place: Place;
  let pipeline: RunningPipeline;
  beforeEach(async () => {
    place = makePlace();
  });
  afterEach(async () => {
    await pipeline.stop("SIGKILL");
    place.remove();
  });

  const control = async (action: string): Promise<{ readonly [name: string]: string }[]> =>
    (await records(place, pipeline.endpoint, "--kind", "control"))
      .filter(
        (record): record is RecordView & { kind: "control" } => record.kind === "control" && record.action === action,
      )
      .map(({ params }) => params);

  test("a folder of definitions is what is defined; a fault names file, line and field, and takes nothing away", async () => {
    const folder = join(place.data, "slos");
    const write = (name: string, target: string): void =>
      writeFileSync(
        join(folder, `${name}.yaml`),
        `apiVersion: openslo/v1
kind: SLO
metadata: {name: ${name}}
spec:
  indicator:
    spec:
      thresholdMetric:
        metricSource: {type: tooltrail, spec: {sli: availability, server: billing}}
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives:
    - target: ${target}
`,
      );
    mkdirSync(folder, { recursive: true });
    write("refunds", "0.999");
    write("charges", "0.99");
    pipeline = await startPipeline(place);
    const defined = async (): Promise<string[]> =>
      (await slos(place, pipeline.endpoint))
        .filter(({ origin }) => origin === "defined")
        .map(({ name, target }) => `${name} ${target}`);
    expect(await defined()).toEqual(["charges 0.99", "refunds 0.999"]);
    expect((await control("slo.apply")).map(({ name }) => name).sort()).toEqual(["charges", "refunds"]);

    write("refunds", "99.9");
    rmSync(join(folder, "charges.yaml"));
    await eventually(
      async () => pipeline.said(),
      (text) => text.includes("refunds.yaml"),
      20_000,
    );
    expect(pipeline.said()).toMatch(
      /slos\/refunds\.yaml:12:7 objectives\[0\]\.target: 99\.9 is not a fraction between 0 and 1/,
    );
    expect(await defined()).toEqual(["charges 0.99", "refunds 0.999"]);

    const applied = await tooltrail(place, pipeline.endpoint, "slo", "remove", "refunds");
    expect(applied.code).not.toBe(0);
    expect(applied.stderr).toContain("defined by a file");

    write("refunds", "0.95");
    symlinkSync("somebody@host.123", join(folder, ".#refunds.yaml")); // an editor's lock
    mkdirSync(join(folder, "folder.yaml"));
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling.yaml"));
    await eventually(defined, (all) => all.length === 1, 20_000);
    expect(await defined()).toEqual(["refunds 0.95"]);
    expect((await control("slo.remove")).map(({ name }) => name)).toEqual(["charges"]);

    await pipeline.stop();
    pipeline = await startPipeline(place);
    expect(await defined()).toEqual(["refunds 0.95"]);
    expect((await control("slo.apply")).length).toBe(3); // a restart applies nothing
  }, 120_000);

  test("each call counts once, and an alert goes on, whoever is killed", async () => {
    pipeline = await startPipeline(place);
    let sent = 0;
    const calls = (outcome: string) =>
      Array.from({ length: 20 }, () => ({ server: "billing", tool: "refund", outcome, id: `call-${sent++}` }));
    for (const outcome of ["ok", "timeout", "ok", "timeout", "ok"]) {
      const some = calls(outcome);
      await report(pipeline.endpoint, some);
      await pipeline.stop("SIGKILL");
      pipeline = await startPipeline(place);
      await report(pipeline.endpoint, some); // a producer that did not hear the answer
    }
    const counted = async () => (await slos(place, pipeline.endpoint, "--server", "billing"))[0]?.budget;
    expect(await eventually(counted, (budget) => (budget?.total ?? 0) >= sent, 15_000)).toMatchObject({
      total: sent,
      bad: 40,
    });
    const firing = (await slos(place, pipeline.endpoint, "--firing")).map(({ name }) => name);
    expect(firing).toEqual(["availability:billing"]);
    expect(said(place, /^slo\.burn\.cleared$/)).toEqual([]);
    const rebuilt = await tooltrail(place, pipeline.endpoint, "projections", "rebuild", "counters");
    expect(rebuilt).toMatchObject({ code: 0 });
    expect(await counted()).toMatchObject({ total: sent, bad: 40 });
  }, 120_000);
});
