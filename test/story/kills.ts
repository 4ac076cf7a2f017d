import { sleep } from "../chaos/processes.ts";
import { type Random, seeded } from "../chaos/random.ts";
import { type Chapter, chapters } from "./chapters.ts";
import type { Listeners } from "./listeners.ts";
import type { Stage } from "./stage.ts";

/** Somebody who kills the pipeline now and then, and starts it again at once. */
export interface Killer {
  onChapter(chapter: Chapter, stage: Stage): void;
  /** Waits until whoever is to be killed by now has been, and lives again. */
  onQuiet(): Promise<void>;
}

/** Chapters in which the pipeline is killed. */
export const kills = 8;
const spared: readonly Chapter[] = ["before", "proof"];
const longest = 5_000;
const startUpMs = 700;
const noticeWithinMs = 5_000;

/**
 * @param count in so many chapters, chosen by the seed: some after a time by chance, which is within a command or a check as it comes, and some at the very moment in which a destination is told something,
 *   before the pipeline knows that it was.
 */
export function startKiller(seed: number, count: number, say: (line: string) => void): Killer {
  const random = seeded(seed);
  const chosen = new Set(
    shuffled(
      random,
      chapters.filter((one) => !spared.includes(one)),
    ).slice(0, count),
  );
  let last: Promise<void> = Promise.resolve();

  async function killIn(chapter: Chapter, { clock, pipeline, listeners }: Stage, choice: Random): Promise<void> {
    await pipeline.ready();
    const isTold = choice.chance(0.4);
    const waitMs = choice.pick([0, 1]) * choice.between(0, 1_000) + choice.pick([0, 1]) * choice.between(0, longest);
    if (isTold) await nextNotice(listeners);
    else await sleep(waitMs);
    await pipeline.killAndRestart();
    const isAgain = choice.chance(0.25);
    if (isAgain) {
      await sleep(choice.between(0, startUpMs));
      await pipeline.killAndRestart();
    }
    const when = isTold ? "while somebody is told" : `after ${waitMs} ms`;
    say(`${clock.text()}  kill -9 in "${chapter}", ${when}${isAgain ? ", and again as it starts" : ""}`);
  }

  return {
    onChapter(chapter, stage) {
      if (!chosen.has(chapter)) return;
      const choice = random.fork();
      last = last.then(() => killIn(chapter, stage, choice));
      last.catch(() => undefined); // whoever waits for it is told
    },
    onQuiet: () => last,
  };
}

async function nextNotice(listeners: Listeners): Promise<void> {
  const { stop: _, ...all } = listeners;
  const asked = (): number => Object.values(all).reduce((sum, one) => sum + one.requests().length, 0);
  const [before, until] = [asked(), Date.now() + noticeWithinMs];
  while (asked() === before && Date.now() < until) await sleep(1);
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
