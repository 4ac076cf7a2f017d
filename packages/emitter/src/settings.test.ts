import { describe, expect, test } from "vitest";
import { type AuditOptions, checkOptions, givenOptions } from "./options.ts";
import { readSettings } from "./settings.ts";

describe("what no batch takes is refused at the start", () => {
  test.each([
    ["TOOLTRAIL_ENVIRONMENT", "x".repeat(65)],
    ["TOOLTRAIL_SPOOL_MAX_MB", "much"],
  ])("%s", (name, value) => {
    expect(() => readSettings({ [name]: value })).toThrow(name);
  });

  test.each<[keyof AuditOptions, unknown]>([
    ["serverId", 5],
    ["serverId", "x".repeat(257)],
    ["environment", "x".repeat(65)],
    ["environment", null],
    ["endpoint", new URL("http://127.0.0.1:4747")],
    ["maxSpoolBytes", "256"],
    ["maxSpoolBytes", Number.NaN],
    ["intentTools", "wipe"],
    ["onSpoolFailure", "Closed"],
    ["fsync", "true"],
    ["principal", "sub"],
  ])("option %s: %s", (option, value) => {
    expect(() => checkOptions({ [option]: value })).toThrow(option);
  });

  test("and the rest is taken", () => {
    expect(readSettings({ TOOLTRAIL_ENVIRONMENT: "x".repeat(64) }).environment).toHaveLength(64);
    const options: AuditOptions = {
      serverId: "x".repeat(256),
      environment: "production",
      endpoint: "http://127.0.0.1:4747",
      bus: "audit",
      spoolDir: "/tmp/spool",
      digestKey: "ab".repeat(32),
      maxSpoolBytes: 1,
      intentTools: ["wipe"],
      onSpoolFailure: "closed",
      fsync: true,
      principal: () => undefined,
    };
    checkOptions(options);
    checkOptions({});
    expect(givenOptions(options)).toEqual(options);
  });
});

test("an option that is undefined or empty was not given, so it hides no setting", () => {
  const options = { serverId: undefined, bus: undefined, endpoint: "", maxSpoolBytes: undefined, fsync: false };
  expect(givenOptions(options as unknown as AuditOptions)).toEqual({ fsync: false });
  expect(givenOptions(null as unknown as AuditOptions)).toEqual({});
});
