import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import promises from "node:timers/promises";
import { promisify } from "node:util";

/*
 * A clock that runs faster than the machine's, put under a process by `node --import`: it knows nothing of it. `TOOLTRAIL_STORY_FACTOR` times as fast since `TOOLTRAIL_STORY_EPOCH`, a time of the real
 * clock in milliseconds at which both show the same; whoever has the same two variables has the same clock.
 *
 * Fast are `Date`, and the delays of timers. As they are stay `performance.now` and `process.hrtime`, by which durations are measured; `AbortSignal.timeout` and the timers of Node itself (sockets, fetch),
 * since the network and the disk are as slow as ever.
 */

const factor = Number(process.env.TOOLTRAIL_STORY_FACTOR ?? 1);
const epochMs = Number(process.env.TOOLTRAIL_STORY_EPOCH ?? 0);

if (factor !== 1) {
  hurryDate();
  hurryTimers();
}

function hurryDate(): void {
  const RealDate = Date;
  const realNow = RealDate.now;
  const now = (): number => Math.floor(epochMs + (realNow() - epochMs) * factor);
  RealDate.now = now;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
  });
  RealDate.prototype.constructor = globalThis.Date;
}

function hurryTimers(): void {
  const quick = (delay: unknown): number => Number(delay ?? 0) / factor;
  const { setTimeout, setInterval } = timers;
  type Run = (...args: unknown[]) => void;
  const hurried = {
    setTimeout: (run: Run, delay?: number, ...args: unknown[]) =>
      setTimeout(run, isOfNode() ? delay : quick(delay), ...args),
    setInterval: (run: Run, delay?: number, ...args: unknown[]) =>
      setInterval(run, isOfNode() ? delay : quick(delay), ...args),
  };
  const { setTimeout: sleep, setInterval: each } = promises;
  const { wait } = promises.scheduler;
  Object.assign(promises, {
    setTimeout: (delay?: number, ...rest: []) => sleep(quick(delay), ...rest),
    setInterval: (delay?: number, ...rest: []) => each(quick(delay), ...rest),
  });
  promises.scheduler.wait = (delay, ...rest) => wait.call(promises.scheduler, quick(delay), ...rest);
  Object.defineProperty(hurried.setTimeout, promisify.custom, { get: () => promises.setTimeout });
  Object.assign(timers, hurried);
  Object.assign(globalThis, hurried);
  syncBuiltinESMExports();
}

/** Whether who calls a timer is a part of Node, such as `fetch`. */
function isOfNode(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 3;
  const caller = new Error().stack?.split("\n")[3] ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  return /\bnode:/.test(caller);
}
