import { expect, test } from "vitest";
import { TextSet } from "./text-set.ts";

test("what was added is there, once, however much there is; what was not is not", () => {
  const set = new TextSet();
  for (let i = 0; i < 20_000; i += 1) expect(set.add(`text ${i}`)).toBe(true);
  for (const one of [set, new TextSet(set.slots)]) {
    for (let i = 0; i < 20_000; i += 1)
      if (!one.has(`text ${i}`) || one.add(`text ${i}`)) throw new Error(`${i} is missing`);
    expect(one.size).toBe(20_000);
    for (let i = 20_000; i < 25_000; i += 1) expect(one.has(`text ${i}`)).toBe(false);
  }
});
