import { watch } from "node:fs";
import { sleep, within } from "./processes.ts";
import type { Producer } from "./producer.ts";
import type { Random } from "./random.ts";
import type { Session } from "./session.ts";

/** When a proxy is killed. */
export const proxyMoments = [
  "any",
  "call",
  "burst",
  "rotate",
  "seal",
  "send",
  "sent",
  "adopt",
  "shutdown",
  "start-up",
] as const;
export type ProxyMoment = (typeof proxyMoments)[number];

/** When the pipeline is killed. */
export const pipelineMoments = ["any", "request", "ingest", "shutdown", "start-up"] as const;
export type PipelineMoment = (typeof pipelineMoments)[number];

/** A file that shows up in an emitter's folder, and so betrays what its process is about to do. */
const traces = {
  rotate: /^\d+\.journal(\.tmp)?$/,
  seal: /^\d+\.batch\.tmp$/,
  send: /^\d+\.batch$/,
  sent: /^\d+\.sent$/,
  adopt: /^adopted$/,
} as const;

/** Waits within a session's activity until the moment has come, or at most about half a second. */
export async function proxyMoment(moment: ProxyMoment, session: Session, random: Random): Promise<void> {
  switch (moment) {
    case "any":
      return sleep(random.between(0, 250));
    case "call":
      await within(300, session.nextCall());
      return sleep(random.between(0, 6));
    case "burst":
      // More than a journal takes, so it is closed, sealed and sent while the answers come.
      await within(1_000, session.burst(random.between(110, 260), random.between(1, 110)));
      return;
    case "rotate":
    case "seal":
    case "send":
    case "sent": {
      const seen = trace(session.folder(), traces[moment], 500);
      void session.burst(random.between(105, 160), 1);
      await seen;
      return random.chance(0.5) ? undefined : sleep(random.between(0, 6));
    }
    case "adopt":
      await trace(session.folder(), traces.adopt, 700);
      return random.chance(0.5) ? undefined : sleep(random.between(0, 8));
    case "shutdown":
      if (random.chance(0.5)) session.hangUp();
      else session.proxy.kill("SIGTERM");
      return sleep(random.between(0, 60));
    case "start-up":
      // Another one has just been killed for this: from nothing to its first look at the spool.
      return sleep(random.between(0, 550));
  }
}

export async function pipelineMoment(moment: PipelineMoment, producer: Producer, random: Random): Promise<void> {
  switch (moment) {
    case "any":
      return sleep(random.between(0, 250));
    case "request":
      await within(300, producer.nextRequest());
      return sleep(random.between(0, 3));
    case "ingest":
      await within(300, producer.burst(random.between(2, 12)));
      return sleep(random.between(0, 40));
    case "shutdown":
      return sleep(random.between(0, 50)); // after SIGTERM
    case "start-up":
      return sleep(random.between(0, 700));
  }
}

async function trace(folder: string | undefined, name: RegExp, withinMs: number): Promise<void> {
  if (folder === undefined) return sleep(withinMs / 10);
  const seen = Promise.withResolvers<void>();
  try {
    const watcher = watch(folder, (_, file) => file !== null && name.test(file) && seen.resolve());
    watcher.on("error", () => seen.resolve());
    await within(withinMs, seen.promise);
    watcher.close();
  } catch {
    // The folder is gone already.
  }
}
