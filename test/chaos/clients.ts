import type { Book } from "./book.ts";
import type { ChaosPlace } from "./place.ts";
import { isOver, sleep, within } from "./processes.ts";
import type { Random } from "./random.ts";
import { openSession, type Session } from "./session.ts";

/** Several clients at once; each begins a new session when its last one has ended. */
export interface Clients {
  /** One that calls are going through, if there is any within a moment. The last client is rarely chosen, so it grows old. */
  ready(random: Random): Promise<Session>;
  /** Waits for the next session of the client that had this one. */
  successorOf(gone: Session): Promise<Session>;
  sessions(): number;
  /** Every client hangs up and does not begin again. */
  stop(): Promise<void>;
}

export function startClients(count: number, place: ChaosPlace, book: Book, random: Random): Clients {
  let stopping = false;
  let sessions = 0;
  let number = 0;
  const current: Session[] = Array.from({ length: count }, (_, slot) => begin(slot, random.fork()));

  function begin(slot: number, dice: Random): Session {
    sessions += 1;
    const session = openSession(place, book, dice, () => number++);
    void session.proxy.ended.then(() => {
      if (!stopping && !isOver()) current[slot] = begin(slot, dice);
    });
    return session;
  }

  const choose = (dice: Random): Session => {
    const slots = dice.chance(0.03) ? current.slice(-1) : current.slice(0, -1);
    const ready = slots.filter((session) => session.isReady());
    return dice.pick((ready.length > 0 ? ready : slots) as [Session, ...Session[]]);
  };

  return {
    async ready(dice) {
      const session = choose(dice);
      await within(3_000, Promise.race([session.ready, session.proxy.ended]));
      return session;
    },
    async successorOf(gone) {
      const slot = current.indexOf(gone);
      await gone.proxy.ended;
      while (slot !== -1 && current[slot] === gone) await sleep(1);
      return current[slot] ?? gone;
    },
    sessions: () => sessions,
    async stop() {
      stopping = true;
      await Promise.all(
        current.map(async (session) => {
          session.hangUp();
          if (await within(15_000, session.proxy.ended)) return;
          book.trouble("a proxy did not end within 15 s of its input's end");
          session.proxy.kill("SIGKILL");
          await session.proxy.ended;
        }),
      );
    },
  };
}
