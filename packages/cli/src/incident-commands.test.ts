import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildApplication, buildRouteMap, run } from "@stricli/core";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Refused } from "./client.ts";
import { incidentRoutes } from "./incident.ts";
import { postmortemRoutes } from "./postmortem.ts";
import { readable } from "./postmortem-show.ts";

const id = "inc_019c0fb1c2d3abcdefghij2345";
const other = "inc_019c0fb1c2d3abcdefghij2346";
const page = (...ids: string[]) => ({ incidents: ids.map((one) => ({ id: one })), next: null });
const answer = {
  incident: { id, status: "acknowledged", severity: "page", title: "availability of billing", actions: [] },
  allowed: ["mitigate", "note"],
  names: {},
};

interface Asked {
  readonly call: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

const place = mkdtempSync(join(tmpdir(), "tooltrail-incident-"));
writeFileSync(join(place, "token"), "secret");
const asked: Asked[] = [];
/** By method and path: an answer, or what is done instead of one, once each; the last one again and again. */
let answers: { [call: string]: (object | number | ((response: ServerResponse) => void))[] } = {};
const server: Server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const call = `${request.method} ${request.url}`;
  asked.push({ call, key: request.headers["idempotency-key"] as string | undefined, body: body && JSON.parse(body) });
  const left = answers[call] ?? [404];
  const next = (left.length > 1 ? left.shift() : left[0]) ?? 404;
  if (typeof next === "function") next(response);
  else if (typeof next === "number")
    response.writeHead(next).end(JSON.stringify({ error: { code: "x", message: `It is ${next}.\u001b[2J` } }));
  else response.writeHead(200).end(JSON.stringify(next));
});
const cut = (response: ServerResponse): void => void response.socket?.destroy();
const cutWithin = (response: ServerResponse): void => {
  response.writeHead(200, { "content-length": "1000" });
  response.write('{"incident":');
  setTimeout(() => response.socket?.destroy(), 20);
};

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

/** The command in this process, with the exit codes of `tooltrail`. */
async function tooltrail(...words: string[]): Promise<{ stdout: string; stderr: string; exit: unknown }> {
  const said = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof said) => ({
    write: (text: string): void => {
      said[name] += text;
    },
  });
  const routes = buildRouteMap({
    routes: { incident: incidentRoutes, postmortem: postmortemRoutes },
    docs: { brief: "" },
  });
  const app = buildApplication(routes, {
    name: "tooltrail",
    scanner: { caseStyle: "allow-kebab-for-camel" },
    determineExitCode: (error) =>
      error instanceof Refused ? (error.status === 400 ? 64 : [404, 409].includes(error.status) ? 1 : 2) : 2,
  });
  const ours = { stdout: stream("stdout"), stderr: stream("stderr"), env: {}, exitCode: undefined };
  const before = process.exitCode;
  process.exitCode = undefined;
  await run(app, words, { process: ours } as never);
  const exit = process.exitCode ?? ours.exitCode;
  process.exitCode = before;
  return { ...said, exit };
}

const commands = `POST /v1/incidents/${id}/commands`;

describe("an id", () => {
  const recent = "GET /v1/incidents?limit=200";
  test.each([
    [id, []],
    ["latest", [recent]],
    ["ghij2345", [recent]],
    ["GHIJ2345", [recent]],
    ["inc_019c0fb1c2d3abcdefghij234", [recent]],
    ["019c0f", [recent]],
  ])("%s", async (text, before) => {
    answers = { [recent]: [page(id)], [commands]: [answer] };
    expect(await tooltrail("incident", "ack", text)).toMatchObject({
      exit: 0,
      stdout: `${id}: acknowledged, page, availability of billing. Possible now: mitigate, note.\n`,
    });
    expect(asked.map(({ call }) => call)).toEqual([...before, commands]);
  });

  test.each([
    ["2345", 64, "write six or more characters"],
    ["abcdef", 1, "None of the last 2 incidents has an id that begins or ends with"],
    ["019c0f", 64, `"019c0f" may be any of ${id}, ${other}.`],
  ])("%s is none", async (text, exit, why) => {
    answers = { [recent]: [page(id, other)] };
    const ran = await tooltrail("incident", "ack", text);
    expect(ran).toMatchObject({ exit, stdout: "" });
    expect(ran.stderr).toContain(why);
    expect(asked.some(({ call }) => call.startsWith("POST"))).toBe(false);
  });

  test("of none is none", async () => {
    answers = { [recent]: [page()] };
    const ran = await tooltrail("incident", "ack", "latest");
    expect(ran).toMatchObject({ exit: 1, stderr: expect.stringContaining("There is no incident.") });
  });
});

