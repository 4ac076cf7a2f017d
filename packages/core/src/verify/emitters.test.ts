import { firstPrev } from "@tooltrail/format";
import { describe, expect, test } from "vitest";
import { Emitters, type Link } from "./emitters.ts";

const emitter = "emt_a";
const link = (seq: number, prev = seq === 0 ? firstPrev : `id-${seq - 1}`): Link => ({
  emitter,
  seq,
  key: "key",
  identity: `id-${seq}`,
  prev,
});

/** The orders in which these can come. */
function orders(numbers: readonly number[]): number[][] {
  if (numbers.length === 0) return [[]];
  return numbers.flatMap((first) => orders(numbers.filter((n) => n !== first)).map((rest) => [first, ...rest]));
}

describe("the numbers and the chain of an emitter", () => {
  test("are whole in whatever order its batches come", () => {
    for (const order of orders([0, 1, 2, 3, 4, 5])) {
      const emitters = new Emitters();
      for (const seq of order) if (emitters.add(link(seq)) !== undefined) throw new Error(`${order}: broken at ${seq}`);
      expect([...emitters.gaps()]).toEqual([]);
    }
  });

  test("a link that does not fit is said once, in whatever order", () => {
    for (const order of orders([0, 1, 2, 3, 4])) {
      for (const bad of [0, 1, 2, 3, 4]) {
        const emitters = new Emitters();
        const said = order.flatMap((seq) => emitters.add(seq === bad ? link(seq, "another") : link(seq)) ?? []);
        expect(said, `${order}, ${bad} is wrong`).toEqual([expect.stringContaining("follows another")]);
      }
    }
  });

  test("a number that comes twice does not hide another", () => {
    for (const order of orders([0, 1, 2, 4])) {
      for (const twice of order) {
        const emitters = new Emitters();
        for (const seq of [...order, twice]) emitters.add(link(seq));
        expect([...emitters.gaps()]).toEqual([{ emitter, from: 3, to: 3 }]);
      }
    }
  });

  test("what is missing is said in order, up to the number that it stopped with", () => {
    const emitters = new Emitters();
    for (const seq of [9, 3, 4, 12, 1]) emitters.add(link(seq));
    emitters.stopped(emitter, 15);
    expect([...emitters.gaps()]).toEqual(
      [
        [0, 0],
        [2, 2],
        [5, 8],
        [10, 11],
        [13, 15],
      ].map(([from, to]) => ({ emitter, from, to })),
    );
  });

  test("go on from a state that was written down as if nothing had been between", () => {
    for (const order of orders([0, 1, 2, 3, 4])) {
      for (let cut = 0; cut <= order.length; cut += 1) {
        const before = new Emitters();
        for (const seq of order.slice(0, cut)) before.add(link(seq));
        before.stopped(emitter, 6);
        const after = new Emitters(JSON.parse(JSON.stringify(before.state())));
        const said = order.slice(cut).flatMap((seq) => after.add(seq === 2 ? link(seq, "another") : link(seq)) ?? []);
        expect(said).toHaveLength(order.indexOf(2) < cut ? 0 : 1);
        expect([...after.gaps()]).toEqual(cut === 0 ? [] : [{ emitter, from: 5, to: 6 }]);
        expect(cut === 0 || after.add({ ...link(5), key: "other" })).toBe(
          cut === 0 || "emitter emt_a has two keys, key and other.",
        );
      }
    }
  });

  test("cost the same for each batch: 400,000, the odd numbers first", { timeout: 10_000 }, () => {
    const emitters = new Emitters();
    for (const parity of [1, 0])
      for (let seq = parity; seq < 400_000; seq += 2)
        if (emitters.add(link(seq)) !== undefined) throw new Error(`broken at ${seq}`);
    expect([...emitters.gaps()]).toEqual([]);
    expect(emitters.state()).toEqual([
      { emitter, key: "key", runs: [{ from: 0, to: 399_999, prev: firstPrev, tip: "id-399999" }] },
    ]);
  });
});
