import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, realpath, rm, stat } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { identityOf, type Principal, pseudonym, recordSchema, type ServerRef, type Sides } from "@tooltrail/format";
import type { Keys } from "@tooltrail/format/keys";
import { adopt, isSpent, recover } from "./adopt.ts";
import { makeFolder } from "./journal.ts";
import { createSender, type PutEvents, type Sender } from "./sender.ts";
import { openSpool, type Spool } from "./spool.ts";
import { type Clock, createTracker, type Tracker } from "./tracker.ts";

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
  readonly tracker: Tracker;
  /** Seals what there is and sends what it can in about a second; the rest is left for another process to adopt. */
  stop(): Promise<void>;
}

export const software = "tooltrail/0.1.0";

const flushAfterMs = 2_000;
const aliveAfterMs = 5 * 60_000;
const careEveryMs = 15_000;
const stopWithinMs = 1_000;

const clock: Clock = { now: () => Date.now(), elapsedUs: () => performance.now() * 1_000 };

/**
 * One process that emits: a tracker over a spool, a sender, and care for what dead processes left.
 *
 * @throws as `fs` does where the spool or the keys cannot be made.
 */
export async function openEmitter(options: EmitterOptions): Promise<Emitter> {
  const keys = options.keys();
  makeFolder(options.spoolDir);
  const spoolDir = await realpath(options.spoolDir); // one name for one folder, whatever links lead to it
  const identity = identityOf(keys.installationPem, randomBytes(16));
  const { principal, sides } = osPrincipal(keys.digestKey);
  const room = await measureRoom(spoolDir, options.maxSpoolBytes);
  const spool: Spool = await openSpool({
    spoolDir,
    identity,
    server: serverRef(options),
    sides,
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
        await recover(dir, keys.installationPem, options.fsync).catch(() => undefined);
        if (existsSync(dir)) adopted.add(dir); // else the sender was quicker: it has sent and removed it
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
  return {
    tracker: createTracker({
      ...options,
      sink: spool,
      principal,
      digestKey: keys.digestKey,
      clock,
      random: randomBytes,
    }),
    async stop() {
      clearInterval(silence);
      clearInterval(care);
      clearTimeout(firstCare);
      await caring;
      await spool.stop();
      await sender.finish(stopWithinMs);
      if (isSpent(spool.dir)) await rm(spool.dir, { recursive: true, force: true });
      await spool.release();
    },
  };
}

const lifecycle = (event: "started" | "alive") =>
  ({ schema: recordSchema, kind: "lifecycle", at: clock.now(), event }) as const;

const serverRef = ({ serverId, fallbackServer, environment }: EmitterOptions): ServerRef => ({
  id: serverId ?? fallbackServer,
  ...(environment && { environment }),
});

/** Who a stdio session is: the operating system's user, which the kernel vouches for. */
function osPrincipal(digestKey: Uint8Array): { principal: Principal; sides: Sides } {
  const subject = `os:${userName()}@${hostname()}`;
  const ref = pseudonym(digestKey, "os", subject);
  return {
    principal: { ref, method: "os", verified: true },
    sides: { principals: { [ref]: { issuer: "os", subject } } },
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`; // a container's user need not have a name
  }
}

/** The spool's bound, over all processes: measured from time to time, and counted on in between. */
async function measureRoom(spoolDir: string, maxBytes: number) {
  let used = 0;
  const measure = async (): Promise<void> => {
    used = await bytesIn(spoolDir);
  };
  await measure();
  return {
    measure,
    reserve(bytes: number): boolean {
      if (used + bytes > maxBytes) return false;
      used += bytes;
      return true;
    },
  };
}

/** A file or a folder may be sealed, sent or adopted away while this looks. */
async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    bytes += entry.isDirectory()
      ? await bytesIn(path)
      : await stat(path).then(
          (file) => file.size,
          () => 0,
        );
  }
  return bytes;
}
