import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Book } from "./book.ts";
import type { ChaosPlace } from "./place.ts";
import { sleep, start, within } from "./processes.ts";

/** Sealed or not, it has not been sent. */
const unsent = /\.(journal|batch|refused)(\.tmp)?$/;

/** Files of the spool that still hold records, by their path in it. */
export function leftInSpool(spool: string): string[] {
  if (!existsSync(spool)) return [];
  return readdirSync(spool, { recursive: true, encoding: "utf8" }).filter((path) => unsent.test(path));
}

/**
 * With everybody else dead, a last proxy adopts what they left and sends it. One is enough, so a second one is a trouble.
 *
 * @returns what could not be drained, in a bounded time.
 */
export async function drainSpool(place: ChaosPlace, book: Book): Promise<string[]> {
  for (let proxies = 1; proxies <= 3; proxies += 1) {
    if (await lastProxy(place)) break;
    book.trouble(`proxy ${proxies} that had the spool to itself did not empty it`);
  }
  return leftInSpool(place.spool);
}

async function lastProxy(place: ChaosPlace): Promise<boolean> {
  const proxy = start([...place.proxyCommand], { env: place.env, stdio: ["pipe", "ignore", "inherit"] });
  const own = /^[a-z2-7]{26}\/0\.journal$/;
  const until = Date.now() + 60_000;
  await sleep(500);
  while (Date.now() < until && leftIn(place).some((path) => !own.test(path))) await sleep(50);
  proxy.child.stdin?.end();
  if (!(await within(15_000, proxy.ended))) proxy.kill("SIGKILL");
  await proxy.ended;
  return leftIn(place).length === 0;
}

/** The spool changes under our eyes: what cannot be read now is not empty. */
function leftIn({ spool }: ChaosPlace): string[] {
  try {
    return leftInSpool(spool);
  } catch {
    return [join(spool, "?")];
  }
}
