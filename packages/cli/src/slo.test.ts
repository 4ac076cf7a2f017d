import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildApplication, run } from "@stricli/core";
import type { SloAnswer, SlosPage, SloView } from "@tooltrail/api/types";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Refused } from "./client.ts";
import { sloRoutes } from "./slo.ts";
import { inRequests } from "./slo-change.ts";
import { detailOf } from "./slo-detail.ts";
import { exitOf } from "./slo-status.ts";
import { sloTable } from "./slo-table.ts";
import { painterFor } from "./slo-text.ts";

const now = Date.parse("2026-01-31T12:30:00Z");
const minuteMs = 60_000;

const healthy: SloView = {
  name: "billing-availability",
  displayName: "Billing works",
  origin: "defined",
  version: 3,
  sli: "availability",
  selector: { server: "billing" },
  target: 0.999,
  period: { kind: "rolling", minutes: 30 * 1_440 },
  budget: { total: 1_000_000, bad: 688, spent: 0.688, remaining: 0.312, exhaustedAt: null },
  rules: [
    {
      name: "page-1h",
      severity: "page",
      longMinutes: 60,
      shortMinutes: 5,
      burnLong: 0.2,
      burnShort: null,
      firing: false,
    },
    {
      name: "ticket-3d",
      severity: "ticket",
      longMinutes: 4_320,
      shortMinutes: 360,
      burnLong: 0.9,
      burnShort: 0.1,
      firing: false,
    },
  ],
  hours: Array.from({ length: 24 }, () => ({ total: 100, bad: 0 })),
  degraded: [],
};
const firing: SloView = {
  ...healthy,
  name: "other\u001b[2J",
  budget: { ...healthy.budget, remaining: -0.5, exhaustedAt: now },
  rules: healthy.rules.map((rule, i) =>
    i === 0 ? { ...rule, burnLong: 16.66, burnShort: 1000, firing: true, since: now - 27 * minuteMs } : rule,
  ),
};
const principals = [
  { name: "p_abc", subject: "alice\u0007", bad: 400 },
  { name: "p_def", bad: 100 },
];
const detail: SloAnswer = {
  ...firing,
  degraded: [{ what: "no_data", since: now - 60 * minuteMs }],
  burners: {
    tools: [{ name: "refund", bad: 500 }],
    versions: [],
    principals,
  },
  definition: null,
  versions: [
    { name: "x", version: 2, appliedAt: now, source: "command", removed: true },
    { name: "x", version: 1, appliedAt: now - minuteMs, source: "folder" },
  ],
};

const [plain, coloured] = [painterFor(false, undefined), painterFor(true, undefined)];

