import { execFile } from "node:child_process";
import { sleep } from "../chaos/processes.ts";
import { node } from "../support/pipeline.ts";
import type { StoryPlace } from "./place.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Whoever is on call, at a terminal. */
export interface Person {
  /** Once, whatever comes of it. */
  try(...words: readonly string[]): Promise<Ran>;
  /** Until there is an answer: again, where the pipeline could not be asked. @returns stdout. @throws Error for any answer but yes. */
  run(...words: readonly string[]): Promise<string>;
  /** The same with a key of its own, so that however often it is asked, it is done once. */
  order(...words: readonly string[]): Promise<string>;
  json<T>(...words: readonly string[]): Promise<T>;
}

const couldNotTell = 2;
const attempts = 40;
const runMs = 60_000;

export function seat(place: StoryPlace): Person {
  let orders = 0;

  const once = (...words: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const options = { env: place.env, cwd: place.dir, maxBuffer: 64 * 1024 * 1024, timeout: runMs };
      execFile(node, place.commandLine(...words), options, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
      );
    });

  async function run(...words: readonly string[]): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      const { code, stdout, stderr } = await once(...words);
      if (code === 0) return stdout;
      if (code !== couldNotTell || attempt === attempts)
        throw new Error(`tooltrail ${words.join(" ")} ended with ${code}: ${stderr}${stdout}`);
      await sleep(250);
    }
  }

  return {
    try: once,
    run,
    order(...words) {
      orders += 1;
      return run(...words, "--key", `story-${orders}`);
    },
    json: async <T>(...words: readonly string[]) => JSON.parse(await run(...words, "--json")) as T,
  };
}
