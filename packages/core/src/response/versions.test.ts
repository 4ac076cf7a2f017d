import { expect, test } from "vitest";
import { isInRange, isNarrower, isRange } from "./versions.ts";

test.each<[string | undefined, string, boolean]>([
  ["2.1.0", ">=2.0.0 <3", true],
  ["3.0.0", ">=2.0.0 <3", false],
  ["v2.1", ">=2.0.0 <3", true],
  ["2", "2.x", true],
  ["1.2.3.4", "1.2.3", true],
  ["2026.8.31", ">=2026.8.0 <2027", true],
  ["2026.08.31", "2026.8.x", true],
  ["2026.9.1", "2026.8.x", false],
  ["2026-08-31", "2026.x", true],
  ["2.1.0-rc.1", ">=2.0.0 <3", true],
  ["3.0.0-rc.1", ">=2.0.0 <3", false],
  ["2.1.0+build.7", "2.1.x", true],
  ["1.4.2", "^1.2 || 7", true],
  ["1f2e3d4", "1.x", false],
  ["1f2e3d4", "*", true],
  ["main", "", true],
  ["main", ">=0.1", false],
  [undefined, "*", true],
  [undefined, "1.x", false],
])("%s in %j: %s", (version, range, answer) => expect(isInRange(version, range)).toBe(answer));

test.each([
  ["2.1.x", ">=2 <3", true],
  [">=2 <3", "2.1.x", false],
  [">=2 <3", "2.x", false], // alike
  ["1.x", "2.x", false],
  ["1.x", "*", true],
])("%j lies within %j: %s", (range, other, answer) => expect(isNarrower(range, other)).toBe(answer));

test.each(["newest", "main", ">>1", "1.2.3.4", "2026-08-31.."])("%j is no range", (text) =>
  expect(isRange(text)).toBe(false),
);
