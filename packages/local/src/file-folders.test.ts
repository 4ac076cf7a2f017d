import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fileFolders } from "./file-folders.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "tooltrail-folders-"));
});
afterEach(() => rmSync(base, { recursive: true }));

test("what is written is read, by this user alone", async () => {
  const folders = fileFolders(base);
  expect(await folders.read("a/b", "x.md")).toBeUndefined();
  await folders.write("a/b", "x.md", "one");
  await folders.write("a/b", "x.md", "two");
  expect(await folders.read("a/b", "x.md")).toBe("two");
  expect(readdirSync(join(base, "a/b"))).toEqual(["x.md"]);
  expect(statSync(join(base, "a/b")).mode & 0o777).toBe(0o700);
  expect(statSync(join(base, "a/b/x.md")).mode & 0o777).toBe(0o600);
});

test("a folder may be named whole, and nothing is read or written outside of the pipeline's own", async () => {
  await fileFolders(base).write(join(base, "c"), "x.md", "one");
  expect(readFileSync(join(base, "c", "x.md"), "utf8")).toBe("one");
  for (const elsewhere of ["/nowhere", "..", "c/../..", `${base}-beside`]) {
    await expect(fileFolders(base).write(elsewhere, "x.md", "one")).rejects.toMatchObject({ code: "invalid" });
    await expect(fileFolders(base).read(elsewhere, "x.md")).rejects.toMatchObject({ code: "invalid" });
  }
});

test.each(["../x", "a/b", "", ".", "..", ".x", "a\\b", "a\0b", "-x", "x".repeat(201)])(
  "%j is no name of a file",
  async (name) => {
    const folders = fileFolders(base);
    await expect(folders.write("a", name, "x")).rejects.toMatchObject({ code: "invalid" });
    await expect(folders.read("a", name)).rejects.toMatchObject({ code: "invalid" });
    expect(readdirSync(base)).toEqual([]);
  },
);

test("a link does not lead out of the folder", async () => {
  const folders = fileFolders(base);
  mkdirSync(join(base, "a"));
  writeFileSync(join(base, "outside"), "mine");
  symlinkSync(join(base, "outside"), join(base, "a", "x.md"));
  await expect(folders.read("a", "x.md")).rejects.toMatchObject({ code: "unavailable" });
  await folders.write("a", "x.md", "one");
  expect(readFileSync(join(base, "outside"), "utf8")).toBe("mine");
  expect(await folders.read("a", "x.md")).toBe("one");
});

test("where a file cannot be replaced, nothing is left behind", async () => {
  mkdirSync(join(base, "a", "x.md"), { recursive: true });
  await expect(fileFolders(base).write("a", "x.md", "one")).rejects.toMatchObject({
    code: "unavailable",
    outcome: "unknown",
  });
  expect(readdirSync(join(base, "a"))).toEqual(["x.md"]);
});