describe("a command", () => {
  test.each([
    [["mitigate"], { type: "mitigate" }],
    [["note", id, "db is back"], { type: "note", text: "db is back" }],
    [
      ["status", id, "--owner", "Ann", "--eta", "2026-01-31T12:30Z", "soon"],
      { type: "status", text: "soon", owner: "Ann", etaAt: Date.parse("2026-01-31T12:30:00Z") },
    ],
    [["cancel", id, "--reason", "none"], { type: "cancel", reason: "none" }],
    [["merge", id, "--into", other], { type: "merge", into: other }],
    [["act", id, "degrade"], { type: "act", kind: "degrade", params: {} }],
    [
      ["act", id, "degrade", "--param", "a=1", "--param", "b=x"],
      { type: "act", kind: "degrade", params: { a: 1, b: "x" } },
    ],
    [["approve", id, "a1"], { type: "approve", action: "a1" }],
    [["reject", id, "a1", "--reason", "no"], { type: "reject", action: "a1", reason: "no" }],
    [["finish", id, "a1", "--detail", "ok"], { type: "finish", action: "a1", isDone: true, detail: "ok" }],
    [["finish", id, "a1", "--detail", "x", "--failed"], { type: "finish", action: "a1", isDone: false, detail: "x" }],
    [["undo", id, "a1"], { type: "undo", action: "a1" }],
  ])("%j", async ([word = "", ...words], body) => {
    answers = { [commands]: [answer] };
    expect(await tooltrail("incident", word, ...(words.length === 0 ? [id] : words))).toMatchObject({ exit: 0 });
    expect(asked).toEqual([{ call: commands, key: expect.stringMatching(/^[0-9a-f]{32}$/), body }]);
  });

  test("has another key each time, or the one that is given", async () => {
    answers = { [commands]: [answer] };
    for (const more of [[], [], ["--key", "mine"]]) await tooltrail("incident", "ack", id, ...more);
    expect(new Set(asked.map(({ key }) => key)).size).toBe(3);
    expect(asked.at(-1)?.key).toBe("mine");
    expect(await tooltrail("incident", "ack", id, "--key", "a b")).toMatchObject({ exit: expect.any(Number) });
    expect(asked.length).toBe(3);
  });

  test("prints the answer as JSON", async () => {
    answers = { [commands]: [answer] };
    expect(JSON.parse((await tooltrail("incident", "ack", id, "--json")).stdout)).toEqual(answer);
  });

  test("that is refused says why, once, and steers no terminal", async () => {
    answers = { [commands]: [409] };
    const { exit, stdout, stderr } = await tooltrail("incident", "ack", id);
    expect({ exit, stdout, asked: asked.length }).toEqual({ exit: 1, stdout: "", asked: 1 });
    expect(stderr).toContain("It is 409.?[2J");
  });

  test("without an answer is sent again with its key, whatever became of the connection", async () => {
    answers = { [commands]: [cut, 503, cutWithin, answer] };
    const { exit, stdout, stderr } = await tooltrail("incident", "ack", id);
    expect({ exit, lines: stdout.split("\n").length }).toEqual({ exit: 0, lines: 2 });
    expect(stderr.match(/Asking again\./g)?.length).toBe(3);
    expect(asked.length).toBe(4);
    expect(new Set(asked.map(({ key }) => key)).size).toBe(1);
  });

  test("that nobody answers can be sent again by hand", async () => {
    answers = { [commands]: [503] };
    const { exit, stderr } = await tooltrail("incident", "ack", id);
    expect({ exit, asked: asked.length }).toEqual({ exit: 2, asked: 4 });
    expect(stderr).toContain(`add --key ${asked[0]?.key}\n`);
  });
});