describe("the table", () => {
  const expected = [
    "name                 target    budget left         burn 1h  3d     last 24 hours            state",
    "billing-availability 99.9 %    ███░░░░░░░ 31.2 %   0.2x     0.9x   ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ ok",
    "other?[2J            99.9 %    ░░░░░░░░░░ -50.0 %  16.7x    0.9x   ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ page-1h since 12:03Z",
    "",
  ].join("\n");
  test("has a line for each SLO", () => expect(sloTable([healthy, firing], now, plain)).toBe(expected));
  test("in colour, it is as wide", () => {
    const said = sloTable([healthy, firing], now, coloured);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
    expect(said.replaceAll(/\u001b\[\d+m/g, "")).toBe(expected);
    expect(said).toContain("\u001b[31mpage-1h since 12:03Z\u001b[39m\n");
    expect(said).toContain("\u001b[32mok\u001b[39m\n");
  });
  test("of none is its head", () =>
    expect(sloTable([], now, plain)).toBe("name target    budget left         last 24 hours            state\n"));
});

test("the detail has rules, what burns, and versions", () =>
  expect(detailOf(detail, now, plain)).toBe(`other?[2J: Billing works
availability of billing, 99.9 % over 30 days; defined, version 3

state          page-1h since 12:03Z, degraded: no data
               no data since 11:30Z
budget left    ░░░░░░░░░░ -50.0 %, 688 of 1000000 calls are bad
               nothing is left
last 24 hours  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁

page-1h        1h 16.7x     5m 1000x   firing since 12:03Z
ticket-3d      3d 0.9x      6h 0.1x

Bad by tools:
       500 refund

Bad by principals:
       400 alice?
       100 p_def

Versions of its definition:
  2    2026-01-31T12:30:00.000Z removed by a command
  1    2026-01-31T12:29:00.000Z applied by a folder
`));

test.each([
  [0, [healthy], false],
  [1, [healthy, firing], false],
  [1, [firing], true],
  [2, [healthy], true],
  [2, [], true],
] as const)("exits with %d", (code, slos, unknown) => expect(exitOf(slos, unknown)).toBe(code));

describe("against a pipeline", () => {
  const place = mkdtempSync(join(tmpdir(), "tooltrail-slo-"));
  writeFileSync(join(place, "token"), "secret");
  const asked: { method: string | undefined; url: string | undefined; type: string | undefined; body: string }[] = [];
  let answers: { readonly [url: string]: object | undefined } = {};
  const server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, url, headers } = request;
    asked.push({ method, url, type: headers["content-type"], body });
    const answer = answers[`${method} ${url}`];
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error: { code: "not_found", message: "There is none." } }));
  });
  beforeAll(async () => {
    // Each command listens to it, and here they are one process.
    vi.spyOn(process.stdout, "on").mockReturnThis();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    vi.stubEnv("TOOLTRAIL_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv("TOOLTRAIL_DATA", place);
    vi.stubEnv("TOOLTRAIL_SPOOL", join(place, "spool"));
  });
  beforeEach(() => {
    asked.length = 0;
    answers = {};
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    server.close();
    rmSync(place, { recursive: true });
  });

  /** The command in this process. As in `tooltrail`: what is refused as a matter of usage is 64, what is not there 1. */
  async function slo(...words: string[]): Promise<{ stdout: string; stderr: string; exit: unknown }> {
    const said = { stdout: "", stderr: "" };
    const stream = (name: keyof typeof said) => ({
      write: (text: string): void => {
        said[name] += text;
      },
    });
    const app = buildApplication(sloRoutes, {
      name: "slo",
      scanner: { caseStyle: "allow-kebab-for-camel" },
      determineExitCode: (error) => (error instanceof Refused ? (error.status === 400 ? 64 : 1) : 2),
    });
    const ours = { stdout: stream("stdout"), stderr: stream("stderr"), env: {}, exitCode: undefined };
    const before = process.exitCode;
    process.exitCode = undefined;
    await run(app, words, { process: ours } as never);
    const exit = process.exitCode ?? ours.exitCode;
    process.exitCode = before;
    return { ...said, exit };
  }

  const page = (slos: readonly SloView[], more: Partial<SlosPage> = {}): SlosPage => ({
    slos: [...slos],
    unreadable: [],
    next: null,
    ...more,
  });
  const unreadable = [{ name: "old\u0007", why: "spec: is missing." }];

  test("status reads all pages", async () => {
    answers = {
      "GET /v1/slos?limit=1000": page([healthy], { next: "x" }),
      "GET /v1/slos?cursor=x&limit=1000": page([firing]),
    };
    const { stdout, exit } = await slo("status", "--json");
    expect(JSON.parse(stdout)).toEqual({ slos: [healthy, firing], unreadable: [] });
    expect(exit).toBe(1);
    expect(JSON.parse((await slo("status", "--json", "--firing")).stdout)).toEqual({ slos: [firing], unreadable: [] });
  });

  test.each([
    ["nothing fires", 0, page([healthy])],
    ["something fires", 1, page([healthy, firing])],
    ["something fires, and more cannot be read", 1, page([firing], { unreadable })],
    ["nothing fires of what can be read", 2, page([healthy], { unreadable })],
    ["there is nothing", 2, page([])],
    ["the pipeline knows nothing of SLOs", 2, undefined],
  ])("where %s, status exits with %d", async (_, code, answer) => {
    answers = { "GET /v1/slos?server=billing&limit=1000": answer };
    const { exit, stderr } = await slo("status", "--server", "billing");
    expect(exit).toBe(code);
    if (answer?.unreadable.length)
      expect(stderr).toBe("tooltrail: the definition of old? cannot be read: spec: is missing.\n");
  });

  test("one that is not there cannot be told of", async () => {
    expect(await slo("status", "nothing")).toMatchObject({ exit: 2, stdout: "" });
  });

  test("status of one", async () => {
    answers = { "GET /v1/slos/tooltrail%3Aa%2Fb": detail };
    expect(JSON.parse((await slo("status", "tooltrail:a/b", "--json")).stdout)).toEqual(detail);
    expect(await slo("status", "tooltrail:a/b")).toMatchObject({ exit: 1, stdout: expect.stringContaining("page-1h") });
    expect(await slo("status", "tooltrail:a/b", "--firing")).toMatchObject({ exit: 64 });
  });

  const definition = (name: string, target: number) => ({
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
  const file = (name: string, ...documents: object[]): string => {
    const path = join(place, name);
    writeFileSync(path, documents.map((one) => JSON.stringify(one)).join("\n---\n"));
    return path;
  };

  test("apply sends all of them, as JSON", async () => {
    const [a, b] = [file("a.yaml", definition("a", 0.99)), file("b.yaml", definition("b", 0.9))];
    answers = {
      "POST /v1/slos": {
        applied: [
          { name: "a", version: 1, outcome: "applied" },
          { name: "b", version: 7, outcome: "unchanged" },
        ],
      },
    };
    expect(await slo("apply", a, b, a)).toMatchObject({
      exit: 0,
      stdout: "a: applied, version 1\nb: unchanged, version 7\n",
    });
    expect(asked).toMatchObject([{ method: "POST", url: "/v1/slos", type: "application/json" }]);
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({ documents: [definition("a", 0.99), definition("b", 0.9)] });
    expect(JSON.parse((await slo("apply", a, "--json")).stdout)).toEqual(answers["POST /v1/slos"]);
  });

  test("where anything has a fault, nothing is applied", async () => {
    const places = [file("good.yaml", definition("a", 0.99)), file("faulty.yaml", definition("b", 99.9))];
    const { exit, stdout, stderr } = await slo("apply", ...places);
    expect({ exit, stdout, asked }).toEqual({ exit: 1, stdout: "", asked: [] });
    expect(stderr).toMatch(/faulty\.yaml:1:\d+ objectives\[0\]\.target: 99\.9 is not a fraction/);
    const twice = await slo("apply", file("one.yaml", definition("a", 0.9)), file("two.yaml", definition("a", 0.9)));
    expect({ ...twice, asked }).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(/two\.yaml: "a" is in .*one\.yaml/),
      asked: [],
    });
    expect(await slo("apply", join(place, "nowhere.yaml"))).toMatchObject({ exit: 64 });
  });

  test("remove", async () => {
    answers = { "DELETE /v1/slos/a": { applied: [{ name: "a", version: 2, outcome: "removed" }] } };
    expect(await slo("remove", "a")).toMatchObject({ exit: 0, stdout: "a: removed, version 2\n" });
    expect(await slo("remove", "b")).toMatchObject({ exit: 1 });
  });

  test("replay of what is in the log", async () => {
    const minute = Date.parse("2026-01-31T12:05:00Z") / minuteMs;
    answers = { "POST /v1/series": { slo: "a", from: 0, to: minute + 1, minutes: [[minute, 100, 100]] } };
    const { exit, stdout } = await slo(
      "replay",
      file("a.yaml", definition("a", 0.99)),
      "--from-log",
      "--since",
      "7d",
      "--json",
    );
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)[0]).toEqual({
      minute: "2026-01-31T12:05:00Z",
      rule: "page-1h",
      state: "firing",
      burnLong: expect.closeTo(100),
      burnShort: expect.closeTo(100),
      budgetSpent: expect.closeTo(100),
    });
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({ document: definition("a", 0.99), since: "7d" });
  });

  test("maintenance", async () => {
    const window = {
      id: "mnt_1",
      from: now,
      until: now + 120 * minuteMs,
      server: "b\u0007",
      tool: "t",
      reason: "deploy",
      by: "p_x",
    };
    answers = {
      "POST /v1/maintenance": window,
      "GET /v1/maintenance": { windows: [window] },
      "DELETE /v1/maintenance/mnt_1": { id: "mnt_1" },
    };
    expect(
      await slo("maintenance", "add", "--for", "2h", "--reason", "deploy", "--server", "b", "--tool", "t"),
    ).toMatchObject({
      exit: 0,
      stdout: "mnt_1: no alerts about tool t of b? open until 2026-01-31T14:30:00.000Z\n",
    });
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({ minutes: 120, reason: "deploy", server: "b", tool: "t" });
    expect(JSON.parse((await slo("maintenance", "list", "--json")).stdout)).toEqual({ windows: [window] });
    expect((await slo("maintenance", "list")).stdout).toMatch(/\nmnt_1 .* tool t of b\? .* p_x .* deploy\n$/);
    expect(await slo("maintenance", "remove", "mnt_1")).toMatchObject({ exit: 0, stdout: "mnt_1: removed\n" });
    expect(await slo("maintenance", "remove", "mnt_2")).toMatchObject({ exit: 1 });
    for (const length of [[], ["--for", "2h", "--minutes", "5"]])
      expect(await slo("maintenance", "add", "--reason", "x", ...length)).toMatchObject({ exit: 64 });
  });
});

test("what does not fit one request is in several, in order", () => {
  const documents = Array.from({ length: 1_200 }, (_, i) => ({ i, text: "x".repeat(i === 700 ? 1_499_000 : 10) }));
  const requests = inRequests(documents);
  expect(requests.flat()).toEqual(documents);
  expect(requests.map(({ length }) => length).slice(0, 2)).toEqual([500, 200]);
  for (const some of requests.slice(2)) {
    expect(some.length).toBeLessThanOrEqual(500);
    expect(JSON.stringify(some).length).toBeLessThanOrEqual(1_500_010);
  }
});
