import type { Clients } from "./clients.ts";
import { pipelineMoment, pipelineMoments, proxyMoment, proxyMoments } from "./moments.ts";
import type { Keeper } from "./pipeline.ts";
import { type Started, sleep, within } from "./processes.ts";
import type { Producer } from "./producer.ts";
import type { Random } from "./random.ts";
import type { Session } from "./session.ts";

export const victims = ["proxy", "pipeline", "both", "server", "graceful", "outage"] as const;
export type Victim = (typeof victims)[number];
export type Kills = { [victim in Victim]: number };

export interface Actors {
  readonly clients: Clients;
  readonly pipeline: Keeper;
  readonly producer: Producer;
  readonly random: Random;
}

const odds: readonly [Victim, ...Victim[]] = [
  "outage",
  ...Array<Victim>(20).fill("proxy"),
  ...Array<Victim>(8).fill("pipeline"),
  ...Array<Victim>(4).fill("both"),
  ...Array<Victim>(4).fill("server"),
  ...Array<Victim>(4).fill("graceful"),
];

/** Chooses a victim and a moment, waits for it, kills, and counts what was alive until then. */
export async function playRound(actors: Actors, kills: Kills): Promise<void> {
  const { clients, pipeline, random } = actors;
  const victim = random.pick(odds);
  switch (victim) {
    case "proxy":
      kills.proxy += Number(await killProxy(actors));
      return;
    case "pipeline":
      kills.pipeline += Number(await killPipeline(actors));
      return;
    case "both": {
      const session = await clients.ready(random);
      await pipeline.ready();
      await proxyMoment(random.pick(["any", "call", "burst", "seal", "send"]), session, random);
      const died = [session.proxy, pipeline.current()].filter((started) => started.kill("SIGKILL"));
      kills.both += Number(died.length === 2);
      await session.proxy.ended;
      return;
    }
    case "server": {
      const session = await clients.ready(random);
      await proxyMoment(random.pick(["any", "call", "burst"]), session, random);
      kills.server += Number(session.killServer());
      return;
    }
    case "outage":
      // Nothing can be sent, so adopters are themselves adopted, with all that they had adopted.
      await pipeline.ready();
      await pipeline.without(async () => {
        for (let i = 0; i < 8; i += 1) kills.proxy += Number(await killProxy(actors, random.pick(["adopt", "any"])));
      });
      kills.outage += 1;
      return;
    case "graceful":
      kills.graceful += Number(await endGracefully(actors));
      return;
  }
}

async function killProxy({ clients, random }: Actors, moment = random.pick(proxyMoments)): Promise<boolean> {
  let session: Session = await clients.ready(random);
  if (moment === "start-up" || moment === "adopt") {
    session.proxy.kill("SIGKILL");
    session = await clients.successorOf(session);
    if (moment === "adopt") await within(1_000, Promise.race([folderOf(session), session.proxy.ended]));
  }
  await proxyMoment(moment, session, random);
  const killed = session.proxy.kill("SIGKILL");
  await session.proxy.ended;
  return killed;
}

/** Waits for the emitter's folder, hence for its first look at the spool, which comes 250 ms later. */
async function folderOf(session: Session): Promise<void> {
  while (session.proxy.alive() && session.folder() === undefined) await sleep(10);
}

async function killPipeline({ pipeline, producer, random }: Actors): Promise<boolean> {
  const moment = random.pick(pipelineMoments);
  await pipeline.ready();
  let started: Started = pipeline.current();
  if (moment === "shutdown") {
    if (random.chance(0.5)) await within(300, producer.burst(random.between(2, 12)));
    started.kill("SIGTERM");
  }
  if (moment === "start-up") {
    started.kill("SIGKILL");
    started = await pipeline.successorOf(started);
  }
  await pipelineMoment(moment, producer, random);
  const killed = started.kill("SIGKILL");
  await started.ended;
  return killed;
}

/** No kill: what ends as it should must leave as much behind, and the next process begins among the leftovers of the killed. */
async function endGracefully({ clients, pipeline, random }: Actors): Promise<boolean> {
  if (random.chance(0.2)) {
    await pipeline.ready();
    return pipeline.current().kill("SIGTERM");
  }
  const session = await clients.ready(random);
  await proxyMoment(random.pick(["any", "call", "burst"]), session, random);
  if (!session.proxy.alive()) return false;
  if (random.chance(0.5)) return session.proxy.kill("SIGTERM");
  session.hangUp();
  return true;
}
