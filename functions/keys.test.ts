import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseKeys } from "@tooltrail/aws/secret-keys";
import { describe, expect, test } from "vitest";

const program = join(import.meta.dirname, "keys.ts");
const keys = (input: string, ...args: string[]): string =>
  execFileSync(process.execPath, [program, ...args], { input, stdio: ["pipe", "pipe", "pipe"] }).toString();

describe("the document of keys", () => {
  const made = keys("");

  test("is made whole, and another one each time", () => {
    expect(parseKeys(made).digestKey).toHaveLength(32);
    expect(keys("")).not.toBe(made);
  });

  test("has a new digest key before the former ones after a rotation, and keeps all else", () => {
    const [before, after] = [parseKeys(made), parseKeys(keys(made, "rotate-digest"))];
    expect(after.formerDigestKeys).toEqual([before.digestKey]);
    expect(after.digestKey).not.toEqual(before.digestKey);
    expect(after.installationPem).toBe(before.installationPem);
  });

  test("trusts the former signing key after a rotation; keys are enrolled once, and withdrawn", () => {
    const rotated = keys(made, "rotate-installation");
    const [former = ""] = parseKeys(rotated).enrolledKeys;
    expect(former).toMatch(/^[\w-]{43}$/);
    expect(parseKeys(rotated).installationPem).not.toBe(parseKeys(made).installationPem);
    expect(parseKeys(keys(rotated, "enroll", former)).enrolledKeys).toEqual([former]);
    expect(parseKeys(keys(rotated, "withdraw", former)).enrolledKeys).toEqual([]);
  });

  test("takes a key that begins with a dash", () => {
    const key = `-${"A".repeat(42)}`;
    expect(parseKeys(keys(made, "enroll", key)).enrolledKeys).toEqual([key]);
  });

  test.each([
    [["enroll", "short"], made, /"short" is no public key/],
    [["rotate-digest"], "{", /not a JSON object/],
    [["rotate-digest"], JSON.stringify({ ...JSON.parse(made), digestKeys: ["c2VjcmV0"] }), /digestKeys/],
    [["rotate-all"], made, /"rotate-all" is none/],
    [["constructor"], made, /"constructor" is none/],
    [["rotate-digest", "twice"], made, /"rotate-digest twice" is none/],
    [["enroll"], made, /"enroll" is none/],
  ])("%j is refused by name, and no key is shown", (args, input, message) => {
    expect(() => keys(input, ...args)).toThrow(
      expect.objectContaining({ status: 64, stderr: expect.objectContaining({}) }),
    );
    try {
      keys(input, ...args);
    } catch (error) {
      const { stderr, stdout } = error as { stderr: Buffer; stdout: Buffer };
      expect(stderr.toString()).toMatch(message);
      expect(`${stderr}${stdout}`).not.toMatch(/PRIVATE|c2VjcmV0/);
    }
  });
});
