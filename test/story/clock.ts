import { join } from "node:path";
import { root } from "../support/pipeline.ts";

/** The story's clock, as its processes have it; whoever tells the story has the machine's own. */
export interface StoryClock {
  readonly factor: number;
  /** In milliseconds of the story. */
  now(): number;
  /** `12:03:04`, in UTC. */
  text(): string;
  /** A time that is so many minutes of the story away. */
  isoIn(minutes: number): string;
  /** How long a time of the story takes. */
  realMs(storyMs: number): number;
  /** For processes of the story: beside `flags`, which puts the clock under one. */
  readonly env: { readonly [name: string]: string };
  readonly flags: readonly string[];
}

export function startClock(factor: number): StoryClock {
  const epochMs = Date.now();
  const now = (): number => Math.floor(epochMs + (Date.now() - epochMs) * factor);
  return {
    factor,
    now,
    text: () => new Date(now()).toISOString().slice(11, 19),
    isoIn: (minutes) => new Date(now() + minutes * 60_000).toISOString(),
    realMs: (storyMs) => storyMs / factor,
    env: { TOOLTRAIL_STORY_EPOCH: String(epochMs), TOOLTRAIL_STORY_FACTOR: String(factor) },
    flags: ["--import", join(root, "test/support/fast-clock.ts")],
  };
}
