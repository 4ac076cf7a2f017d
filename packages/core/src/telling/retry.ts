import type { Attempt } from "../incidents/ports.ts";

/*
 * When to try again, and whether to try at all: pure, so whoever stores what is to be told stores what these say.
 *
 * A notice:
 *
 * | after an attempt that        | it is                                                                                             |
 * | ---------------------------- | ------------------------------------------------------------------------------------------------- |
 * | is done, or skipped          | over                                                                                              |
 * | failed, and may go well      | due after a time by chance (full jitter) below 2, 4, 8 ... s, at most 10 min                      |
 * | was told a Retry-After       | due after that time, of at most an hour, and the one by chance: not all come back at once         |
 * | failed for good              | dead                                                                                              |
 * | would be due 24 h after the first | dead: by then somebody has found out by other ways                                           |
 *
 * A destination, whose failures in a row are counted whatever the notice:
 *
 * | state                 | may be tried               | done, or refused for good | failed, and may go well                                   |
 * | --------------------- | -------------------------- | ------------------------- | --------------------------------------------------------- |
 * | closed                | yes                        | closed, none counted      | counted; open for 30 s at the fifth                       |
 * | open                  | no, until its time is over | closed                    | open as before: begun before it was opened                |
 * | half-open: time over  | by one, the probe          | closed                    | open, for twice as long as before, at most 10 min         |
 *
 * What a destination refuses for good (400) is no failure of it: it is there, and answers.
 */

const baseMs = 2_000;
const capMs = 600_000;
const maxRetryAfterMs = 3_600_000;
const deadlineMs = 86_400_000;

/** What becomes of a notice. Times in milliseconds. */
export type Fate =
  | { readonly kind: "over" }
  | { readonly kind: "due"; readonly at: number }
  | { readonly kind: "dead" };

/**
 * @param attempts so far, with this one: from 1.
 * @param firstAt when it was to be told at first.
 * @param random in [0, 1).
 */
export function fateOf(
  attempt: Attempt,
  {
    attempts,
    firstAt,
    now,
    random,
  }: { readonly attempts: number; readonly firstAt: number; readonly now: number; readonly random: number },
): Fate {
  if (attempt.outcome !== "failed") return { kind: "over" };
  if (!attempt.retryable) return { kind: "dead" };
  const asked = Math.min(attempt.retryAfterMs ?? 0, maxRetryAfterMs);
  const at = now + asked + Math.floor(random * Math.min(capMs, baseMs * 2 ** (attempts - 1)));
  return at >= firstAt + deadlineMs ? { kind: "dead" } : { kind: "due", at };
}

const opensAt = 5;
const firstOpenMs = 30_000;
const maxOpenMs = 600_000;

/** Plain JSON, to be stored. `until`: absent while it is closed. `isProbing`: one is under way, or was by somebody who was killed. */
export interface Breaker {
  readonly failures: number;
  readonly until?: number;
  readonly isProbing?: true;
}

export const closed: Breaker = { failures: 0 };

/**
 * Whether to try now.
 *
 * @returns the state to store before the attempt, by a compare-and-set: of two at once, one may probe. A probe whose process is killed leaves it open for as long as a failed one would. Undefined: not
 *   now, and not before `until`.
 */
export function mayTry(breaker: Breaker, now: number): Breaker | undefined {
  if (breaker.until === undefined) return breaker;
  if (now < breaker.until) return undefined;
  return { failures: breaker.failures, until: now + openMs(breaker.failures + 1), isProbing: true };
}

/** @param breaker as it is stored now, which may not be as it was before the attempt. @returns the state to store. */
export function after(breaker: Breaker, attempt: Attempt, now: number): Breaker {
  // Nothing was sent: nothing is known. The probe is free for another.
  if (attempt.outcome === "skipped") return breaker.isProbing ? { failures: breaker.failures, until: now } : breaker;
  if (attempt.outcome === "done" || !attempt.retryable) return closed;
  if (breaker.until !== undefined && !breaker.isProbing) return breaker;
  const failures = breaker.failures + 1;
  return failures < opensAt ? { failures } : { failures, until: now + openMs(failures) };
}

const openMs = (failures: number): number => Math.min(maxOpenMs, firstOpenMs * 2 ** (failures - opensAt));
