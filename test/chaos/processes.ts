import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { node } from "../support/pipeline.ts";

/** A process that this run started. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly startedAtMs: number;
  /** Settles when the process is gone and its output has been read. */
  readonly ended: Promise<Ending>;
  alive(): boolean;
  /** @returns false where it was already gone. */
  kill(signal: NodeJS.Signals): boolean;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<ChildProcess>();
let over = false;
process.on("exit", endAll);

/** Nothing of this run may outlive it, however it ends. What is kept running is not started again. */
export function endAll(): void {
  over = true;
  for (const child of running) child.kill("SIGKILL");
}

export const isOver = (): boolean => over;

export function start(args: readonly string[], options: SpawnOptions): Started {
  const child = spawn(node, args, options);
  if (child.pid === undefined) throw new Error(`${node} cannot be started.`);
  running.add(child);
  const ended = new Promise<Ending>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    child,
    pid: child.pid,
    startedAtMs: Date.now(),
    ended,
    alive,
    kill: (signal) => alive() && child.kill(signal),
  };
}

/** Kills a process that one of ours started, known only by its number: never another one that has been given that number since. */
export function killGrandchild(pid: number, mark: string): boolean {
  if (!isOurs(pid, mark)) return false;
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** Whether a process runs and has the mark, a path that only this run uses, among its arguments. */
export function isOurs(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
  } catch {
    return false;
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for it, but not for ever. @returns false where the time was over first. */
export async function within(ms: number, what: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const settled = what.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, late.promise]).finally(() => clearTimeout(timer));
}
