import { generateKeyPairSync } from "node:crypto";
import { makeDigestKey, makeInstallationKey, parseDigestKeys } from "@tooltrail/format/keys";
import { expect, test } from "vitest";
import { parseKeys } from "./secret-keys.ts";

const good = { installationKey: makeInstallationKey(), digestKeys: [makeDigestKey(), makeDigestKey()] };
const enrolled = "A".repeat(43);

test("the keys are read, the current digest key first; enrolled ones may be none", () => {
  const [current = "", former = ""] = good.digestKeys;
  const keys = { ...parseDigestKeys(current), formerDigestKeys: [parseDigestKeys(former).digestKey] };
  expect(parseKeys(JSON.stringify(good))).toEqual({ installationPem: good.installationKey, ...keys, enrolledKeys: [] });
  expect(parseKeys(JSON.stringify({ ...good, enrolledKeys: [enrolled] })).enrolledKeys).toEqual([enrolled]);
});

const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "pem", type: "pkcs8" });
const cases: readonly (readonly [string, unknown, RegExp])[] = [
  ["nothing", undefined, /is not a JSON object with installationKey, digestKeys/],
  ["no JSON", "SECRET", /is not a JSON object/],
  ["a list", [], /is not a JSON object/],
  ["no installation key", { ...good, installationKey: undefined }, /: installationKey is not an Ed25519/],
  ["an installation key of another kind", { ...good, installationKey: rsa }, /: installationKey is not an Ed25519/],
  ["an installation key that is none", { ...good, installationKey: "SECRET" }, /: installationKey is not an Ed25519/],
  ["digest keys as one text", { ...good, digestKeys: "SECRET" }, /: digestKeys is not a list/],
  ["no digest key", { ...good, digestKeys: [] }, /: digestKeys needs at least one key/],
  ["a short digest key", { ...good, digestKeys: [makeDigestKey(), "SECRET"] }, /: digestKeys needs at least one key/],
  ["an enrolled key that is none", { ...good, enrolledKeys: ["SECRET"] }, /: enrolledKeys is not a list/],
];
test.each(cases)("%s is an error that names the member, and quotes none of it", (_, document, message) => {
  const read = () => parseKeys(typeof document === "string" ? document : JSON.stringify(document));
  expect(read).toThrow(message);
  expect(read).not.toThrow(/SECRET\b(?!\))/);
});
