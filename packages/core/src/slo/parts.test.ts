import { type CallRecord, outcomeClasses, outcomeReasons } from "@tooltrail/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blameOf } from "./blame.ts";
import { bucketOf, edges, nearestEdge, nearestScore } from "./buckets.ts";
import { addCells, type Cell, countOf } from "./cell.ts";
import { complement, ratioOf, toNumber } from "./ratio.ts";
import { lookBack } from "./retries.ts";
import { fits } from "./selection.ts";
import { addTo, otherVersions, type SpanRow } from "./series.ts";
import { slicesOf } from "./slices.ts";
import { piecesOf } from "./spans.ts";
import { levels } from "./time.ts";

describe("a span in pieces", () => {
  test("is covered once, and by few", () => {
    fc.assert(
      fc.property(fc.nat(5_000_000), fc.nat(50_000), (from, length) => {
        const pieces = piecesOf({ from, to: from + length });
        const minutes = pieces.reduce(
          (sum, { level, ...piece }) => sum + (piece.to - piece.from) * level.cellMinutes,
          0,
        );
        expect(minutes).toBe(length);
        const sorted = [...pieces].sort((a, b) => a.from * a.level.cellMinutes - b.from * b.level.cellMinutes);
        let at = from;
        for (const { level, ...piece } of sorted) {
          expect(piece.from * level.cellMinutes).toBe(at);
          at = piece.to * level.cellMinutes;
        }
        expect(pieces.length).toBeLessThanOrEqual(5);
      }),
    );
  });
});

describe("buckets", () => {
  test("a value is in the first bucket whose edge it does not exceed", () => {
    expect([0, 100, 101, 1_000_000_000, 2_000_000_000].map(bucketOf)).toEqual([0, 0, 1, 70, 71]);
    fc.assert(
      fc.property(fc.nat(2_000_000_000), (value) => {
        const bucket = bucketOf(value);
        expect(value <= (edges[bucket] ?? Number.POSITIVE_INFINITY)).toBe(true);
        expect(bucket === 0 || value > (edges[bucket - 1] ?? 0)).toBe(true);
      }),
    );
  });
  test("a threshold snaps to the nearest edge by ratio", () => {
    expect([220_000, 230_000, 500_000, 10_000_000].map(nearestEdge)).toEqual([200_000, 250_000, 500_000, 10_000_000]);
    expect([694, 695, 700].map(nearestScore)).toEqual([690, 700, 700]);
  });
  test("edges grow, and are whole", () => {
    expect(edges.every((edge, i) => Number.isSafeInteger(edge) && edge > (edges[i - 1] ?? 0))).toBe(true);
  });
});

