import type { Context } from "aws-lambda";
import { contextOf } from "./poller.ts";
import type { RuleEvent } from "./rules.ts";

export type EventFunction = (event: RuleEvent, context: Context) => Promise<unknown>;

/**
 * Lambda's asynchronous invocation of a function with a reserved concurrency of one: one call at a time, and again after an error.
 *
 * Events only wake these functions, which look themselves for what is to do. So events of one kind that come during a call become one more call, with the
 * last of them; and none is kept over a restart, after which a schedule's wakes them.
 */
export interface Target {
  deliver(event: RuleEvent): void;
  /** Waits for the call that runs and those behind it, without trying again after an error; gives up at the deadline, of which calls are told. */
  drain(deadlineMs: number): Promise<void>;
}

/** On AWS a call that has more to do than this goes on with the next event. */
const maxCallMs = 300_000;
const firstRestMs = 1_000;
const maxRestMs = 60_000;

export function createTarget(name: string, run: EventFunction, onError: (error: unknown) => void): Target {
  /** By detail-type, so that an event of the clock is not lost behind others; the kind that has waited longest first. */
  const waiting = new Map<string, RuleEvent>();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let stopped = false;
  let stopAtMs = Number.POSITIVE_INFINITY;

  function start(): void {
    if (running || timer) return;
    const [event] = waiting.values();
    if (event === undefined) return;
    waiting.delete(event["detail-type"]);
    const untilMs = Date.now() + maxCallMs;
    running = run(
      event,
      contextOf(name, () => Math.min(untilMs, stopAtMs) - Date.now()),
    ).then(
      () => finish(true),
      (error) => {
        onError(error);
        if (!waiting.has(event["detail-type"])) waiting.set(event["detail-type"], event);
        finish(false);
      },
    );
  }

  function finish(done: boolean): void {
    running = undefined;
    failures = done ? 0 : failures + 1;
    if (done) start();
    else if (!stopped)
      timer = setTimeout(
        () => {
          timer = undefined;
          start();
        },
        Math.min(firstRestMs * 2 ** (failures - 1), maxRestMs),
      );
  }

  return {
    deliver(event) {
      waiting.set(event["detail-type"], event);
      start();
    },
    async drain(deadlineMs) {
      stopped = true;
      stopAtMs = Date.now() + deadlineMs;
      clearTimeout(timer);
      timer = undefined;
      const over = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
      start();
      const work = async (): Promise<void> => {
        while (running) await running;
      };
      await Promise.race([work(), over]);
    },
  };
}
