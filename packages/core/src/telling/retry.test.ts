import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attempt } from "../incidents/ports.ts";
import { after, type Breaker, closed, fateOf, mayTry } from "./retry.ts";

const done: Attempt = { outcome: "done" };
const skipped: Attempt = { outcome: "skipped" };
const refused: Attempt = { outcome: "failed", retryable: false, why: "400" };
const failed: Attempt = { outcome: "failed", retryable: true, why: "500" };
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

describe("a notice", () => {
  const at = (attempt: Attempt, given: Partial<Parameters<typeof fateOf>[1]> = {}) =>
    fateOf(attempt, { attempts: 1, firstAt: 0, now: 0, random: 0.5, ...given });

  test.each<[string, Attempt, Partial<Parameters<typeof fateOf>[1]>, ReturnType<typeof fateOf>]>([
    ["is over when it is done", done, {}, { kind: "over" }],
    ["is over when there is nothing to tell", skipped, {}, { kind: "over" }],
    ["is dead when it is refused for good", refused, {}, { kind: "dead" }],
    ["is due within two seconds after a first failure", failed, {}, { kind: "due", at: second }],
    ["is due within four after a second", failed, { attempts: 2 }, { kind: "due", at: 2 * second }],
    ["is due within ten minutes after many", failed, { attempts: 5_000 }, { kind: "due", at: 5 * minute }],
    ["is due at once, by chance", failed, { attempts: 9, random: 0 }, { kind: "due", at: 0 }],
    [
      "is due after what it was told to wait, and a little",
      { ...failed, retryAfterMs: 7 * second },
      {},
      { kind: "due", at: 8 * second },
    ],
    [
      "waits an hour at most, whatever it was told",
      { ...failed, retryAfterMs: 10_000 * hour },
      { random: 0 },
      { kind: "due", at: hour },
    ],
    ["is dead after a day", failed, { now: 24 * hour - second }, { kind: "dead" }],
    [
      "is due just before a day is over",
      failed,
      { now: 24 * hour - 2 * second },
      { kind: "due", at: 24 * hour - second },
    ],
  ])("%s", (_, attempt, given, fate) => expect(at(attempt, given)).toEqual(fate));
});

describe("a destination", () => {
  /** What is stored after attempts at these times, each of which is made only where it may be. */
  const walk = (steps: readonly (readonly [at: number, attempt: Attempt])[], from: Breaker = closed) =>
    steps.reduce<Breaker>((breaker, [at, attempt]) => {
      const tried = mayTry(breaker, at);
      return tried === undefined ? breaker : after(tried, attempt, at);
    }, from);
  const fiveFailures = [0, 1, 2, 3, 4].map((at) => [at, failed] as const);
  const open = walk(fiveFailures);

  test("is tried until it has failed five times in a row", () => {
    expect(walk(fiveFailures.slice(1)).until).toBeUndefined();
    expect(open).toEqual({ failures: 5, until: 4 + 30 * second });
    expect(mayTry(open, 4)).toBeUndefined();
    expect(mayTry(open, 3 + 30 * second)).toBeUndefined();
  });

  test("that answers now and then is never left alone", () => {
    expect(walk([...fiveFailures.slice(1), [5, done], ...fiveFailures.slice(1)])).toEqual({ failures: 4 });
  });

  test("that refuses messages is there, and is tried with the next", () => {
    expect(walk([...fiveFailures.slice(1), [5, refused], [6, failed]])).toEqual({ failures: 1 });
  });

  test("is probed by one alone, however many ask", () => {
    const probing = mayTry(open, 30 * second + 4);
    expect(probing).toMatchObject({ isProbing: true });
    expect(mayTry(probing ?? closed, 30 * second + 5)).toBeUndefined();
  });

  test("is probed by another when the first was killed", () => {
    const probing = mayTry(open, 40 * second) ?? closed;
    expect(mayTry(probing, 100 * second - 1)).toBeUndefined();
    expect(mayTry(probing, 100 * second)).toMatchObject({ isProbing: true });
  });

  test("is left alone for twice as long after each probe that fails, ten minutes at most", () => {
    let breaker = open;
    const waits: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      const at = breaker.until ?? 0;
      breaker = after(mayTry(breaker, at) ?? closed, failed, at);
      waits.push(((breaker.until ?? 0) - at) / second);
    }
    expect(waits).toEqual([60, 120, 240, 480, 600, 600, 600]);
  });

  test.each<[string, Attempt, Breaker]>([
    ["takes the probe", done, closed],
    ["refuses it for good", refused, closed],
  ])("that %s is tried again by all", (_, attempt, expected) => {
    expect(after(mayTry(open, minute) ?? open, attempt, minute)).toEqual(expected);
  });

  test("of which a probe had nothing to tell may be probed by the next", () => {
    const breaker = after(mayTry(open, minute) ?? open, skipped, minute);
    expect(mayTry(breaker, minute)).toMatchObject({ isProbing: true });
  });

  test("is not left alone for longer by what was under way when it was", () => {
    expect(after(open, failed, second)).toEqual(open);
    expect(after(open, done, second)).toEqual(closed);
  });

  test("is tried again within ten minutes, whatever happens", () => {
    const attempts = fc.constantFrom(done, skipped, refused, failed);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(hour), attempts, fc.boolean())), (steps) => {
        let breaker = closed;
        let now = 0;
        for (const [wait, attempt, isKilled] of steps) {
          now += wait;
          const tried = mayTry(breaker, now);
          if (tried !== undefined) breaker = isKilled ? tried : after(tried, attempt, now);
          expect(JSON.parse(JSON.stringify(breaker))).toEqual(breaker);
          expect(mayTry(breaker, now + 10 * minute)).toBeDefined();
        }
      }),
    );
  });
});
