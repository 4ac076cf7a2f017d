import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { localSecrets } from "./secrets-local.ts";

const dataDir = mkdtempSync(join(tmpdir(), "tooltrail-secrets-"));
beforeAll(() => {
  mkdirSync(join(dataDir, "secrets", "folder"), { recursive: true });
  writeFileSync(join(dataDir, "token"), "the pipeline's own");
  writeFileSync(join(dataDir, "secrets", "slack-url"), "from a file\n");
  writeFileSync(join(dataDir, "secrets", "both"), "from a file");
  writeFileSync(join(dataDir, "secrets", "empty"), " \n");
});
afterAll(() => rmSync(dataDir, { recursive: true }));

const env = { TOOLTRAIL_SECRET_PAGER_DUTY: " from the environment ", TOOLTRAIL_SECRET_BOTH: "from the environment" };

test.each([
  ["pager-duty", "from the environment"],
  ["slack-url", "from a file"],
  ["both", "from the environment"],
  ["empty", undefined],
  ["none", undefined],
])("%s is %s", async (name, value) => expect(await localSecrets(dataDir, env).read(name)).toBe(value));

test.each(["../token", "a/b", "", "A", "a.b", `${"a".repeat(64)}`])("%j names no secret", async (name) => {
  await expect(localSecrets(dataDir, env).read(name)).rejects.toMatchObject({ code: "invalid" });
});

test("what cannot be read is not taken for what is not there", async () => {
  await expect(localSecrets(dataDir, env).read("folder")).rejects.toMatchObject({ code: "unavailable" });
});

test("a secret that is put in place is there at once", async () => {
  const secrets = localSecrets(dataDir, env);
  expect(await secrets.read("later")).toBeUndefined();
  writeFileSync(join(dataDir, "secrets", "later"), "now");
  expect(await secrets.read("later")).toBe("now");
});
