import { describe, expect, test } from "vitest";
import { elapsedOf } from "./period.ts";
import type { CalendarUnit } from "./slo.ts";
import { minuteOf } from "./time.ts";

const minute = (iso: string): number => minuteOf(Date.parse(iso));

describe("a calendar period", () => {
  test.each<[CalendarUnit, string, string, string, string]>([
    ["day", "UTC", "2026-11-30T12:34:00Z", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"],
    ["week", "UTC", "2026-11-29T12:34:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"], // a Sunday
    ["month", "UTC", "2024-02-29T23:59:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"],
    ["quarter", "UTC", "2026-11-30T00:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["year", "UTC", "2026-11-30T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"], // 23 hours
    ["day", "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"], // 25 hours
    ["month", "Asia/Kolkata", "2026-11-30T18:30:00Z", "2026-11-30T18:30:00Z", "2026-12-31T18:30:00Z"],
  ])("%s in %s at %s goes from %s to %s", (unit, timeZone, at, from, to) => {
    const { span, minutes } = elapsedOf({ kind: "calendar", unit, timeZone }, minute(at));
    expect(span).toEqual({ from: minute(from), to: minute(at) + 1 });
    expect(minutes).toBe(minute(to) - minute(from));
  });
});

test("a rolling period ends with the minute", () =>
  expect(elapsedOf({ kind: "rolling", minutes: 60 }, 1_000)).toEqual({ span: { from: 941, to: 1_001 }, minutes: 60 }));
