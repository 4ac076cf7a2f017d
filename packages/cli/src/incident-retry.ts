import { Refused, Unreachable } from "./client.ts";

/** What a person waits for an answer, at most. */
const withinMs = 20_000;
/** Of one attempt: one that hangs leaves time for others. */
const attemptMs = 8_000;
/** Between attempts, at most. */
const pausesMs = [500, 1_500, 4_000];

/** The world: time, chance, and who is told that it goes on. */
export interface Waiting {
  now(): number;
  random(): number;
  wait(ms: number): Promise<void>;
  say(line: string): void;
}

/** Asked again, it may be answered: nobody was there, or what is in between said so. */
export const isUnanswered = (error: unknown): error is Error =>
  error instanceof Unreachable || (error instanceof Refused && [502, 503, 504].includes(error.status));

/**
 * Asks until there is an answer: at most four times, within 20 s. For what is safe to ask again, as with an idempotency key.
 *
 * @param ask is told how long it may take.
 * @throws what the last attempt threw; what is an answer, like a refusal, at once.
 */
export async function askUntilAnswered<T>(
  { now, random, wait, say }: Waiting,
  ask: (withinMs: number) => Promise<T>,
): Promise<T> {
  const until = now() + withinMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask(Math.min(attemptMs, until - now()));
    } catch (error) {
      const pauseMs = (pausesMs[attempt] ?? Number.POSITIVE_INFINITY) * (0.5 + random() / 2);
      if (!isUnanswered(error) || now() + pauseMs >= until) throw error;
      say(`${error.message} Asking again.`);
      await wait(pauseMs);
    }
  }
}
