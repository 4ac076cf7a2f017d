import type { BatchPosition } from "@tooltrail/core/ports";
import fc from "fast-check";
import { expect, test } from "vitest";
import { batchKeyOf, dayOf, ledgerKey, timeKey } from "./ledger-key.ts";

const base32 = fc.string({
  unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"),
  minLength: 26,
  maxLength: 26,
});
const position: fc.Arbitrary<BatchPosition> = fc.record({
  lastAt: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 8_640_000_000_000_000 })),
  emitter: fc.oneof(fc.constantFrom("a".repeat(26), "b".repeat(26)), base32),
  seq: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 999_999_999_999_999 })),
});

const compare = (a: BatchPosition, b: BatchPosition): number =>
  Math.sign(a.lastAt - b.lastAt) ||
  (a.emitter < b.emitter ? -1 : a.emitter > b.emitter ? 1 : 0) ||
  Math.sign(a.seq - b.seq);

test("the index has batches in the ledger's order of time", () => {
  fc.assert(
    fc.property(position, position, (a, b) => {
      const [x, y] = [timeKey(a), timeKey(b)];
      expect(x < y ? -1 : x > y ? 1 : 0).toBe(compare(a, b));
    }),
  );
});

test("a key leads back to its batch, and what is no key of ours to no number", () => {
  fc.assert(
    fc.property(position, ({ emitter, seq }) => {
      const { pk, sk } = ledgerKey(emitter, seq);
      expect(batchKeyOf(pk, sk)).toEqual({ emitter, seq });
    }),
  );
  expect(batchKeyOf("junk", "1")).toEqual({ emitter: "junk", seq: -1 });
  expect(batchKeyOf()).toEqual({ emitter: "", seq: -1 });
});

test.each([
  [0, "1970-01-01"],
  [1_800_000_000_000, "2027-01-15"],
  [1_799_971_200_000 - 1, "2027-01-14"],
  [Number.MAX_SAFE_INTEGER, "9999-12-31"],
  [-1, "1970-01-01"],
])("%i is on %s", (atMs, day) => {
  expect(dayOf(atMs)).toBe(day);
});
