import type { Book, PlainEventSent } from "./book.ts";
import type { ChaosPlace } from "./place.ts";
import { sleep } from "./processes.ts";
import type { Random } from "./random.ts";

/** Somebody who puts plain events on the bus all the time, in any language, with or without an id of their own. */
export interface Producer {
  /** Settles when the next request has gone out. */
  nextRequest(): Promise<void>;
  /** Sends so many full requests at once, more than ingest works off in a moment. @returns settles at the next acknowledgement */
  burst(requests: number): Promise<void>;
  stop(): Promise<void>;
}

export function startProducer(place: ChaosPlace, book: Book, random: Random): Producer {
  let stopping = false;
  /** Requests whose fate is unknown. What had an id is safe to send again; a second time without one would be a second event. */
  let unsure: PlainEventSent[] = [];
  const waiting = { request: new Set<() => void>(), acknowledgement: new Set<() => void>() };
  const tell = (waiters: Set<() => void>): void => {
    for (const resolve of waiters) resolve();
    waiters.clear();
  };

  function make(): PlainEventSent {
    const n = book.events.size;
    const id = random.chance(0.6) ? `order-${n}` : undefined;
    const event = {
      server: "shop",
      tool: "buy",
      outcome: "ok",
      requestId: `plain-${n}`,
      durationUs: random.between(1, 9_999),
    };
    const said = {
      ...event,
      ...(id && { id }),
      ...(random.chance(0.5) && { principal: `user-${random.between(1, 20)}` }),
    };
    const sent: PlainEventSent = { n, ...(id && { id }), detail: JSON.stringify(said), attempts: 0, acknowledged: 0 };
    book.events.set(n, sent);
    return sent;
  }

  function nextEvents(): PlainEventSent[] {
    const again = random.chance(0.7) ? unsure.splice(0, 5) : [];
    const old = book.events.get(random.between(0, Math.max(0, book.events.size - 1)));
    if (old?.id !== undefined && random.chance(0.2) && !again.includes(old)) again.push(old);
    return [...again, ...Array.from({ length: random.between(1, 4) }, make)];
  }

  async function put(events: readonly PlainEventSent[]): Promise<void> {
    for (const event of events) event.attempts += 1;
    const answering = fetch(place.endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" },
      body: JSON.stringify({
        Entries: events.map(({ detail }) => ({ Source: "chaos", DetailType: "MCP Tool Call", Detail: detail })),
      }),
      signal: AbortSignal.timeout(5_000),
    });
    tell(waiting.request);
    const response = await answering;
    const { Entries } = (await response.json()) as { Entries: { EventId?: string; ErrorCode?: string }[] };
    for (const [i, event] of events.entries()) {
      if (Entries[i]?.EventId !== undefined) event.acknowledged += 1;
      else book.trouble(`PutEvents refused an event: ${JSON.stringify(Entries[i])}`);
    }
    tell(waiting.acknowledgement);
  }

  /** @returns false where the events' fate is unknown. */
  async function tryToPut(events: readonly PlainEventSent[]): Promise<boolean> {
    try {
      await put(events);
      return true;
    } catch {
      unsure.push(...events.filter(({ id, acknowledged }) => id !== undefined && acknowledged === 0));
      if (unsure.length > 200) unsure = unsure.slice(-100);
      return false;
    }
  }

  async function produce(): Promise<void> {
    while (!stopping) await sleep((await tryToPut(nextEvents())) ? random.between(5, 60) : random.between(20, 80));
  }

  const producing = produce();
  const bursts = new Set<Promise<unknown>>();
  const next = (waiters: Set<() => void>): Promise<void> => new Promise((resolve) => waiters.add(resolve));
  return {
    nextRequest: () => next(waiting.request),
    burst(requests) {
      const acknowledged = next(waiting.acknowledgement);
      for (let i = 0; i < requests; i += 1) {
        const putting: Promise<unknown> = tryToPut(Array.from({ length: 10 }, make));
        bursts.add(putting);
        void putting.finally(() => bursts.delete(putting));
      }
      return acknowledged;
    },
    async stop() {
      stopping = true;
      await Promise.all([producing, ...bursts]);
    },
  };
}
