import { expect, onTestFinished, test } from "vitest";
import { faultsOf } from "./faults.ts";
import { kills, startKiller } from "./kills.ts";
import { factor } from "./pace.ts";
import { tellStory } from "./tell.ts";

/** What is told goes out in one piece, also of a story that does not come to its end. */
function listen(): (line: string) => void {
  const lines: string[] = [];
  onTestFinished(() => console.info(lines.join("\n")));
  return (line) => void lines.push(line);
}

test("it ends in the same way where the pipeline is killed again and again", async () => {
  const seed = Math.floor(Math.random() * 4_294_967_296);
  const say = listen();
  say(`seed ${seed}`);
  const ending = await tellStory({ factor, say, ...startKiller(seed, kills, say) });
  expect({ seed, faults: faultsOf(ending) }).toEqual({ seed, faults: [] });
  expect(ending.kills).toBeGreaterThanOrEqual(kills);
}, 180_000);
