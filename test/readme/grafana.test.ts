import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openMetrics, openMetricsType } from "../../packages/api/src/open-metrics.ts";
import { root } from "../support/pipeline.ts";
import { needs } from "../support/requirements.ts";
import { fullFigures } from "../support/slo-views.ts";

interface Dashboard {
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource: { readonly uid: string };
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly fieldConfig: {
    readonly defaults: { readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] } };
  };
}

const folder = join(root, "examples/grafana");
const { schemaVersion, templating, panels }: Dashboard = JSON.parse(
  readFileSync(join(folder, "tooltrail-slos.json"), "utf8"),
);
const told = openMetrics(fullFigures);
const variables = templating.list.filter(({ type }) => type === "query");

const scratch = mkdtempSync(join(tmpdir(), "tooltrail-grafana-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** As Grafana does it, where one value is chosen and the others are `All`, which the dashboard makes `.*`. */
const chosen = (expr: string, values: { readonly [variable: string]: string } = {}): string =>
  expr.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? ".*");

const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ refId, expr }) => ({ title: `${title} ${refId}`, expr })),
);

describe("the dashboard", () => {
  test("is of Grafana 11, whose schema 12 reads", () => expect(schemaVersion).toBe(39));

  test("has panels with ids of their own, which do not overlap or leave the grid", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { x, y, w, h } of panels.map(({ gridPos }) => gridPos)) {
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++)
        for (let row = y; row < y + h; row++) {
          expect(taken).not.toContain(`${column},${row}`);
          taken.add(`${column},${row}`);
        }
    }
  });

  test("asks the data source that is chosen, and for what is chosen", () => {
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["environment", "query"],
      ["server", "query"],
      ["slo", "query"],
    ]);
    const uids = panels.flatMap(({ datasource, targets }) => [
      datasource,
      ...targets.map((target) => target.datasource),
    ]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own.
    expect([...new Set(uids.map(({ uid }) => uid))]).toEqual(["${datasource}"]);
    const place = 'environment=~"$environment", server=~"$server"';
    const filters = { slo: `{${place}, slo=~"$slo"}`, incidents: `{${place}}`, incident: "" };
    for (const { expr } of queries) {
      const selected = [...expr.matchAll(/\btooltrail_([a-z]+)_\w+(\{[^}]*\})?/g)];
      expect(selected, expr).not.toEqual([]);
      for (const [, what, filter = ""] of selected) expect(filter, expr).toBe(filters[what as keyof typeof filters]);
    }
  });

  test("names metrics that there are, and shows all but the counts", () => {
    const there = [...told.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    const named = new Set(queries.flatMap(({ expr }) => expr.match(/\btooltrail_\w+/g) ?? []));
    expect([...named].sort()).toEqual(there.filter((name) => !/_calls$/.test(name ?? "")).sort());
  });

  test("has a line where each of the standard alerts begins", () => {
    const steps = panels.find(({ title }) => title === "Burn rates")?.fieldConfig.defaults.thresholds?.steps;
    expect(steps?.map(({ value }) => value)).toEqual([null, 1, 3, 6, 14.4]);
  });
});

const promtool = needs("promtool (Debian's package prometheus)", spawnSync("promtool", ["--version"]).status === 0);

describe.skipIf(!promtool)("promtool accepts", () => {
  const check = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", ...args], { encoding: "utf8" });
    return { status, said: stdout + stderr };
  };

  test("every expression", () => {
    const file = join(scratch, "rules.yml");
    // YAML reads JSON.
    const rules = queries.map(({ expr }, i) => ({ record: `panel:${i}`, expr: chosen(expr) }));
    writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const { status, said } = check("rules", file);
    expect(said).toContain(`${queries.length} rules found`);
    expect(status).toBe(0);
  });

  test("the configuration", () => {
    const { status, said } = check("config", "--syntax-only", join(folder, "prometheus.yml"));
    expect(said).toContain("SUCCESS");
    expect(status).toBe(0);
  });
});

const prometheus = needs("Prometheus", spawnSync("prometheus", ["--version"]).status === 0);