describe("cells", () => {
  const cell = fc.record(
    {
      valid: fc.nat(100),
      failed: fc.nat(100),
      latency: fc.dictionary(fc.nat(71).map(String), fc.integer({ min: 1, max: 9 })),
      refusedBy: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Cell>;
  test("add up in any grouping", () => {
    fc.assert(
      fc.property(cell, cell, cell, (a, b, c) => {
        expect(addCells(addCells(a, b), c)).toEqual(addCells(a, addCells(b, c)));
        const threshold = { asked: 0, edge: edges[30] ?? 0 };
        for (const sli of ["availability", "latency"] as const) {
          const [x, y, sum] = [a, b, addCells(a, b)].map((one) => countOf({ sli, threshold }, one));
          expect(sum).toEqual({ total: (x?.total ?? 0) + (y?.total ?? 0), bad: (x?.bad ?? 0) + (y?.bad ?? 0) });
        }
      }),
    );
  });
  test("a row of an older lap is replaced, one of a newer stays", () => {
    const [minutes] = levels;
    const lap = minutes.kept * minutes.cells;
    const row = addTo(undefined, minutes, 61, "2", { valid: 1 });
    expect(row).toEqual({ span: 6, cells: { 1: { 2: { valid: 1 } } } });
    const later = addTo(row, minutes, 61 + lap, "2", { valid: 2 });
    expect(later).toEqual({ span: 6 + minutes.kept, cells: { 1: { 2: { valid: 2 } } } });
    expect(addTo(later as SpanRow, minutes, 61, "2", { valid: 3 })).toBe(later);
  });
});

test("versions that somebody makes up are counted together", () => {
  const [minutes] = levels;
  let row: SpanRow | undefined;
  for (let i = 0; i < 100; i += 1) row = addTo(row, minutes, 0, i === 0 ? "__proto__" : `made-up-${i}`, { valid: 1 });
  const cells = row?.cells[0] ?? {};
  expect(Object.keys(cells).length).toBe(9);
  expect(Object.values(cells).reduce((sum, { valid = 0 }) => sum + valid, 0)).toBe(100);
  expect(cells[otherVersions]).toEqual({ valid: 92 });
});

describe("ratios", () => {
  test.each([
    ["0.999", { numerator: 999, denominator: 1_000 }],
    ["0.5", { numerator: 1, denominator: 2 }],
    ["1.0", { numerator: 1, denominator: 1 }],
    ["14.4", { numerator: 72, denominator: 5 }],
    ["1e-3", undefined],
    [".5", undefined],
    ["0.1234567891", undefined],
    ["-1", undefined],
  ])("%s", (text, ratio) => expect(ratioOf(text)).toEqual(ratio));
  test("what is left of one is exact", () => {
    expect(complement({ numerator: 999, denominator: 1_000 })).toEqual({ numerator: 1, denominator: 1_000 });
    expect(toNumber({ numerator: 1, denominator: 4 })).toBe(0.25);
  });
});

describe("patterns", () => {
  test.each([
    ["files", "files", true],
    ["files", "file", false],
    ["*", "", true],
    ["git-*", "git-hub", true],
    ["git-*", "got-hub", false],
    ["*-prod", "eu-prod", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*a", "a", false],
    ["*ab*ba*", "aba", false],
    ["a.c", "abc", false],
  ])("%s and %s: %s", (pattern, text, expected) => expect(fits(pattern, text)).toBe(expected));
  test("as a regular expression would have it", () => {
    const letters = fc.array(fc.constantFrom("a", "b", "*"), { maxLength: 8 }).map((all) => all.join(""));
    const text = fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }).map((all) => all.join(""));
    fc.assert(
      fc.property(letters, text, (pattern, subject) => {
        expect(fits(pattern, subject)).toBe(new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(subject));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("slices", () => {
  test("count when they are over, and are bad below their target", () => {
    const minutes = [
      { minute: 10, total: 9, bad: 0 },
      { minute: 11, total: 1, bad: 1 },
      { minute: 16, total: 1, bad: 1 },
    ];
    const target = { numerator: 9, denominator: 10 };
    expect(slicesOf(minutes, { minutes: 5, target })).toEqual([
      { minute: 14, total: 1, bad: 0 }, // exactly its target
      { minute: 19, total: 1, bad: 1 },
    ]);
  });
});

describe("a retry", () => {
  const call = (more: Partial<CallRecord>): CallRecord => ({
    schema: "tooltrail.record/1",
    kind: "call",
    at: 1_000_000,
    callId: `call_${"a".repeat(26)}`,
    attempt: 1,
    final: true,
    principal: { ref: `p_${"a".repeat(26)}`, method: "os", verified: true },
    tool: "read",
    args: { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 2 },
    outcome: { class: "ok" },
    ...more,
  });
  const failed = lookBack(undefined, call({ outcome: { class: "timeout" } }));

  test("is the same asked again after a failure", () => {
    expect(failed.retry).toBe(false);
    expect(lookBack(failed.row, call({ at: 1_030_000 }))).toEqual({ retry: true, refusedAgain: false, row: undefined });
  });
  test.each([
    ["later than a minute after", { at: 1_061_000 }],
    ["with other arguments", { args: { digest: `hmac-sha256:${"1".repeat(64)}`, bytes: 2 } }],
    ["of another tool", { tool: "write" }],
    ["by somebody else", { principal: { ref: `p_${"b".repeat(26)}`, method: "os", verified: true } as const }],
  ])("is not what comes %s", (_, more) => expect(lookBack(failed.row, call(more)).retry).toBe(false));
  test("is not what comes after a success", () =>
    expect(lookBack(lookBack(undefined, call({})).row, call({ at: 1_001_000 })).retry).toBe(false));
  test("is what a producer without digests numbers so; of a tracked call a further attempt is a round of input", () => {
    const { args: _, ...plain } = call({ attempt: 2 });
    expect(lookBack(undefined, plain as CallRecord).retry).toBe(true);
    expect(lookBack(undefined, call({ attempt: 2 })).retry).toBe(false);
  });
  test("of a caller that is refused, within a minute, is no further refusal", () => {
    const refused = { outcome: { class: "tool_error", reason: "unauthorized" } } as const;
    const once = lookBack(undefined, call(refused));
    expect(once.refusedAgain).toBe(false);
    const { args: _, ...plain } = call({ ...refused, at: 1_030_000, tool: "write" });
    expect(lookBack(once.row, plain as CallRecord).refusedAgain).toBe(true);
    expect(lookBack(once.row, call({ ...refused, at: 1_061_000 })).refusedAgain).toBe(false);
    const other = { ref: `p_${"b".repeat(26)}`, method: "os", verified: true } as const;
    expect(lookBack(once.row, call({ ...refused, principal: other })).refusedAgain).toBe(false);
  });
  test("is told among no more than the last that failed", () => {
    let row = failed.row;
    for (let i = 0; i < 200; i += 1)
      ({ row } = lookBack(row, call({ at: 1_000_001 + i, tool: `tool-${i}`, outcome: { class: "timeout" } })));
    expect(Object.keys(row?.failedAt ?? {}).length).toBe(64);
    expect(lookBack(row, call({ at: 1_000_300, tool: "tool-199" })).retry).toBe(true);
    expect(lookBack(row, call({ at: 1_000_300 })).retry).toBe(false);
  });
});

describe("whose failure", () => {
  test("every outcome is somebody's, nobody's, or not known", () => {
    for (const layer of outcomeClasses)
      for (const reason of [undefined, ...outcomeReasons])
        expect(blameOf({ class: layer, ...(reason && { reason }) })).toBeTruthy();
  });
  test.each([
    ["ok", undefined, "nobody"],
    ["tool_error", undefined, "server"],
    ["tool_error", "invalid_arguments", "caller"],
    ["tool_error", "rate_limited", "server"],
    ["protocol_error", "internal_error", "server"],
    ["timeout", "client_timeout", "server"],
    ["denied", "forbidden", "caller"],
    ["cancelled", "client_cancelled", "caller"],
    ["unknown", "emitter_died", "not known"],
  ] as const)("%s/%s is %s", (layer, reason, blame) =>
    expect(blameOf({ class: layer, ...(reason && { reason }) })).toBe(blame),
  );
});
