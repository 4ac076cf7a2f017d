import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildApplication, run } from "@stricli/core";
import { playbooks } from "@tooltrail/core/response/playbooks";
import type { Runbook } from "@tooltrail/core/response/response";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Refused } from "./client.ts";
import { playbookRoutes } from "./playbook.ts";

const examples = join(import.meta.dirname, "../../../examples/response");
const place = mkdtempSync(join(tmpdir(), "tooltrail-playbook-"));
afterAll(() => rmSync(place, { recursive: true }));

/** The command in this process. As in `tooltrail`: what is refused as a matter of usage is 64, what is not there 1. */
async function playbook(...words: string[]): Promise<{ stdout: string; stderr: string; exit: unknown }> {
  const said = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof said) => ({
    write: (text: string): void => {
      said[name] += text;
    },
  });
  const app = buildApplication(playbookRoutes, {
    name: "playbook",
    scanner: { caseStyle: "allow-kebab-for-camel" },
    determineExitCode: (error) => (error instanceof Refused ? ({ 400: 64, 404: 1 }[error.status] ?? 2) : 2),
  });
  const ours = { stdout: stream("stdout"), stderr: stream("stderr"), env: {}, exitCode: undefined };
  const before = process.exitCode;
  process.exitCode = undefined;
  await run(app, words, { process: ours } as never);
  const exit = process.exitCode ?? ours.exitCode;
  process.exitCode = before;
  return { ...said, exit };
}

const runbook = (name: string, versions = "*"): Runbook => ({
  kind: "Runbook",
  name,
  server: "billing",
  versions,
  steps: ["go back"],
});
const file = (name: string, ...documents: unknown[]): string => {
  const path = join(place, name);
  writeFileSync(path, documents.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n---\n"));
  return path;
};

describe("lint", () => {
  test("says what the examples hold, with nothing to be noted", async () =>
    expect(await playbook("lint", examples)).toEqual({
      stdout: [
        "Destination payments-pager: pagerduty",
        "Destination payments-chat: slack",
        "Destination payments-automation: webhook",
        "Destination payments-issues: github",
        "Playbook refunds-fail: Refunds fail",
        "ResponsePolicy payments: billing* in production: payments-chat and payments-pager, then payments-pager",
        "Runbook billing-2: billing* >=2.0.0 <3 in production, back to 1.9.4",
        "",
      ].join("\n"),
      stderr: "",
      exit: 0,
    }));

  test("has a line for each fault and note, and exits with 1 for faults alone", async () => {
    const policy = { ...{ kind: "ResponsePolicy", name: "p", rounds: 1, acknowledgedForMinutes: 1 }, tickets: [] };
    const noted = file("noted.yaml", { ...policy, levels: [{ targets: ["x"], waitMinutes: 1 }], executors: [] });
    expect(await playbook("lint", noted)).toMatchObject({
      exit: 0,
      stderr: expect.stringMatching(/noted\.yaml:1:\d+ levels\[0\]\.targets\[0\]: no destination "x" is among these/),
    });
    const faulty = file("faulty.yaml", runbook("a"), runbook("b", "newest"));
    const { stdout, stderr, exit } = await playbook("lint", faulty);
    expect([stdout, exit]).toEqual(["Runbook a: billing *\n", 1]);
    expect(stderr).toMatch(/faulty\.yaml:3:\d+ versions: "newest" is no range of versions\./);
    const json = await playbook("lint", "--json", faulty);
    expect(JSON.parse(json.stdout)).toEqual({
      documents: [{ file: faulty, document: runbook("a") }],
      faults: [expect.stringContaining("newest")],
      notes: [],
    });
    expect([json.stderr, json.exit]).toEqual(["", 1]);
  });

  test("is not steered by what is in a file", async () =>
    expect((await playbook("lint", file("evil.yaml", '"\\e[2J": 1'))).stderr).not.toMatch(/[^\P{C}\n]/u));

  test("of what cannot be read is a matter of usage", async () =>
    expect(await playbook("lint", join(place, "nowhere.yaml"))).toMatchObject({ exit: 64 }));
});

describe("show --builtin", () => {
  test.each(playbooks.map(({ id }) => id))("prints %s as lint takes it, without a pipeline", async (id) => {
    const { stdout, stderr, exit } = await playbook("show", id, "--builtin");
    expect([stderr, exit]).toEqual(["", 0]);
    const shown = file(`${id}.yaml`, stdout);
    expect(await playbook("lint", shown)).toMatchObject({ stderr: "", exit: 0, stdout: expect.stringContaining(id) });
  });

  test("prints JSON, and says what there is where it is not there", async () => {
    const { stdout } = await playbook("show", "server-failing", "--builtin", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ builtIn: true, document: playbooks.at(-1) });
    for (const words of [["nothing"], ["server-failing", "--kind", "runbook"]])
      expect(await playbook("show", "--builtin", ...words)).toMatchObject({
        exit: 1,
        stderr: expect.stringContaining("d1-release-volume, d2-"),
      });
  });
});