describe.skipIf(!prometheus)("Prometheus, configured as here", () => {
  let endpoint = "";
  let accepted: string | undefined;

  beforeAll(async () => {
    let scrapes = 0;
    const pipeline = createServer(({ url, headers: { accept, authorization } }, response) => {
      accepted = accept;
      const known = url === "/metrics" && authorization === "Bearer secret";
      response.writeHead(known ? 200 : 401, { "content-type": openMetricsType }).end(known ? told : "");
      pipeline.emit("scraped", ++scrapes);
    }).listen(0, "127.0.0.1");
    await once(pipeline, "listening");
    // What the first scrape brought is there when the second comes.
    const scraped = new Promise<void>((resolve) => pipeline.on("scraped", (times) => times === 2 && resolve()));

    writeFileSync(join(scratch, "token"), "secret\n");
    const configuration = replaced(readFileSync(join(folder, "prometheus.yml"), "utf8"), {
      "scrape_interval: 1m": "scrape_interval: 1s",
      "../../.tooltrail/token": "token",
      "127.0.0.1:4747": `127.0.0.1:${(pipeline.address() as AddressInfo).port}`,
    });
    writeFileSync(join(scratch, "prometheus.yml"), configuration);
    const started = await startPrometheus();
    endpoint = started.endpoint;
    await scraped;
    return async () => {
      await started.stop();
      pipeline.close();
    };
  });

  async function ask<Data>(path: string, parameters: { readonly [name: string]: string }): Promise<Data> {
    const answer = await fetch(`${endpoint}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await answer.json()) as { data: Data; error?: string };
    if (error !== undefined) throw new Error(error);
    return data;
  }

  const query = async (expr: string): Promise<Series[]> =>
    (await ask<{ result: Series[] }>("query", { query: expr })).result;

  test("scrapes with the token, as OpenMetrics", async () => {
    expect((await query("up")).map(({ metric, value }) => [metric.job, value[1]])).toEqual([["tooltrail", "1"]]);
    expect(accepted).toContain("application/openmetrics-text;version=1.0.0");
  });

  test.each(queries)("has an answer for $title, of everything and of one server", async ({ expr }) => {
    expect(await query(chosen(expr))).not.toEqual([]);
    expect(await query(chosen(expr, { environment: "production", server: "(billing)" }))).not.toEqual([]);
    if (expr.includes("$server")) expect(await query(chosen(expr, { server: "another" }))).toEqual([]);
  });

  test("has the values to choose from", async () => {
    const values = async ({ name, definition = "" }: Variable, of: { readonly [variable: string]: string } = {}) => {
      const [, match = ""] = /^label_values\((.+), \w+\)$/.exec(definition) ?? [];
      return ask<string[]>(`label/${name}/values`, { "match[]": chosen(match, of) });
    };
    const [environments, servers, slos] = variables as [Variable, Variable, Variable];
    expect(await values(environments)).toEqual(["production"]);
    expect(await values(servers)).toEqual(["billing", "files"]);
    expect(await values(servers, { environment: "production" })).toEqual(["billing"]);
    expect(await values(slos, { server: "files" })).toEqual(["availability:files"]);
  });
});

interface Series {
  readonly metric: { readonly [label: string]: string };
  readonly value: readonly [seconds: number, value: string];
}

/** On the configuration in `scratch`, and any free port. */
async function startPrometheus(): Promise<{ endpoint: string; stop(): Promise<unknown> }> {
  const command = [
    "prometheus",
    `--config.file=${join(scratch, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(scratch, "data")}`,
    "--web.listen-address=127.0.0.1:0",
  ];
  const leash = spawn(process.execPath, [join(root, "test/support/leash.ts"), ...command], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  const ended = once(leash, "exit");
  const endpoint = await new Promise<string>((resolve, reject) => {
    let said = "";
    leash.stderr.on("data", (chunk) => {
      said += chunk;
      const [, address] = /"Listening on".* address=(\S+)\n/.exec(said) ?? [];
      if (address) resolve(`http://${address}`);
    });
    leash.once("exit", () => reject(new Error(`Prometheus did not start: ${said}`)));
  });
  return {
    endpoint,
    stop() {
      leash.stdin.end();
      return ended;
    },
  };
}

/** @throws Error where one of them is not there: the text has changed, and the test would use what it must not. */
function replaced(text: string, replacements: { readonly [what: string]: string }): string {
  return Object.entries(replacements).reduce((now, [what, by]) => {
    if (!now.includes(what)) throw new Error(`${what} is not in the configuration.`);
    return now.replace(what, by);
  }, text);
}
