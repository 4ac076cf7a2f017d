import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { aPipeline } from "../support/a-pipeline.ts";
import { root, tooltrail } from "../support/pipeline.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");
const scripts = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;
const all = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block.trim());
/** The second tour has a test of its own, `test/story`, which tells the same story with kills in it. */
const story = "npm run story";
const blocks = all.filter((block) => block !== story);

/** What each block of the tour must show, in order. */
const shown: readonly RegExp[] = [
  /(?=[\s\S]*Echo: hello)(?=[\s\S]*Tool no-such-tool not found)/,
  /tool_error\/unknown_tool[\s\S]*"reason": "unknown_tool"/,
  /"kind": "definition"[\s\S]*Echoes back the input/,
  /"FailedEntryCount":0[\s\S]*refund +ok +48\.2 +ada/,
  /qua_[a-z2-7]{26} \S+ invalid: detail\.outcome/,
  /(?=[\s\S]*records\.query)(?=[\s\S]*quarantine\.list)/,
  /^Sound: tooltrail\.local\/\w+ at http/m,
  /refund/,
  /(?=[\s\S]*echo)(?=[\s\S]*refund)/,
  /(is not valid JSON[\s\S]*){4}/,
  /(?=[\s\S]*availability:memory-server .*page-1h)(?=[\s\S]*\(exit 1: something burns\))(?=[\s\S]*4 read_graph)/,
  /(?=[\s\S]*availability of memory-server)(?=[\s\S]*mitigating, page)(?=[\s\S]*Ada, storage)(?=[\s\S]*Possible now)/,
  /(?=[\s\S]*billing-availability: availability)(?=[\s\S]*page-1h firing)(?=[\s\S]*billing-availability.*version 1)/,
];

describe("the README", () => {
  const { place, pipeline } = aPipeline();

  const run = (script: string): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      execFile(
        "bash",
        ["-euo", "pipefail", "-c", script.replaceAll("http://127.0.0.1:4747", pipeline.endpoint)],
        { cwd: root, env: place.env(pipeline.endpoint) },
        (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
      );
    });

  test("begins with the two commands, which install by themselves", () => {
    expect(blocks.slice(0, 2)).toEqual(["npm start", "npm test"]);
    for (const script of ["start", "test"]) expect(scripts[`pre${script}`]).toContain("npm ci");
    expect(blocks).toHaveLength(2 + shown.length);
    expect(all).toContain(story);
    expect(scripts.story).toContain("test/story/story.ts");
  });

  test.each(shown.map((what, i) => [blocks[i + 2] ?? "", what] as const))("%s", async (block, what) => {
    const { code, output } = await run(block);
    expect(output).toMatch(what);
    expect(code).toBe(0);
  });

  test("names every command that there is, and no other", async () => {
    const { stdout } = await tooltrail(place, pipeline.endpoint, "--help");
    const there = [...stdout.matchAll(/^ +(\w+) {2,}\S/gm)]
      .map(([, name]) => name)
      .filter((name) => name !== "tooltrail");
    const named = new Set([...readme.matchAll(/`npx tooltrail (\w+)/g)].map(([, name]) => name));
    expect([...named].sort()).toEqual([...new Set(there)].sort());
  });

  test("names every flag of its commands", async () => {
    for (const command of ["proxy", "records", "record", "verify", "witness", "inventory", "emitters"]) {
      const { stdout } = await tooltrail(place, pipeline.endpoint, command, "--help");
      const rows = readme.split("\n").filter((line) => line.startsWith(`| \`npx tooltrail ${command} `));
      const flags = [...stdout.matchAll(/^ +\[?(--[a-z-]+)/gm)]
        .map(([, flag = ""]) => flag)
        .filter((flag) => !["--help", "--data", "--json"].includes(flag));
      expect(flags.length).toBeGreaterThan(0);
      expect(flags.filter((flag) => !rows.some((row) => row.includes(flag)))).toEqual([]);
    }
  });

  test("points only to files that are there", () => {
    for (const [, path = ""] of readme.matchAll(/\]\((?!http)([^)#]+)\)/g))
      expect(() => readFileSync(join(root, path))).not.toThrow(/ENOENT/);
  });
});
