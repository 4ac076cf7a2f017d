import { describe, expect, test } from "vitest";
import { Refused, Unreachable } from "./client.ts";
import { askUntilAnswered } from "./incident-retry.ts";

/** A world in which waiting takes no time, and each attempt takes so long as it is told. */
function aWorld(random: number) {
  const said: string[] = [];
  const waited: number[] = [];
  let nowMs = 1_000_000;
  return {
    said,
    waited,
    waiting: {
      now: () => nowMs,
      random: () => random,
      wait: async (ms: number) => {
        waited.push(ms);
        nowMs += ms;
      },
      say: (line: string) => void said.push(line),
    },
    elapse: (ms: number) => {
      nowMs += ms;
    },
    elapsed: () => nowMs - 1_000_000,
  };
}

describe("asking until there is an answer", () => {
  test("nobody answers: four attempts, each with a pause before it", async () => {
    const { waiting, said, waited } = aWorld(1);
    let asked = 0;
    const asking = askUntilAnswered(waiting, async () => {
      asked += 1;
      throw new Unreachable("nobody is there.");
    });
    await expect(asking).rejects.toThrow("nobody is there.");
    expect({ asked, waited }).toEqual({ asked: 4, waited: [500, 1_500, 4_000] });
    expect(said).toEqual(Array(3).fill("nobody is there. Asking again."));
  });

  test.each([0, 0.5, 1])("attempts that hang end within 20 s (%d)", async (random) => {
    const { waiting, elapse, elapsed } = aWorld(random);
    const given: number[] = [];
    const asking = askUntilAnswered(waiting, async (withinMs) => {
      given.push(withinMs);
      elapse(withinMs);
      throw new Unreachable("nothing came.");
    });
    await expect(asking).rejects.toThrow("nothing came.");
    expect(given.slice(0, 2)).toEqual([8_000, 8_000]);
    expect(Math.min(...given)).toBeGreaterThan(0);
    expect(elapsed()).toBeLessThanOrEqual(20_000);
  });

  test.each([502, 503, 504])("%d is asked again, and then it is answered", async (status) => {
    const { waiting, waited } = aWorld(0);
    let asked = 0;
    const answer = await askUntilAnswered(waiting, async () => {
      asked += 1;
      if (asked < 3) throw new Refused(status, "later.");
      return "done";
    });
    expect({ answer, waited }).toEqual({ answer: "done", waited: [250, 750] });
  });

  test.each([400, 401, 403, 404, 409, 500])("%d is an answer", async (status) => {
    const { waiting, waited } = aWorld(1);
    const asking = askUntilAnswered(waiting, async () => {
      throw new Refused(status, "no.");
    });
    await expect(asking).rejects.toThrow("no.");
    expect(waited).toEqual([]);
  });
});
