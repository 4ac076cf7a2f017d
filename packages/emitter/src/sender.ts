import { setTimeout as sleep } from "node:timers/promises";
import type { PutEvents } from "./bus.ts";
import { forgetSent, markRefused, markSent, readBatch, unsentSeqs } from "./chain.ts";

/**
 * Sends sealed batches to the bus until it acknowledges them, each folder's in order. The same bytes each time: a batch that arrives
 * twice is one batch.
 *
 * Per request: 10 s; between tries: exponential to 30 s with full jitter, so that a fleet does not come back as one.
 */
export interface Sender {
  /** There may be something new. */
  wake(): void;
  /** Sends what it can until nothing is left, the time is over, or nobody listens where it sends to. Never throws. */
  finish(deadlineMs: number): Promise<void>;
}

/** EventBridge takes 10 entries and 256 KB a request. */
const maxEntries = 10;
const maxRequestBytes = 240_000;
const requestTimeoutMs = 10_000;
const maxWaitMs = 30_000;

export function createSender(options: {
  readonly folders: () => readonly string[];
  readonly putEvents: PutEvents;
  readonly random: () => number;
  /** A folder's batches have all been sent. */
  readonly onDrained: (dir: string) => Promise<void>;
}): Sender {
  const stop = new AbortController();
  /** Cut short at the end, for a last try. */
  const pauses = new AbortController();
  let refused = false;
  let running: Promise<void> | undefined;
  let awake = false;

  async function run(): Promise<void> {
    for (let failures = 0; awake && !stop.signal.aborted; ) {
      awake = false;
      const sound = await sendAll();
      failures = sound ? 0 : failures + 1;
      if (sound) continue;
      // Who ends does not wait for a pipeline that is not there: what is in the spool, the next process sends.
      if (pauses.signal.aborted && refused) return;
      awake = true;
      await pause(waitMs(failures, options.random()));
    }
  }

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, {
      signal: pauses.signal.aborted ? stop.signal : pauses.signal,
      ref: false,
    }).catch(() => undefined);

  /** One folder that fails does not hold up the others. @returns false where anything is left for later. */
  async function sendAll(): Promise<boolean> {
    let sound = true;
    refused = false;
    for (const dir of options.folders()) sound = (await drainFolder(dir).catch(fail)) && sound;
    return sound;
  }

  function fail(error: unknown): false {
    refused ||= (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
    return false;
  }

  async function drainFolder(dir: string): Promise<boolean> {
    const drained = await sendFolder(dir);
    if (drained) await options.onDrained(dir);
    return drained;
  }

  async function sendFolder(dir: string): Promise<boolean> {
    for (;;) {
      const batches = await nextBatches(dir);
      if (batches.length === 0) return true;
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(requestTimeoutMs)]);
      const answers = await options.putEvents(
        batches.map((batch) => batch.detail),
        signal,
      );
      for (const [i, { seq }] of batches.entries()) {
        if (answers[i] === "taken") markSent(dir, seq);
        else if (answers[i] === "refused") markRefused(dir, seq);
      }
      forgetSent(dir);
      if (answers.includes("later")) return false;
    }
  }

  function start(): void {
    running ??= run().finally(() => {
      running = undefined;
      if (awake && !stop.signal.aborted) start();
    });
  }

  return {
    wake() {
      awake = true;
      start();
    },
    async finish(deadlineMs) {
      const timer = setTimeout(() => stop.abort(), deadlineMs);
      pauses.abort();
      awake = true;
      start();
      await running;
      clearTimeout(timer);
    },
  };
}

/** Full jitter: anything up to the bound, which doubles from 0.5 to 30 s. `chance` is from 0 to 1. */
export const waitMs = (failures: number, chance: number): number => chance * Math.min(maxWaitMs, 250 * 2 ** failures);

async function nextBatches(dir: string): Promise<{ seq: number; detail: string }[]> {
  const batches: { seq: number; detail: string }[] = [];
  let bytes = 0;
  for (const seq of unsentSeqs(dir).slice(0, maxEntries)) {
    const detail = readBatch(dir, seq);
    bytes += Buffer.byteLength(detail);
    if (bytes > maxRequestBytes && batches.length > 0) break;
    batches.push({ seq, detail });
  }
  return batches;
}
