import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { concurrently } from "./concurrently.ts";

const numbers = Array.from({ length: 20 }, (_, i) => i);

test("every result is in its place, and no more than the limit run at once", async () => {
  let [running, most] = [0, 0];
  const doubled = await concurrently(4, numbers, async (n) => {
    running += 1;
    most = Math.max(most, running);
    for (let i = 0; i < 20 - n; i += 1) await turn(); // the later, the sooner done
    running -= 1;
    return n * 2;
  });
  expect(doubled).toEqual(numbers.map((n) => n * 2));
  expect(most).toBe(4);
});

test("after a failure nothing begins any more", async () => {
  const begun: number[] = [];
  const all = concurrently(4, numbers, async (n) => {
    begun.push(n);
    await turn();
    if (n === 5) throw new Error("five");
  });
  await expect(all).rejects.toThrow("five");
  const then = [...begun];
  for (let i = 0; i < 50; i += 1) await turn();
  expect(begun).toEqual(then);
  expect(begun.length).toBeLessThan(10);
});
