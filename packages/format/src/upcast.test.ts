import { expect, test } from "vitest";
import { recordSchema } from "./record.ts";
import { upcast } from "./upcast.ts";

test("a record of the current version is read as it is", () => {
  const record = { schema: recordSchema, kind: "lifecycle", at: 1, event: "started" };
  expect(upcast(record)).toBe(record);
});

test("an old record is lifted version by version, and what was read stays as it was", () => {
  const old = { schema: "v1", name: "x" };
  const steps = {
    v1: (r: object) => ({ ...r, schema: "v2", kind: "call" }),
    v2: (r: object) => ({ ...r, schema: "v3", attempt: 1 }),
  };
  expect(upcast(old, steps, "v3")).toEqual({ schema: "v3", name: "x", kind: "call", attempt: 1 });
  expect(old).toEqual({ schema: "v1", name: "x" });
});

test("a record from the future says so", () => {
  expect(() => upcast({ schema: "tooltrail.record/9" })).toThrow(/tooltrail.record\/9.*newer/);
});
