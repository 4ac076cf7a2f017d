import { randomBytes } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import {
  identityOf,
  type Principal,
  type PrincipalName,
  pseudonym,
  recordSchema,
  type ServerRef,
} from "@tooltrail/format";
import type { Keys } from "@tooltrail/format/keys";
import { adopt, isSpent, recover } from "./adopt.ts";
import type { PutEvents } from "./bus.ts";
import { makeFolder } from "./journal.ts";
import { type Clock, createMemory, endRounds, type Introductions } from "./memory.ts";
import { measureRoom } from "./room.ts";
import { sayOnce, wordsOf } from "./say.ts";
import { createSender, type Sender } from "./sender.ts";
import { maxEnvironmentLength } from "./settings.ts";
import { openSpool, type Spool } from "./spool.ts";
import { createTracker, type Tracker, type TrackerOptions } from "./tracker.ts";

/** What an emitter is told from outside. Sizes in bytes. */
export interface EmitterOptions {
  readonly spoolDir: string;
  /** Reads the keys, or makes them. */
  readonly keys: () => Keys;
  readonly putEvents: PutEvents;
  /** Named by the operator, else by the server itself, else `fallbackServer`. */
  readonly serverId?: string;
  readonly fallbackServer: string;
  readonly environment?: string;
  readonly intentTools: ReadonlySet<string>;
  readonly onSpoolFailure: "open" | "closed";
  readonly fsync: boolean;
  readonly maxSpoolBytes: number;
}

export interface Emitter {
  /** A tracker for one session. @param said by a session that had another tracker before. */
  track(said?: Introductions): Tracker;
  /** The pseudonym of a name. */
  pseudonym(name: PrincipalName): string;
  /** Seals what there is and sends what it can in about a second; the rest is left for another process to adopt. */
  stop(): Promise<void>;
}

export const software = "tooltrail/0.1.0";

const flushAfterMs = 2_000;
const aliveAfterMs = 5 * 60_000;
const careEveryMs = 15_000;
const stopWithinMs = 1_000;

export const clock: Clock = { now: () => Date.now(), elapsedUs: () => performance.now() * 1_000 };

/**
 * One process that emits: trackers over a spool, a sender, and care for what dead processes left. Nothing in it keeps the process alive.
 *
 * Synchronous, so that the next message can be recorded. @throws as `fs` does where the spool or the keys cannot be made.
 */
export function openEmitter(given: EmitterOptions): Emitter {
  const options = { ...given, ...soundNames(given) };
  const keys = options.keys();
  makeFolder(options.spoolDir);
  const spoolDir = realpathSync(options.spoolDir); // one name for one folder, whatever links lead to it
  const identity = identityOf(keys.installationPem, randomBytes(16));
  const pseudonymOf = ({ issuer, subject }: PrincipalName): string => pseudonym(keys.digestKey, issuer, subject);
  const user = osUser();
  const principal: Principal = { ref: pseudonymOf(user), method: "os", verified: true };
  const room = measureRoom(spoolDir, options.maxSpoolBytes);
  const spool: Spool = openSpool({
    spoolDir,
    identity,
    server: serverRef(options),
    sides: { principals: { [principal.ref]: user } },
    fsync: options.fsync,
    flushAfterMs,
    now: clock.now,
    reserve: room.reserve,
    onSealed: () => sender.wake(),
  });
  const adopted = new Set<string>();
  const sender: Sender = createSender({
    folders: () => [spool.dir, ...adopted],
    putEvents: options.putEvents,
    random: Math.random,
    async onDrained(dir) {
      if (!adopted.has(dir) || !isSpent(dir)) return;
      await rm(dir, { recursive: true, force: true });
      adopted.delete(dir);
    },
  });

  const silence = setInterval(() => {
    if (clock.now() - spool.lastAt() >= aliveAfterMs) spool.write(lifecycle("alive"));
  }, aliveAfterMs / 10).unref();
  const care = setInterval(() => void takeCare(), careEveryMs * (0.75 + Math.random() / 2)).unref();
  const firstCare = setTimeout(() => void takeCare(), 250).unref();
  let caring: Promise<void> | undefined;

  /** Looks after the spool: room, and the folders of the dead. What fails (disk full, another key) is tried again next time. */
  function takeCare(): Promise<void> {
    caring ??= (async () => {
      await room.measure();
      for (const dir of await adopt(spoolDir, spool.dir)) {
        const fault = await recover(dir, keys.installationPem, options.fsync).catch(wordsOf);
        if (!existsSync(dir)) continue; // the sender was quicker: it has sent and removed it
        if (fault) sayOnce(`what ${dir} holds is not sent, since it cannot be finished: ${fault}`);
        adopted.add(dir);
      }
      sender.wake();
    })()
      .catch(() => undefined)
      .finally(() => {
        caring = undefined;
      });
    return caring;
  }

  spool.write({ ...lifecycle("started"), software });
  void room.measure();
  const trackerOptions: TrackerOptions = {
    ...options,
    sink: spool,
    memory: createMemory(),
    caller: { principal },
    digestKey: keys.digestKey,
    clock,
    random: createChance(),
  };
  return {
    track: (said) => createTracker(trackerOptions, said),
    pseudonym: pseudonymOf,
    async stop() {
      clearInterval(silence);
      clearInterval(care);
      clearTimeout(firstCare);
      await caring;
      endRounds(trackerOptions);
      await spool.stop();
      await sender.finish(stopWithinMs);
      if (isSpent(spool.dir)) await rm(spool.dir, { recursive: true, force: true });
      await spool.release();
    },
  };
}

const lifecycle = (event: "started" | "alive") =>
  ({ schema: recordSchema, kind: "lifecycle", at: clock.now(), event }) as const;

/** Names as a batch takes them. What was cut within a character has no canonical form, and no batch with it could be sealed. */
const soundNames = ({ serverId, fallbackServer, environment }: EmitterOptions) => ({
  ...(serverId !== undefined && { serverId: sound(serverId, 256) }),
  fallbackServer: sound(fallbackServer, 256),
  ...(environment !== undefined && { environment: sound(environment, maxEnvironmentLength) }),
});

const sound = (name: string, max: number): string => name.slice(0, max).toWellFormed();

const serverRef = ({ serverId, fallbackServer, environment }: EmitterOptions): ServerRef => ({
  id: serverId ?? fallbackServer,
  ...(environment && { environment }),
});

/** Who a stdio session is: the operating system's user, which the kernel vouches for. */
const osUser = (): PrincipalName => ({ issuer: "os", subject: `os:${userName()}@${hostname()}` });

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`; // a container's user need not have a name
  }
}

/** Random bytes for calls' ids, drawn 4 KB at a time: to ask the kernel for each took 7 % of a busy proxy. */
function createChance(): (bytes: number) => Uint8Array {
  let pool = randomBytes(4_096);
  return (bytes) => {
    if (pool.length < bytes) pool = randomBytes(4_096);
    const drawn = pool.subarray(0, bytes);
    pool = pool.subarray(bytes);
    return drawn;
  };
}
