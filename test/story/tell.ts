import type { Chapter } from "./chapters.ts";
import { type Ending, endingOf } from "./ending.ts";
import { fail } from "./fail.ts";
import { learn } from "./learn.ts";
import { repair } from "./repair.ts";
import { respond } from "./respond.ts";
import { type Stage, setStage } from "./stage.ts";

export interface StoryOptions {
  /** How many times as fast as the machine's the story's clock is. */
  readonly factor: number;
  readonly say: (line: string) => void;
  /** Told of each chapter as it begins: whoever kills processes does it within. */
  readonly onChapter?: (chapter: Chapter, stage: Stage) => void;
  /** Waits until whoever is to be killed by now has been. */
  readonly onQuiet?: () => Promise<void>;
}

/** A stage, and somebody who tells what happens on it. */
export interface Teller extends Stage {
  begin(chapter: Chapter): void;
  tell(text: string): void;
  quiet(): Promise<void>;
}

/** Tells it once, from a server that is well to an incident that is closed. @throws Error that says what did not come about. */
export async function tellStory({ factor, say, onChapter, onQuiet }: StoryOptions): Promise<Ending> {
  const stage = await setStage(factor, say);
  const { clock, place, strike } = stage;
  try {
    const teller: Teller = {
      ...stage,
      begin: (chapter) => onChapter?.(chapter, stage),
      tell: (text) => say(`${clock.text()}  ${text}`),
      quiet: async () => onQuiet?.(),
    };
    const { id, vkey } = await fail(teller);
    await respond(teller, id);
    await repair(teller, id);
    const proven = await learn(teller, id, vkey);
    const ending = await endingOf(teller, id, proven);
    await strike();
    place.remove();
    return ending;
  } catch (error) {
    say(`what is left is in ${place.dir}`);
    await strike();
    throw error;
  }
}
