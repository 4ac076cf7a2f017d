import { randomUUID } from "node:crypto";
import type { RuleEvent } from "./rules.ts";
import type { Target } from "./target.ts";

/** What calls functions by the clock, as EventBridge's schedules do: the net under events that were lost. */
export interface Schedule {
  stop(): void;
}

/** Calls each target every so many milliseconds, and with `atOnce` also now. */
export function createSchedule(
  entries: readonly { readonly target: Pick<Target, "deliver">; readonly everyMs: number; readonly atOnce?: true }[],
  now: () => number,
): Schedule {
  const timers = entries.map(({ target, everyMs }) => setInterval(() => target.deliver(tick(now())), everyMs));
  for (const { target, atOnce } of entries) if (atOnce) target.deliver(tick(now()));
  return {
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

const tick = (nowMs: number): RuleEvent => ({
  version: "0",
  id: randomUUID(),
  "detail-type": "Scheduled Event",
  source: "aws.events",
  account: "000000000000",
  time: new Date(nowMs).toISOString(),
  region: "local",
  resources: [],
  detail: {},
});
