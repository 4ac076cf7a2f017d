import { AppError } from "@tooltrail/core/errors";
import { type FollowPorts, follow, type Progress } from "@tooltrail/core/follow/follow";
import type { Cursor, Projections, Row } from "@tooltrail/core/follow/ports";
import type { Projection } from "@tooltrail/core/follow/projection";
import { jsonRows } from "@tooltrail/core/follow/row-limits";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import type { StoredBatch } from "@tooltrail/core/ports";
import { canonical } from "@tooltrail/format";
import { verifierKey } from "@tooltrail/format/log";
import { adapterSets } from "./adapters.ts";
import { aSigningKey, memoryLog } from "./log-faults.ts";
import { randomFrom } from "./pieces.ts";

const origin = "tooltrail.test/log";

/** A log that its own sequencer and signer make, and its objects in reach of whoever wants to spoil them. */
export function aLog(key = aSigningKey()) {
  const { ports, objects } = memoryLog({ origin, keys: [key], witnesses: [] });
  let nowMs = 1_900_000_000_000;
  return {
    objects,
    blobs: ports.blobs,
    checkpoints: ports.checkpoints,
    logKeys: [verifierKey(origin, key.publicKey)],
    key,
    async append(batches: readonly StoredBatch[]): Promise<void> {
      nowMs += 1_000;
      await sequence(ports, batches);
      await sign(ports, nowMs);
    },
  };
}

/** Rows that keep exactly what the port promises, and nothing more: for schedules by the thousand. */
export function memoryProjections(): Projections {
  const cursors = new Map<string, string>();
  const rows = new Map<string, string>();
  const keyOf = (...parts: (string | number)[]): string => parts.join("\n");
  return {
    async cursor(projection) {
      const text = cursors.get(projection);
      return text === undefined ? undefined : (JSON.parse(text) as Cursor);
    },
    async commit(projection, { from, to, generation, rows: changed }) {
      if (cursors.get(projection) !== (from && canonical(from))) return false;
      for (const { collection, id, json } of jsonRows(changed)) {
        const key = keyOf(projection, generation, collection, id);
        if (json === undefined) rows.delete(key);
        else rows.set(key, json);
      }
      cursors.set(projection, canonical(to));
      return true;
    },
    async read(projection, generation, keys) {
      return keys.map(({ collection, id }) => {
        const text = rows.get(keyOf(projection, generation, collection, id));
        return text === undefined ? undefined : { collection, id, value: JSON.parse(text) as Row["value"] };
      });
    },
    async list(projection, generation, { collection, after = "", upTo, newestFirst, limit }) {
      const prefix = keyOf(projection, generation, collection, "");
      const found = [...rows]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, text]) => ({ collection, id: key.slice(prefix.length), value: JSON.parse(text) as Row["value"] }))
        .filter(({ id }) => (newestFirst ? upTo === undefined || id <= upTo : id > after))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      return (newestFirst ? found.reverse() : found).slice(0, limit);
    },
    async drop(projection, generation) {
      for (const key of rows.keys()) if (key.startsWith(keyOf(projection, generation, ""))) rows.delete(key);
    },
  };
}

export interface ProjectionStore {
  readonly projections: Projections;
  close(): Promise<void>;
}

export const projectionStores: readonly (readonly [name: string, open: () => Promise<ProjectionStore>])[] = [
  ["memory", async () => ({ projections: memoryProjections(), close: async () => undefined })],
  ...adapterSets.map(
    ([name, open]) =>
      [
        name,
        async () => {
          const ports = await open();
          return { projections: ports.projections, close: () => ports.close() };
        },
      ] as const,
  ),
];

/** Follows until there is nothing more to do. */
export async function followAll(
  ports: FollowPorts,
  projections: readonly Projection[],
  rounds = 50,
): Promise<Progress[]> {
  for (let call = 0; call < 1_000; call += 1) {
    const progress = await follow(ports, projections, rounds);
    if (progress.every(({ more }) => !more)) return progress;
  }
  throw new Error("It goes on for ever.");
}

/** Every call that a follower makes, through `around`. */
export function around(
  ports: FollowPorts,
  run: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): FollowPorts {
  const wrap = <T extends object>(port: string, real: T): T =>
    Object.fromEntries(
      Object.entries(real).map(([method, value]) => [
        method,
        (...args: unknown[]) => run(`${port}.${method}`, () => value.apply(real, args) as Promise<unknown>),
      ]),
    ) as T;
  return {
    ...ports,
    blobs: wrap("blobs", { read: ports.blobs.read }),
    checkpoints: wrap("checkpoints", { read: ports.checkpoints.read }),
    projections: wrap("projections", ports.projections),
  };
}

export const faults = ["failed", "failed but persisted", "killed before", "killed after"] as const;

/** Ports whose `n`th call goes wrong; killed, so does every later one. `calls` counts. */
export function faultyAt(
  ports: FollowPorts,
  n: number,
  fault: (typeof faults)[number],
): FollowPorts & { readonly calls: { made: number } } {
  const calls = { made: 0 };
  const wrapped = around(ports, async (name, call) => {
    const mine = calls.made++;
    if (mine < n || (mine > n && fault.startsWith("failed"))) return call();
    if (mine === n && (fault === "failed but persisted" || fault === "killed after")) await call();
    const outcome = fault === "failed" || fault === "killed before" ? "not-applied" : "unknown";
    throw new AppError("unavailable", `${name} ${fault}`, { outcome });
  });
  return { ...wrapped, calls };
}

/** Several followers at once, one port call at a time, in an order that the seed decides. A follower that is done or fails begins again, `lives` times. */
export async function interleaved(
  seed: number,
  ports: FollowPorts,
  work: readonly ((ports: FollowPorts) => Promise<unknown>)[],
  { failing = 0, lives = 3 } = {},
): Promise<void> {
  const random = randomFrom(seed);
  const pending: (() => Promise<void>)[] = [];
  const gated = around(
    ports,
    (name, call) =>
      new Promise((resolve, reject) => {
        pending.push(async () => {
          const luck = random();
          const error = new AppError("unavailable", `${name} failed`, { outcome: "unknown" });
          if (luck < failing / 2) return reject(error);
          await call().then((value) => (luck < failing ? reject(error) : resolve(value)), reject);
        });
      }),
  );
  let running = work.length;
  const unexpected: unknown[] = [];
  for (const one of work)
    void (async () => {
      for (let life = 0; life < lives; life += 1)
        await one(gated).catch((error) => {
          if (!(error instanceof AppError) || error.code !== "unavailable") unexpected.push(error);
        });
      running -= 1;
    })();
  while (running > 0) {
    await new Promise(setImmediate);
    await pending.splice(Math.floor(random() * pending.length), 1)[0]?.();
  }
  if (unexpected.length > 0) throw unexpected[0];
}
