import { type Started, sleep, start, within } from "../chaos/processes.ts";
import { type StoryClock, startClock } from "./clock.ts";
import { writeDocuments } from "./documents.ts";
import { readFeed, type Said } from "./feed.ts";
import { type Listeners, startListeners } from "./listeners.ts";
import { type Person, seat } from "./person.ts";
import { keepPipeline, type Pipeline } from "./pipeline.ts";
import { makeStoryPlace, type StoryPlace } from "./place.ts";

/** Everything that a story needs. */
export interface Stage {
  readonly clock: StoryClock;
  readonly place: StoryPlace;
  readonly listeners: Listeners;
  readonly pipeline: Pipeline;
  readonly person: Person;
  readonly traffic: Traffic;
  /** What was said of the server. */
  feed(): Said[];
  /** Waits for it, a time of the story, and a while of the machine's: busy ones take longer. @throws Error that names what did not come. */
  until<T>(
    what: string,
    storyMinutes: number,
    look: () => T | undefined | false | Promise<T | undefined | false>,
  ): Promise<T>;
  /** Waits until the pipeline says something of a type on its bus. @returns what it said first. */
  hear(type: string, storyMinutes: number): Promise<Said["detail"]>;
  pass(storyMinutes: number): Promise<void>;
  /** Ends all of it; what is left is in the place's folder. */
  strike(): Promise<void>;
}

export interface Traffic {
  readonly process: Started;
  /** Of the last round, and of all so far. */
  last(): { readonly version: string; readonly asked: number; readonly failed: number };
}

const minuteMs = 60_000;
const roundEachMs = 20_000;
const lookEachMs = 50;
/** So that whoever waits in real time knows for what. */
const sayEachMs = 60_000;
/** It ends with its round, and in real time rounds are slow. */
const trafficEndsWithinMs = 30_000;
/** The machine's, besides. */
const patienceMs = 60_000;

/** Puts everything up and begins: a pipeline runs, 1.4.0 is deployed, and somebody uses it. */
export async function setStage(factor: number, say: (line: string) => void): Promise<Stage> {
  const clock = startClock(factor);
  const place = await makeStoryPlace(clock);
  const listeners = await startListeners(clock.now);
  const pipeline = keepPipeline(place, writeDocuments(place.data, listeners));
  await pipeline.ready();
  place.deploy("1.4.0");
  const traffic = startTraffic(place, clock.realMs(roundEachMs));
  const feed = (): Said[] => readFeed(place.data, "orders");

  const until: Stage["until"] = async (what, storyMinutes, look) => {
    const end = Date.now() + clock.realMs(storyMinutes * minuteMs) + patienceMs;
    for (let sayAt = Date.now() + sayEachMs; ; ) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > end)
        throw new Error(`Not within ${storyMinutes} min: ${what}. ${pipeline.said().slice(-5).join(" | ")}`);
      if (Date.now() > sayAt) {
        say(`${clock.text()}  ... still waiting for ${what}`);
        sayAt += sayEachMs;
      }
      await sleep(lookEachMs);
    }
  };

  return {
    clock,
    place,
    listeners,
    pipeline,
    person: seat(place),
    traffic,
    feed,
    until,
    hear: (type, storyMinutes) => until(type, storyMinutes, () => feed().find((said) => said.type === type)?.detail),
    pass: (storyMinutes) => sleep(clock.realMs(storyMinutes * minuteMs)),
    async strike() {
      traffic.process.kill("SIGTERM");
      if (!(await within(trafficEndsWithinMs, traffic.process.ended))) traffic.process.kill("SIGKILL");
      await pipeline.stop();
      await listeners.stop();
    },
  };
}

function startTraffic(place: StoryPlace, pauseMs: number): Traffic {
  const process = start(place.trafficCommand(pauseMs), { env: place.env, stdio: ["ignore", "pipe", "inherit"] });
  let line = "";
  process.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    line = text.trim().split("\n").at(-1) ?? line;
  });
  return {
    process,
    last() {
      const [version = "", asked = "0", failed = "0"] = line.split(" ");
      return { version, asked: Number(asked), failed: Number(failed) };
    },
  };
}
