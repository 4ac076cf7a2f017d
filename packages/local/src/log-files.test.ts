import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogFiles } from "./log-files.ts";

const dir = mkdtempSync(join(tmpdir(), "tooltrail-log-files-"));
const there = ["token", "log/checkpoint", "log/.checkpoint", "log/staged/0a", "log/tile/0/000", "log/tile/0/x001/000"];
beforeAll(() => {
  for (const file of there) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), file);
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ask = (path: string) => createLogFiles(dir)({ method: "GET", path, ifNoneMatch: undefined });

test.each(["checkpoint", "tile/0/000", "tile/0/x001/000"])("%s is given out", async (path) => {
  expect(await ask(path)).toMatchObject({ status: 200, body: Buffer.from(`log/${path}`) });
});

test.each(["../token", "tile/../../token", "staged/0a", ".checkpoint", "", "tile/0/../0/000", "tile/0/x001", "vkey"])(
  "%j is not, whatever lies there",
  async (path) => {
    expect(await ask(path)).toMatchObject({ status: 404, headers: { "cache-control": "no-store" } });
  },
);
