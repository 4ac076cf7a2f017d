import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { contractTest, type TestFile } from "@tooltrail/core/postmortem/contract-test";
import { canonical, type Shape, shapeOf } from "@tooltrail/format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const server = resolve("test/fixtures/servers/ledger-tool.ts");
const commandOf = (version: string): string[] => [process.execPath, server, "--version", version];
const recordedCall = { account: "savings", amount: 1_234_567, lines: [{ note: "a secret of somebody" }] };

let dir: string;
let book: TestFile;
let wipe: TestFile;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-contract-"));
  // The folder of somebody who has the SDK.
  symlinkSync(resolve("node_modules"), join(dir, "node_modules"));
  const [command = "", ...args] = commandOf("1.0.0");
  const client = new Client({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command, args }));
  const served = [...(await client.listTools()).tools, ...(await client.listTools({ cursor: "second" })).tools];
  await client.close();
  const made = (tool: string, args: object): TestFile => {
    const definition = served.find(({ name }) => name === tool);
    const shape: Shape = shapeOf(args, definition?.inputSchema);
    const file = contractTest({ server: "ledger", tool, definition: canonical(definition), shape });
    if (file === undefined) throw new Error("There is no test.");
    writeFileSync(join(dir, file.fileName), file.source);
    return file;
  };
  book = made("book", recordedCall);
  wipe = made("wipe", {});
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What `node --test` says of a file, against a version of the server. */
async function run({ fileName }: TestFile, version: string, more: { readonly [name: string]: string } = {}) {
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap", fileName], {
    cwd: dir,
    env: { PATH: process.env.PATH, MCP_SERVER_COMMAND: JSON.stringify(commandOf(version)), ...more },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [said, code] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>((resolve) => child.on("exit", resolve)),
  ]);
  const failed = [...said.matchAll(/^\s*not ok \d+ - (.*)$/gm)].map(([, name]) => name);
  return { code, said, failed };
}

test("a generated test passes on the server that it was recorded of, and holds nothing that was recorded", async () => {
  expect(await run(book, "1.0.0")).toMatchObject({ code: 0, failed: [] });
  for (const secret of ["savings", "1234567", "a secret of somebody"]) expect(book.source).not.toContain(secret);
});

const [there, takes, answers] = [
  "the tool is there",
  "its schema takes arguments like the recorded ones",
  "a call like the recorded ones goes well",
];

describe("it fails on a server", () => {
  test.each([
    ["that has the tool no more", "2.0.0-gone", there],
    ["that requires what nobody gave", "2.0.0-required", takes],
    ["that has another name for a member deep in it", "2.0.0-renamed", takes],
    ["that wants another type", "2.0.0-retyped", takes],
    ["that answers with an error", "2.0.0-erring", answers],
    ["that refuses the request", "2.0.0-refusing", answers],
    ["that dies of it", "2.0.0-dying", answers],
    ["whose answer is not what it promised", "2.0.0-misfitting", answers],
    ["whose answer lacks what it promised", "2.0.0-unstructured", answers],
    ["that promises and answers less than before", "2.0.0-promising", answers],
  ])("%s", async (_, version, failing) => {
    const { code, failed, said } = await run(book, version);
    expect(code, said).toBe(1);
    expect(failed).toContain(failing);
  });

  test("that cannot be started, or that nobody has named", async () => {
    expect((await run(book, "1.0.0", { MCP_SERVER_COMMAND: '["/nowhere/at/all"]' })).code).toBe(1);
    expect((await run(book, "1.0.0", { MCP_SERVER_COMMAND: "[]" })).said).toContain("MCP_SERVER_COMMAND=");
  });
});

test("a tool that may destroy something is called only by who says so", async () => {
  const { code, said } = await run(wipe, "1.0.0");
  expect([code, said.includes("# SKIP")]).toEqual([0, true]);
  expect(await run(wipe, "1.0.0", { MCP_CALL_DESTRUCTIVE: "1" })).toMatchObject({ code: 1, failed: [answers] });
});

test("arguments can be given that mean something to the server", async () => {
  const given = { MCP_CALL_ARGUMENTS: '{"amount":0}' };
  expect((await run(book, "1.0.0", given)).failed).toContain(takes); // below the minimum
  expect((await run(book, "1.0.0", { MCP_CALL_ARGUMENTS: '{"amount":5}' })).code).toBe(0);
});