describe("against a pipeline", () => {
  const asked: { method: string | undefined; url: string | undefined; body: string }[] = [];
  let answers: { readonly [url: string]: object } = {};
  const server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, url } = request;
    asked.push({ method, url, body });
    const answer = answers[`${method} ${url}`];
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error: { code: "not_found", message: "There is none." } }));
  });
  beforeAll(async () => {
    // Each command listens to it, and here they are one process.
    vi.spyOn(process.stdout, "on").mockReturnThis();
    writeFileSync(join(place, "token"), "secret");
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
  });

  test("list is a table, of one kind where that is asked", async () => {
    const documents = [
      { kind: "Playbook", name: "server-failing", title: "Calls fail", builtIn: true },
      { kind: "Runbook", name: "b", title: "billing\u0007 *", version: 2, source: "folder", appliedAt: 1 },
    ];
    const unreadable = [{ name: "Runbook/c", why: "colour: is not known here.\u0007" }];
    answers = {
      "GET /v1/response": { documents, unreadable },
      "GET /v1/response?kind=ResponsePolicy": { documents: [], unreadable: [] },
    };
    const { stdout, stderr, exit } = await playbook("list");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}| (?=built)/))).toEqual([
      ["kind", "name", "version", "from", "about"],
      ["Playbook", "server-failing", "built in Calls fail"],
      ["Runbook", "b", "2", "folder", "billing? *"],
      [""],
    ]);
    expect([stderr, exit]).toEqual(["tooltrail: Runbook/c cannot be read: colour: is not known here.?\n", 0]);
    expect(JSON.parse((await playbook("list", "--json")).stdout)).toEqual({ documents, unreadable });
    expect((await playbook("list", "--kind", "policy")).exit).toBe(0);
    expect(asked.at(-1)?.url).toBe("/v1/response?kind=ResponsePolicy");
    expect((await playbook("list", "--kind", "book")).exit).toBeLessThan(0); // Stricli's own, which `tooltrail` makes 64
  });

  test("show prints what is in force", async () => {
    const answer = { kind: "Runbook", name: "b", version: 1, document: runbook("b"), versions: [] };
    answers = { "GET /v1/response/Runbook/b": answer };
    const { stdout } = await playbook("show", "b", "--kind", "runbook");
    expect(stdout).toBe('kind: Runbook\nname: b\nserver: billing\nversions: "*"\nsteps:\n  - go back\n');
    expect(JSON.parse((await playbook("show", "b", "--kind", "Runbook", "--json")).stdout)).toEqual(answer);
    expect(await playbook("show", "b")).toMatchObject({ exit: 1, stderr: expect.stringContaining("There is none.") });
    expect(asked.at(-1)?.url).toBe("/v1/response/Playbook/b");
  });

  test("apply sends all of them, or none where one is faulty", async () => {
    const applied = [{ name: "Runbook/a", version: 1, outcome: "applied" }];
    answers = { "POST /v1/response": { applied } };
    const sound = file("sound.yaml", runbook("a"), runbook("b"));
    expect(await playbook("apply", sound, sound)).toMatchObject({ exit: 0, stdout: "Runbook/a: applied, version 1\n" });
    expect(asked.map(({ body }) => JSON.parse(body))).toEqual([{ documents: [runbook("a"), runbook("b")] }]);
    expect(JSON.parse((await playbook("apply", sound, "--json")).stdout)).toEqual({ applied });
    asked.length = 0;
    const twice = await playbook("apply", sound, file("twice.yaml", runbook("a")));
    expect(twice).toMatchObject({
      exit: 1,
      stdout: "",
      stderr: expect.stringMatching(/"a" is the Runbook at .*sound/),
    });
    expect(await playbook("apply", file("empty.yaml", ""))).toMatchObject({ exit: 64 });
    expect(asked).toEqual([]);
  });

  test("remove names a kind", async () => {
    answers = {
      "DELETE /v1/response/ResponsePolicy/p": {
        applied: [{ name: "ResponsePolicy/p", version: 2, outcome: "removed" }],
      },
    };
    expect(await playbook("remove", "policy", "p")).toMatchObject({
      exit: 0,
      stdout: "ResponsePolicy/p: removed, version 2\n",
    });
    expect(await playbook("remove", "runbook", "p")).toMatchObject({ exit: 1 });
  });

  test("missing exits with 1 where a version has no runbook", async () => {
    const since = Date.parse("2026-01-01T00:00:00Z");
    answers = { "GET /v1/runbooks/missing": { missing: [], since } };
    expect(await playbook("missing")).toEqual({
      exit: 0,
      stdout: "Every version that was seen since 2026-01-01T00:00:00.000Z has a runbook.\n",
      stderr: "",
    });
    const one = { server: "billing\u0007", environment: "", version: "2.0.1", firstSeen: since, lastSeen: since };
    answers = { "GET /v1/runbooks/missing": { missing: [one], since } };
    const { exit, stdout } = await playbook("missing");
    expect([exit, stdout]).toEqual([1, expect.stringMatching(/\nbilling\? +2\.0\.1 +2026-01-01T00:00:00\.000Z 2026/)]);
    expect(await playbook("missing", "--json")).toMatchObject({ exit: 1, stdout: expect.stringContaining('"since"') });
  });
});