test("a list goes on over pages that are short, and stops where there is enough", async () => {
  const at = (cursor: string): string => `GET /v1/incidents?status=live${cursor}&limit=200`;
  answers = {
    [at("")]: [{ incidents: [], next: "x" }],
    [at("&cursor=x")]: [{ incidents: [{ id: "a" }, { id: "b" }], next: "y" }],
    [at("&cursor=y")]: [{ incidents: [{ id: "c" }], next: null }],
  };
  const list = async (...words: string[]) =>
    JSON.parse((await tooltrail("incident", "list", "--json", ...words)).stdout);
  expect(await list()).toEqual({ incidents: [{ id: "a" }, { id: "b" }, { id: "c" }], next: null });
  expect(await list("--limit", "2")).toEqual({ incidents: [{ id: "a" }, { id: "b" }], next: "y" });
  expect(await list("--limit", "1", "--live")).toEqual({ incidents: [{ id: "a" }], next: "a" });
  answers = { "GET /v1/incidents?limit=3": [{ incidents: [{ id: "a" }], next: null }] };
  expect(await list("--limit", "3", "--status", "all")).toEqual({ incidents: [{ id: "a" }], next: null });
  expect(await tooltrail("incident", "list", "--live", "--status", "open")).toMatchObject({ exit: 64 });
});

test("what was not delivered is listed, and put back", async () => {
  const dead = {
    id: `000/${id}/000004/0`,
    at: 0,
    why: "403\nForbidden",
    effect: { tasks: [{ n: 0, kind: "tell", destination: "pager" }] },
  };
  answers = {
    "GET /v1/incidents/undelivered": [{ undelivered: [dead] }],
    "POST /v1/incidents/undelivered/retry": [{ retried: 1 }, { retried: 0 }],
  };
  expect((await tooltrail("incident", "undelivered")).stdout).toMatch(
    /\n1970-01-01 00:00:00 UTC tell {4}pager {16}403 Forbidden +000\/inc_\w+\/000004\/0\n$/,
  );
  expect(await tooltrail("incident", "undelivered", "--retry", dead.id)).toMatchObject({
    exit: 0,
    stdout: "1 put back, to be tried now\n",
  });
  expect(await tooltrail("incident", "undelivered", "--retry")).toMatchObject({ exit: 1 });
  expect(asked.filter(({ call }) => call.startsWith("POST")).map(({ body }) => body)).toEqual([{ id: dead.id }, {}]);
  expect(await tooltrail("incident", "undelivered", dead.id)).toMatchObject({ exit: 64 });
});

