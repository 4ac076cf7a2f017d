import { type Started, start, within } from "../chaos/processes.ts";
import type { StoryPlace } from "./place.ts";

export interface Pipeline {
  /** Waits until one listens. */
  ready(): Promise<void>;
  /** kill -9, and another one on the same port and data at once. */
  killAndRestart(): Promise<void>;
  start(): void;
  /** Lets it end. @returns its exit code; null where it did not end in time, and was killed. */
  stop(): Promise<number | null>;
  kills(): number;
  /** What they said on stderr that was not to be expected. */
  said(): readonly string[];
}

/** It says on a terminal that it is ready, that something burns, and how an incident stands. */
const isExpected = / is ready on | burns( no more)?: |^tooltrail: inc_/;
const readyWithinMs = 60_000;
const endsWithinMs = 20_000;

export function keepPipeline(place: StoryPlace, secrets: { readonly [name: string]: string }): Pipeline {
  const said: string[] = [];
  let kills = 0;
  let listening = Promise.withResolvers<void>();
  let current = launch();

  function launch(): Started {
    const mine = Promise.withResolvers<void>();
    listening = mine;
    const started = start(place.pipelineCommand, {
      env: { ...place.env, ...secrets },
      stdio: ["ignore", "ignore", "pipe"],
    });
    started.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("is ready on")) mine.resolve();
      said.push(...text.split("\n").filter((line) => line !== "" && !isExpected.test(line)));
    });
    return started;
  }

  return {
    async ready() {
      const asked = listening.promise;
      if (!(await within(readyWithinMs, asked)))
        throw new Error(`No pipeline listens on ${place.endpoint}: ${said.slice(-5).join(" | ")}`);
    },
    async killAndRestart() {
      const killed = current.kill("SIGKILL");
      await current.ended;
      if (killed) kills += 1;
      current = launch();
    },
    start() {
      current = launch();
    },
    async stop() {
      current.kill("SIGTERM");
      if (!(await within(endsWithinMs, current.ended))) current.kill("SIGKILL");
      return (await current.ended).code;
    },
    kills: () => kills,
    said: () => said,
  };
}
