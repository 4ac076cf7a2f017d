/** What is published, installed by npm in a folder of its own, on the oldest Node that it is for. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { eventually, node, records, root } from "../support/pipeline.ts";
import { leaveNobody, plainEnv } from "../support/proxied.ts";
import { needs } from "../support/requirements.ts";
import { envOf } from "./place.ts";
import { httpV1, httpV2, listening, stdioV1, stdioV2 } from "./sessions.ts";

const { place, pipeline } = aPipeline();
leaveNobody();

const run = promisify(execFile);
const scratch = mkdtempSync(join(tmpdir(), "tooltrail-packed-"));
const built = join(scratch, "built");
const user = join(scratch, "user");
const oldNode = join(user, "node_modules/.bin/node");
const registry = needs(
  "the npm registry",
  await run("npm", ["view", "zod", "version"]).then(
    () => true,
    () => false,
  ),
);
const examples = ["v1-stdio", "v1-http", "v2-stdio", "v2-http"] as const;

beforeAll(async () => {
  await run(node, [join(root, "packages/emitter/build.ts"), built]);
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("is what publint wants", async () => {
  for (const room of ["format", "emitter"])
    expect((await publint({ pkgDir: join(built, room), strict: true })).messages).toEqual([]);
});

test("asks for nothing but the format and the AWS client", () => {
  const of = (room: string) => JSON.parse(readFileSync(join(built, room, "package.json"), "utf8")).dependencies;
  expect(Object.keys(of("emitter")).sort()).toEqual(["@aws-sdk/client-eventbridge", "@tooltrail/format"]);
  expect(of("format")).toEqual({});
});

test("contains JavaScript and declarations alone", () => {
  for (const room of ["format", "emitter"])
    expect(readdirSync(join(built, room)).filter((name) => !/\.(?:js|d\.ts|md|json)$|^LICENSE/.test(name))).toEqual([]);
});

describe.skipIf(!registry)("on Node 20", () => {
  beforeAll(async () => {
    mkdirSync(user);
    const installed = (name: string): string =>
      JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;
    const tarballs = await Promise.all(
      ["format", "emitter"].map(async (room) => {
        const { stdout } = await run("npm", ["pack", "--pack-destination", scratch], {
          cwd: join(built, room),
          env: plainEnv(),
        });
        return join(scratch, stdout.trim().split("\n").at(-1) ?? "");
      }),
    );
    const dependencies = Object.fromEntries([
      ...["format", "emitter"].map((room, i) => [`@tooltrail/${room}`, `file:${tarballs[i]}`]),
      ...[
        "@modelcontextprotocol/sdk",
        "@modelcontextprotocol/server",
        "@modelcontextprotocol/node",
        "zod",
        "@types/node",
      ].map((name) => [name, installed(name)]),
      ["node", "20"],
    ]);
    writeFileSync(
      join(user, "package.json"),
      JSON.stringify({ name: "user", private: true, type: "module", dependencies, allowScripts: { node: true } }),
    );
    await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"], { cwd: user, env: plainEnv() });
    for (const example of examples) cpSync(join(root, "examples", `${example}.ts`), join(user, `${example}.ts`));
  }, 300_000);
  beforeAll(async () => {
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      types: ["node"],
      outDir: "out",
    };
    writeFileSync(join(user, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    // Declarations of others are not ours to check; ours are, by themselves.
    writeFileSync(
      join(user, "tsconfig.ours.json"),
      JSON.stringify({
        compilerOptions: { ...compilerOptions, skipLibCheck: false, noEmit: true },
        include: [],
        files: ["node_modules/@tooltrail/emitter/mcp.d.ts", "node_modules/@tooltrail/emitter/index.d.ts"],
      }),
    );
    const compile = (project: string) =>
      run(node, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(user, project)]);
    await compile("tsconfig.ours.json");
    await compile("tsconfig.json");
  }, 120_000);

  test("really", async () => {
    expect((await run(oldNode, ["--version"])).stdout).toMatch(/^v20\./);
  });

  test.each([
    ["v1-stdio", stdioV1],
    ["v2-stdio", stdioV2],
  ] as const)("the example %s reaches a pipeline", async (example, open) => {
    const session = await open({
      command: oldNode,
      args: [join(user, "out", `${example}.js`)],
      env: envOf(place, pipeline.endpoint, example),
    });
    expect(await session.call("greet", { name: "Ada" })).toMatchObject({ content: [{ text: "Hello, Ada." }] });
    await session.close();
    expect(await greeted(example)).toMatchObject([
      { outcome: { class: "ok" }, principal: { method: "os", verified: true } },
    ]);
  });

  test.each([
    ["v1-http", httpV1],
    ["v2-http", httpV2],
  ] as const)("the example %s reaches a pipeline", async (example, open) => {
    const { url, server } = await listening({
      command: oldNode,
      args: [join(user, "out", `${example}.js`)],
      env: envOf(place, pipeline.endpoint, example),
    });
    const session = await open(url, "ada");
    expect(await session.call("greet", { name: "Ada" })).toMatchObject({ content: [{ text: "Hello, Ada." }] });
    server.process.kill(); // its own handler sends what there is
    expect((await server.exited).code).toBe(0);
    const seen = await greeted(example);
    expect(seen).toMatchObject([
      { outcome: { class: "ok" }, principal: { method: "token", verified: true, subject: "ada" } },
    ]);
    expect(readdirSync(join(place.dir, `spool-${example}`))).toEqual([]);
    await session.close().catch(() => undefined);
  });

  const greeted = (environment: string) =>
    eventually(
      async () =>
        (await records(place, pipeline.endpoint, "--tool", "greet")).filter(
          ({ server }) => server.environment === environment,
        ),
      (seen) => seen.length > 0,
      15_000,
    );
});

describe("the examples, in the repository", () => {
  test.each([
    ["v1-stdio", stdioV1],
    ["v2-stdio", stdioV2],
  ] as const)("%s runs as it is written", async (example, open) => {
    const session = await open({
      command: node,
      args: [join(root, "examples", `${example}.ts`)],
      env: envOf(place, pipeline.endpoint, `raw-${example}`),
    });
    expect(await session.call("greet", { name: "Ada" })).toMatchObject({ content: [{ text: "Hello, Ada." }] });
    await session.close();
  });
});