describe("a postmortem", () => {
  const record = `rec_${"a".repeat(26)}_3_0`;
  const postmortem = {
    incident: id,
    revision: 2,
    status: "draft",
    summary: "s",
    rootCause: "",
    drafted: ["summary"],
    actionItems: [{ id: "item_2_1", title: "t", type: "prevent" }],
    contractTests: [{ fileName: "billing.refund.test.mjs", source: "one" }],
    evidence: [
      { record, at: 0, what: "x", receipt: "c2sp.org/tlog-proof@v1\n" },
      { record: `rec_${"b".repeat(26)}_3_0`, at: 0, what: "y" },
      { record: "../../etc", at: 0, what: "z", receipt: "r" },
    ],
  };
  const read = `GET /v1/postmortems/${id}`;
  const edits = `POST /v1/postmortems/${id}/edits`;
  const given = (changed: object = {}) => ({ postmortem: { ...postmortem, ...changed }, names: {} });

  test("is edited by one request, with texts of files", async () => {
    const file = join(place, "cause.txt");
    writeFileSync(file, "The disk\nwas full.");
    answers = { [edits]: [503, given()] };
    const words = ["--set", "summary=Full", "--set", `rootCause=@${file}`, "--item", "Rotate;type=prevent"];
    const more = [
      "--owner",
      "item_1_1=Ann",
      "--done",
      "item_1_2",
      "--remove-item",
      "item_1_3",
      "--expect-revision",
      "1",
    ];
    const { exit, stdout } = await tooltrail("postmortem", "edit", id, ...words, ...more);
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: `${id}: postmortem, revision 2, draft. It still needs a summary, a root cause, an owner for item_2_1.\n`,
    });
    expect(asked.length).toBe(2);
    expect(asked[0]).toEqual(asked[1]);
    expect(asked[0]).toEqual({
      call: edits,
      key: expect.stringMatching(/^[0-9a-f]{32}$/),
      body: {
        summary: "Full",
        rootCause: "The disk\nwas full.",
        actionItems: [
          { op: "add", title: "Rotate", type: "prevent" },
          { op: "change", id: "item_1_1", owner: "Ann" },
          { op: "change", id: "item_1_2", done: true },
          { op: "remove", id: "item_1_3" },
        ],
        expectedRevision: 1,
      },
    });
    expect(await tooltrail("postmortem", "edit", id)).toMatchObject({ exit: 64 });
    expect(await tooltrail("postmortem", "edit", id, "--set", `summary=@${place}/nothing`)).toMatchObject({ exit: 64 });
  });

  test("has tests, which are written once, and through no link", async () => {
    answers = { [read]: [given()] };
    const out = join(place, "tests");
    const file = join(out, "billing.refund.test.mjs");
    expect(await tooltrail("postmortem", "tests", id, "--out", out)).toMatchObject({ exit: 0, stdout: `${file}\n` });
    expect(readFileSync(file, "utf8")).toBe("one");
    answers = { [read]: [given({ contractTests: [{ fileName: "billing.refund.test.mjs", source: "two" }] })] };
    const again = await tooltrail("postmortem", "tests", id, "--out", out);
    expect(again).toMatchObject({ exit: 64, stdout: "", stderr: expect.stringContaining("there already") });
    expect(readFileSync(file, "utf8")).toBe("one");
    rmSync(file);
    const elsewhere = join(place, "elsewhere");
    symlinkSync(elsewhere, file);
    expect(await tooltrail("postmortem", "tests", id, "--out", out)).toMatchObject({ exit: 64 });
    expect(await tooltrail("postmortem", "tests", id, "--out", out, "--force", "--json")).toMatchObject({
      exit: 0,
      stdout: `${JSON.stringify({ files: [file], without: [] })}\n`,
    });
    expect(readFileSync(file, "utf8")).toBe("two");
    expect(existsSync(elsewhere)).toBe(false);
  });

  test.each(["../x.test.mjs", "/x", ".bashrc", "a/b", "", "a\u0007", "a\\b", "x".repeat(201)])(
    "with a test called %j writes nothing",
    async (fileName) => {
      answers = {
        [read]: [
          given({
            contractTests: [
              { fileName: "good.mjs", source: "" },
              { fileName, source: "" },
            ],
          }),
        ],
      };
      const out = join(place, "unsafe");
      expect(await tooltrail("postmortem", "tests", id, "--out", out)).toMatchObject({ exit: 64 });
      expect(existsSync(out)).toBe(false);
    },
  );

  test("has receipts, each called by its record; what has none is said", async () => {
    answers = { [read]: [given()] };
    const out = join(place, "receipts");
    const { exit, stdout, stderr } = await tooltrail("postmortem", "receipts", id, "--out", out);
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: `${join(out, `${record}.tlog-proof`)}\n` });
    expect(stderr).toContain(`rec_${"b".repeat(26)}_3_0 has no receipt in it`);
    expect(readdirSync(out)).toEqual([`${record}.tlog-proof`]);
    answers = { [read]: [given({ evidence: [], contractTests: [] })] };
    for (const word of ["tests", "receipts"])
      expect(await tooltrail("postmortem", word, id, "--out", out)).toMatchObject({ exit: 1, stdout: "" });
  });

  test("is read with names, and without what is for machines", () => {
    const ann = `p_${"a".repeat(26)}`;
    const markdown = `# Postmortem\n\nBy ${ann} and p_${"b".repeat(26)}.\u001b[2J\n\n## Receipts\n\nlong\n\nmarker\n`;
    const text = readable({ postmortem: postmortem as never, names: { [ann]: "ann@example.com" } }, () => markdown);
    expect(text).toBe(
      [
        "# Postmortem",
        "",
        `By ann@example.com and p_${"b".repeat(26)}.?[2J`,
        "",
        `Contract tests (1): npx tooltrail postmortem tests ${id} --out DIR`,
        `Receipts (2): npx tooltrail postmortem receipts ${id} --out DIR`,
        "",
      ].join("\n"),
    );
  });

  test("of a revision, and of none", async () => {
    answers = { [`${read}/revisions/1`]: [given({ revision: 1 })] };
    const shown = await tooltrail("postmortem", "show", id, "--revision", "1", "--json");
    expect(JSON.parse(shown.stdout)).toEqual(given({ revision: 1 }));
    expect(await tooltrail("postmortem", "show", id)).toMatchObject({ exit: 1 });
    expect(await tooltrail("postmortem", "show", id, "--json", "--markdown")).toMatchObject({ exit: 64 });
  });
});
