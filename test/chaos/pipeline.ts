import type { Book } from "./book.ts";
import type { ChaosPlace } from "./place.ts";
import { isOver, type Started, sleep, start, within } from "./processes.ts";

/** The pipeline, started again whenever it ended. */
export interface Keeper {
  current(): Started;
  /** Waits for one that listens. */
  ready(): Promise<void>;
  /** Waits until the given one has been replaced. */
  successorOf(gone: Started): Promise<Started>;
  starts(): number;
  /** Kills it and leaves it dead until the work is done. */
  without(work: () => Promise<void>): Promise<void>;
  /** Ends it gracefully, for good. @returns its exit code */
  stop(): Promise<number | null>;
}

const readyWithinMs = 30_000;

export function keepPipeline(place: ChaosPlace, book: Book): Keeper {
  let stopping = false;
  let starts = 0;
  let outage: Promise<void> | undefined;
  let listening = Promise.withResolvers<void>();
  let current = launch();

  function launch(): Started {
    starts += 1;
    const mine = Promise.withResolvers<void>();
    listening = mine;
    const started = start(place.pipelineCommand, { env: place.env, stdio: ["ignore", "pipe", "pipe"] });
    const asked = { toEnd: false };
    const { kill } = started;
    const watched: Started = {
      ...started,
      kill(signal) {
        asked.toEnd = true;
        return kill(signal);
      },
    };
    for (const stream of [started.child.stdout, started.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        for (const line of text.split("\n").filter(Boolean)) {
          if (line.includes("is ready on")) mine.resolve();
          else if (/^tooltrail: ((availability|tooltrail):\S+ burns|inc_)/.test(line))
            continue; // its tools fail, and what is killed is late: it says so
          else book.trouble(`the pipeline said: ${line.slice(0, 600)}`);
        }
      });
    }
    void started.ended.then(async ({ code, signal }) => {
      if (!asked.toEnd) book.trouble(`the pipeline ended by itself: code ${code}, signal ${signal}`);
      if (stopping || isOver()) return;
      if (!asked.toEnd) await sleep(500);
      await outage;
      current = launch();
    });
    return watched;
  }

  return {
    current: () => current,
    starts: () => starts,
    async without(work) {
      outage = work();
      current.kill("SIGKILL");
      await outage;
      outage = undefined;
    },
    async ready() {
      const until = Date.now() + readyWithinMs;
      while (Date.now() < until) {
        if (current.alive() && (await within(250, listening.promise))) return;
        if (!current.alive()) await sleep(5);
      }
      throw new Error(`The pipeline did not listen within ${readyWithinMs} ms.`);
    },
    async successorOf(gone) {
      await gone.ended;
      while (current === gone) await sleep(1);
      return current;
    },
    async stop() {
      stopping = true;
      const last = current;
      last.kill("SIGTERM");
      if (!(await within(20_000, last.ended))) {
        book.trouble("the pipeline did not end within 20 s of SIGTERM");
        last.kill("SIGKILL");
      }
      return (await last.ended).code;
    },
  };
}
