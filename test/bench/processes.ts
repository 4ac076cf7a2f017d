import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Started, start, within } from "../chaos/processes.ts";
import { root } from "../support/pipeline.ts";

/** A program of this folder, or of the repository, by its path from the root. */
export const source = (path: string): string => join(root, path);

/** Ends a process as its user would, and waits. */
export async function stop({ kill, ended }: Started, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  kill(signal);
  if (!(await within(20_000, ended))) kill("SIGKILL");
  await ended;
}

/** A process that answers each line on its stdin by a line on its stdout. */
export interface Answering {
  readonly started: Started;
  /** The next line that it says. */
  line(): Promise<string>;
  ask(question: string): Promise<string>;
}

/** Its stderr is ours: what goes wrong there must be seen. */
export function startAnswering(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Answering {
  const started = start(args, { env, stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = started.child;
  if (stdout === null) throw new Error("The process has no stdout.");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${args.join(" ")} ended without an answer.`);
    return value;
  };
  return {
    started,
    line,
    ask(question) {
      stdin?.write(`${question}\n`);
      return line();
    },
  };
}

/** A bus that takes everything, in a process of its own. */
export interface TakingBus {
  readonly endpoint: string;
  /** How many calls it was told of. */
  taken(): Promise<number>;
  stop(): Promise<void>;
}

export async function startTakingBus(): Promise<TakingBus> {
  const { started, line } = startAnswering([source("test/bench/servers/taking-bus.ts")]);
  const endpoint = `http://127.0.0.1:${await line()}`;
  return {
    endpoint,
    taken: async () => Number(await (await fetch(endpoint)).text()),
    stop: () => stop(started),
  };
}
