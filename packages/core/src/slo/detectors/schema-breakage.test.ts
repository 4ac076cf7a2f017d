import fc from "fast-check";
import { expect, test } from "vitest";
import { fisherTail, schemaBreakage } from "./schema-breakage.ts";

const choose = (n: number, k: number): bigint => {
  let ways = 1n;
  for (let x = 0; x < k; x++) ways = (ways * BigInt(n - x)) / BigInt(x + 1);
  return ways;
};

const digits = 10n ** 30n;

test("the tail is that of whole-number arithmetic", () => {
  const count = fc
    .integer({ min: 1, max: 40 })
    .chain((total) => fc.record({ total: fc.constant(total), bad: fc.nat(total) }));
  fc.assert(
    fc.property(count, count, (old, now) => {
      const bad = old.bad + now.bad;
      let tail = 0n;
      for (let x = now.bad; x <= Math.min(bad, now.total); x++)
        if (bad - x <= old.total) tail += choose(now.total, x) * choose(old.total, bad - x);
      const exact = Number((tail * digits) / choose(old.total + now.total, bad)) / Number(digits);
      expect(fisherTail(old, now)).toBeCloseTo(exact, 12);
    }),
  );
});

test.each([
  // The lady tasting tea, and then mpmath with 60 digits.
  [{ total: 4, bad: 1 }, { total: 4, bad: 3 }, 17 / 70],
  [{ total: 1000, bad: 3 }, { total: 40, bad: 4 }, 6.065066848550236e-5],
  [{ total: 1e7, bad: 1000 }, { total: 1e7, bad: 1100 }, 0.015355970697075045],
  [{ total: 1e7, bad: 5e6 }, { total: 1e7, bad: 5_003_000 }, 0.08992879575644844],
  [{ total: 1e7, bad: 100 }, { total: 20, bad: 1 }, 2.0198040721548081e-4],
  [{ total: 50, bad: 0 }, { total: 1e7, bad: 12_000 }, 0.9417307477824378],
])("%o against %o is p = %d", (old, now, expected) => {
  expect(Math.abs(fisherTail(old, now) / expected - 1)).toBeLessThan(1e-9);
});

test.each([
  ["more misfits after the release are found", { total: 500, bad: 3 }, { total: 40, bad: 12 }, true],
  [
    "a version that fails from its first calls on is found at the tenth",
    { total: 500, bad: 0 },
    { total: 10, bad: 10 },
    true,
  ],
  ["as many misfits as before are none of its doing", { total: 500, bad: 50 }, { total: 40, bad: 5 }, false],
  ["fewer than before are not either", { total: 500, bad: 50 }, { total: 400, bad: 2 }, false],
  ["nine calls are too few, whatever they say", { total: 500, bad: 0 }, { total: 9, bad: 9 }, false],
  ["an old version that was hardly used is no measure", { total: 9, bad: 0 }, { total: 400, bad: 400 }, false],
  ["nor one that was never used", { total: 0, bad: 0 }, { total: 400, bad: 400 }, false],
  ["one misfit is none", { total: 20, bad: 0 }, { total: 20, bad: 1 }, false],
  ["a flood is compared too", { total: 1e7, bad: 1000 }, { total: 1e7, bad: 2000 }, true],
])("%s", (_, old, now, found) => {
  expect(schemaBreakage({ old, new: now }) !== undefined).toBe(found);
});

test("a finding says what was seen, what was to be expected, and how much would have passed", () => {
  const old = { total: 500, bad: 5 };
  expect(schemaBreakage({ old, new: { total: 100, bad: 20 } })).toEqual({
    observed: 20,
    expected: 1,
    threshold: 5,
    sample: 100,
    detail:
      "20 of 100 calls of the new version did not fit their schema, where it was 5 of 500 before (p = 1e-12): compare the definitions of the two.",
  });
  expect(schemaBreakage({ old, new: { total: 100, bad: 5 } })).toBeUndefined();
  expect(schemaBreakage({ old, new: { total: 100, bad: 6 } })).toBeDefined();
});
