import { describe, expect, test } from "vitest";
import { config, logConfig, logKeysConfig } from "./config.ts";

describe("the keys of the log", () => {
  const parse = (keys: string) => logKeysConfig({ TOOLTRAIL_LOG_ORIGIN: "example.org/log", TOOLTRAIL_LOG_KEYS: keys });
  const arn = (n: number): string => `arn:aws:kms:eu-central-1:000000000000:key/${n}`;

  test("are named newest first, each with the end of its time where it has one", () => {
    expect(parse(`${arn(2)}, ${arn(1)}@2026-12-31T00:00:00Z`)).toEqual({
      origin: "example.org/log",
      keys: [{ arn: arn(2) }, { arn: arn(1), untilMs: Date.UTC(2026, 11, 31) }],
      policy: undefined,
    });
  });

  test.each([
    ["", /TOOLTRAIL_LOG_KEYS/],
    [`${arn(1)},`, /entry 2/],
    [`${arn(1)}@soon`, /entry 1/],
    [`${arn(1)}@2026-01-01T00:00:00Z@2027-01-01T00:00:00Z`, /entry 1/],
  ])("%j is refused, and the entry named", (keys, message) => {
    expect(() => parse(keys)).toThrow(message);
  });
});

test("everything that is missing is named at once", () => {
  expect(() => logConfig({})).toThrow("TOOLTRAIL_STATE_TABLE, TOOLTRAIL_LOG_BUCKET");
  expect(() => logConfig({ TOOLTRAIL_LOG_LOCK_DAYS: "ever" })).toThrow("TOOLTRAIL_LOG_LOCK_DAYS");
});

test("a policy's file is found from wherever the pipeline was started", () => {
  expect(config({ TOOLTRAIL_POLICY: "policy.txt" }).policyFile).toBe(`${process.cwd()}/policy.txt`);
  expect(config({}).policyFile).toBeUndefined();
});
