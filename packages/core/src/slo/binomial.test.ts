import fc from "fast-check";
import { expect, test } from "vitest";
import { binomialTail } from "./binomial.ts";

/** The same in whole numbers: `p` is `numerator` / 2^20, which a float holds exactly. */
const bits = 20;
function exactly(bad: number, n: number, numerator: number): number {
  let ways = 1n;
  let tail = 0n;
  for (let x = 0; x <= n; x++) {
    if (x >= bad) tail += ways * BigInt(numerator) ** BigInt(x) * BigInt(2 ** bits - numerator) ** BigInt(n - x);
    ways = (ways * BigInt(n - x)) / BigInt(x + 1);
  }
  return quotient(tail, 1n << BigInt(bits * n));
}

/** To 20 digits, however small. */
function quotient(a: bigint, b: bigint): number {
  if (a === 0n) return 0;
  const digits = Math.max(0, b.toString().length - a.toString().length) + 20;
  return Number(`${(a * 10n ** BigInt(digits)) / b}e-${digits}`);
}

/** Floats have fewer digits below it. */
const leastExact = 2 ** -1022;

test("the tail is that of whole-number arithmetic, down to the least float of full precision", () => {
  const cases = fc
    .integer({ min: 1, max: 60 })
    .chain((n) =>
      fc.tuple(fc.integer({ min: 0, max: n + 1 }), fc.constant(n), fc.integer({ min: 1, max: 2 ** bits - 1 })),
    );
  fc.assert(
    fc.property(cases, ([bad, n, numerator]) => {
      const exact = exactly(bad, n, numerator);
      const tolerance = Math.max(1e-12 * exact, leastExact);
      expect(Math.abs(binomialTail(bad, n, numerator / 2 ** bits) - exact)).toBeLessThanOrEqual(tolerance);
    }),
  );
});

test.each([
  // mpmath, 60 digits, of the very float
  [1, 10000000, 1e-12, 9.999950000171665e-6],
  [5, 10000000, 1e-7, 0.0036598445280974405],
  [30, 10000000, 9e-7, 2.765359255754655e-8],
  [100, 10000000, 9e-7, 3.854001503958767e-67],
  [2, 1000, 0.001, 0.2642410869698127],
  [10, 20, 0.1, 7.150904021083784e-6],
  [3, 1440, 0.001, 0.17618070896431604],
  [5004000, 10000000, 0.5, 0.0057111608205857416],
  [1001000, 10000000, 0.1, 0.14604447611451363],
])("P(X >= %d | %d, %d) is %d", (bad, n, p, expected) => {
  expect(Math.abs(binomialTail(bad, n, p) / expected - 1)).toBeLessThan(n * p < 10 ? 1e-12 : 1e-9);
});

test.each([
  ["none bad is certain", 0, 10, 0.5, 1],
  ["none bad of none is certain", 0, 0, 0.5, 1],
  ["more bad ones than there are is impossible", 11, 10, 0.5, 0],
  ["what never happens does not happen once", 1, 10, 0, 0],
  ["what always happens happens each time", 10, 10, 1, 1],
  ["all are bad", 10, 10, 0.5, 2 ** -10],
])("%s", (_, bad, n, p, expected) => {
  expect(binomialTail(bad, n, p)).toBeCloseTo(expected, 15);
});

test("fewer bad ones are never less likely", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.double({ min: 0, max: 1e-6, noNaN: true }), (n, p) => {
      const tails = Array.from({ length: 30 }, (__, bad) => binomialTail(bad, n, p));
      expect(tails.every((tail, bad) => bad === 0 || tail <= (tails[bad - 1] as number) * (1 + 1e-13))).toBe(true);
    }),
  );
});
