import { createHash, generateKeyPairSync, sign as signEd25519 } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { AppError } from "@tooltrail/core/errors";
import type {
  BatchIndex,
  Blobs,
  Checkpoints,
  Head,
  Promised,
  Register,
  SequencerPorts,
  SignerPorts,
  SigningKey,
} from "@tooltrail/core/log/ports";
import type { Events, StoredBatch } from "@tooltrail/core/ports";
import { bodyLines, type PipelineEvent } from "@tooltrail/format";
import {
  cosignature,
  cosignedMessage,
  decodeBundle,
  leafBytes,
  noteText,
  parseAddCheckpoint,
  parseNote,
  parseTilePath,
  type VerifierKey,
  verifierKey,
} from "@tooltrail/format/log";
import { randomFrom } from "./pieces.ts";

/** Everything that sequencer and signer ask for, in one place. */
export type LogPorts = SequencerPorts & SignerPorts;

/** The register's value is an earlier one again, as after a table was restored. */
export async function restore<Value>(register: Register<Value>, value: Value): Promise<void> {
  if (!(await register.write(value, (await register.read())?.version))) throw new Error("Somebody else writes.");
}

/** The same store, in a process that remembers nothing. */
export const inNewProcess = (ports: LogPorts): LogPorts => ({ ...ports, head: { ...ports.head } });

/** A register, blobs, … that keep exactly what `ports.ts` promises, and nothing more: for schedules by the thousand. */
export function memoryLog(world: Pick<SignerPorts, "origin" | "keys" | "witnesses">) {
  const objects = new Map<string, Uint8Array>();
  const rows = new Map<string, number>();
  const said: PipelineEvent[] = [];
  const head = memoryRegister<Head>();
  const promised = memoryRegister<Promised>();
  const blobs: Blobs = {
    async put(name, bytes) {
      if (objects.has(name)) return "exists";
      objects.set(name, Uint8Array.from(bytes));
      return "put";
    },
    read: async (name) => objects.get(name),
    list: async (prefix) => [...objects.keys()].filter((name) => name.startsWith(prefix)),
    async retire(names) {
      for (const name of names) objects.delete(name);
    },
  };
  const key = ({ emitter, seq }: { emitter: string; seq: number }): string => `${emitter} ${seq}`;
  const index: BatchIndex = {
    async put(entries) {
      for (const entry of entries) rows.set(key(entry), entry.firstLeaf);
    },
    firstLeaves: async (batches) => batches.map((batch) => rows.get(key(batch))),
  };
  let checkpoint: string | undefined;
  const checkpoints: Checkpoints = {
    read: async () => checkpoint,
    async publish(text, over) {
      if (checkpoint !== over) return false;
      checkpoint = text;
      return true;
    },
    async publishKeys() {},
  };
  const events: Events = {
    async publish(event) {
      said.push(event);
    },
  };
  const ports: LogPorts = { ...world, head, promised, blobs, index, checkpoints, events };
  return { ports, objects, rows, said };
}

function memoryRegister<Value>(): Register<Value> {
  let now: { value: Value; version: number } | undefined;
  return {
    read: async () => now,
    async write(value, expected) {
      if (now?.version !== expected) return false;
      now = { value, version: (now?.version ?? 0) + 1 };
      return true;
    },
  };
}

/** A key as KMS has one: what it was asked to sign is on record. */
export function aSigningKey(): SigningKey & { readonly signed: string[] } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const signed: string[] = [];
  return {
    publicKey: new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(12)),
    signed,
    async sign(message) {
      signed.push(Buffer.from(message).toString());
      return new Uint8Array(signEd25519(null, message, privateKey));
    },
  };
}

/** A witness that does what the protocol says, as far as a signer sees: it cosigns what is larger than what it saw. */
export function aWitness(name: string, nowSeconds = () => 1_800_000_000) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key: VerifierKey = verifierKey(
    name,
    new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(12)),
    4,
  );
  const witness = {
    key,
    seen: 0,
    asked: [] as string[],
    async cosign(request: string) {
      witness.asked.push(request);
      const { oldSize, checkpoint } = parseAddCheckpoint(request);
      if (oldSize !== witness.seen) return { status: 409, text: `${witness.seen}\n` };
      const { body } = parseNote(checkpoint);
      witness.seen = Number(body.split("\n")[1]);
      const signature = cosignature(
        key,
        nowSeconds(),
        new Uint8Array(signEd25519(null, cosignedMessage(nowSeconds(), body), privateKey)),
      );
      return { status: 200, text: noteText({ body, signatures: [signature] }).slice(body.length + 1) };
    },
  };
  return witness;
}

export type FaultKind = "failed" | "failed but persisted" | "killed before" | "killed after";
export const faultKinds: readonly FaultKind[] = ["failed", "failed but persisted", "killed before", "killed after"];

const actors = ["head", "promised", "blobs", "index", "checkpoints", "events"] as const;

/** Every method of every port, the keys' and the witnesses' too, through `around`: all that a process does to the world. */
export function through(
  ports: LogPorts,
  around: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): LogPorts {
  const wrap = <T extends object>(port: string, real: T): T =>
    Object.fromEntries(
      Object.entries(real).map(([method, value]) => [
        method,
        typeof value === "function"
          ? (...args: unknown[]) => around(`${port}.${method}`, () => value.apply(real, args) as Promise<unknown>)
          : value,
      ]),
    ) as T;
  return {
    ...ports,
    ...Object.fromEntries(actors.map((port) => [port, wrap(port, ports[port])])),
    keys: ports.keys.map((key) => wrap("key", key)),
    witnesses: ports.witnesses.map((one) => wrap("witness", one)),
  };
}

/** Ports whose `n`th call, counted over all of them, goes wrong; killed, so does every later one. `names` are the calls so far. */
export function faultyAt(ports: LogPorts, n: number, kind: FaultKind): LogPorts & { readonly names: string[] } {
  const names: string[] = [];
  const wrapped = through(ports, async (name, call) => {
    const mine = names.push(name) - 1;
    if (mine < n || (mine > n && kind.startsWith("failed"))) return call();
    if (mine === n && (kind === "failed but persisted" || kind === "killed after")) await call();
    const outcome = kind === "failed" || kind === "killed before" ? "not-applied" : "unknown";
    throw new AppError("unavailable", `${name} ${kind}`, { outcome });
  });
  return { ...wrapped, names };
}

export const never = Number.MAX_SAFE_INTEGER;

/**
 * Runs several actors at once, one port call at a time, in an order that the seed decides; some calls fail, before or after they did something, as often as
 * `faults` says (0 to 1). An actor that throws has been killed; it comes again, `lives` times in all.
 */
export async function interleaved(
  seed: number,
  ports: LogPorts,
  work: readonly ((ports: LogPorts) => Promise<unknown>)[],
  { faults = 0, lives = 3 } = {},
): Promise<unknown[]> {
  const random = randomFrom(seed);
  const pending: { actor: number; go: () => Promise<void> }[] = [];
  const gated = (actor: number): LogPorts =>
    through(
      ports,
      (name, call) =>
        new Promise((resolve, reject) => {
          const go = async (): Promise<void> => {
            const luck = random();
            if (luck < faults / 2)
              return reject(new AppError("unavailable", `${name} failed`, { outcome: "not-applied" }));
            const late = new AppError("unavailable", `${name} failed late`, { outcome: "unknown" });
            await call().then((value) => (luck < faults ? reject(late) : resolve(value)), reject);
          };
          pending.push({ actor, go });
        }),
    );
  const thrown: unknown[] = [];
  let running = work.length;
  for (const [actor, one] of work.entries())
    void (async () => {
      for (let life = 1; life <= lives; life += 1) {
        try {
          await one(inNewProcess(gated(actor)));
          break;
        } catch (error) {
          thrown.push(error);
        }
      }
      running -= 1;
    })();
  let weights = work.map(() => 1);
  for (let step = 1; running > 0; step += 1) {
    await setImmediate();
    // Some sleep for a while, or else nobody would ever find that all has changed since it looked.
    if (step % 12 === 0) weights = weights.map(() => (random() < 0.5 ? 0.01 : 1));
    let at = random() * pending.reduce((sum, { actor }) => sum + (weights[actor] ?? 1), 0);
    const next = pending.findIndex(({ actor }) => {
      at -= weights[actor] ?? 1;
      return at < 0;
    });
    await pending.splice(next, next < 0 ? 0 : 1)[0]?.go();
  }
  return thrown;
}

const sha = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const leafHash = (entry: Uint8Array): Buffer => sha(Uint8Array.of(0), entry);

/** RFC 6962, section 2.1, as it is written there. */
export function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha();
  if (leaves.length === 1) return Buffer.from(leaves[0] ?? []);
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return sha(Uint8Array.of(1), naiveRoot(leaves.slice(0, half)), naiveRoot(leaves.slice(half)));
}

/** What is wrong with a log, told from its objects alone by other code than that which wrote it. Empty: every record of these batches is in it exactly once, and everything fits. */
export async function problemsOf(ports: LogPorts, batches: readonly StoredBatch[]): Promise<string[]> {
  const problems: string[] = [];
  const head = (await ports.head.read())?.value;
  if (head?.staged) problems.push("a commit is still staged");
  const size = head?.size ?? 0;
  const names = await ports.blobs.list("tile/");
  const objects = new Map<string, Uint8Array>();
  for (const name of names) objects.set(name, (await ports.blobs.read(name)) ?? new Uint8Array());

  const entries: Uint8Array[] = [];
  for (let index = 0; index * 256 < size; index += 1) {
    const width = Math.min(256, size - index * 256);
    const found = [...objects].find(([name]) => {
      const tile = parseTilePath(name);
      return tile?.level === "entries" && tile.index === index && tile.width === width;
    });
    if (found) entries.push(...decodeBundle(found[1], width));
    else problems.push(`no bundle ${index} of ${width}`);
  }
  const expected = new Map<string, string>();
  for (const batch of batches)
    for (const [index, line] of (bodyLines(batch.body) ?? []).entries())
      expected.set(
        Buffer.from(leafBytes({ batch, index, line })).toString(),
        `${batch.headers.emitter} ${batch.headers.seq} ${index}`,
      );
  const seen = new Map<string, number>();
  for (const [leaf, entry] of entries.entries()) {
    const text = Buffer.from(entry).toString();
    const record = expected.get(text);
    if (record === undefined) problems.push(`leaf ${leaf} is nobody's`);
    else if (seen.has(text)) problems.push(`${record} is there twice: ${seen.get(text)} and ${leaf}`);
    seen.set(text, leaf);
  }
  for (const [text, record] of expected) if (!seen.has(text)) problems.push(`${record} is missing`);

  const places = batches.map(({ headers: { emitter, seq } }) => ({ emitter, seq }));
  for (const [i, firstLeaf] of (await ports.index.firstLeaves(places)).entries()) {
    const batch = batches[i];
    for (const [index, line] of (bodyLines(batch?.body ?? "") ?? []).entries())
      if (batch && seen.get(Buffer.from(leafBytes({ batch, index, line })).toString()) !== (firstLeaf ?? never) + index)
        problems.push(`the index says ${firstLeaf} for ${batch.headers.emitter} ${batch.headers.seq}`);
  }

  const levels: Buffer[][] = [entries.map(leafHash)];
  while ((levels.at(-1)?.length ?? 0) >= 256) {
    const below = levels.at(-1) ?? [];
    levels.push(
      Array.from({ length: Math.floor(below.length / 256) }, (_, i) => naiveRoot(below.slice(i * 256, i * 256 + 256))),
    );
  }
  for (const [name, bytes] of objects) {
    const tile = parseTilePath(name);
    if (tile === undefined) problems.push(`${name} is no tile`);
    else if (tile.level === "entries") {
      const there = decodeBundle(bytes, tile.width).map((entry) => Buffer.from(entry).toString("base64"));
      const due = entries
        .slice(tile.index * 256, tile.index * 256 + tile.width)
        .map((entry) => Buffer.from(entry).toString("base64"));
      if (there.join() !== due.join()) problems.push(`${name} has other entries`);
    } else {
      const due = levels[tile.level]?.slice(tile.index * 256, tile.index * 256 + tile.width) ?? [];
      if (Buffer.compare(bytes, Buffer.concat(due)) !== 0) problems.push(`${name} has other hashes`);
    }
  }
  for (const [level, hashes] of levels.entries())
    for (let index = 0; index * 256 < hashes.length; index += 1) {
      const width = Math.min(256, hashes.length - index * 256);
      const there = names.some((name) => {
        const tile = parseTilePath(name);
        return tile?.level === level && tile.index === index && tile.width === width;
      });
      if (!there) problems.push(`no tile ${level}/${index} of ${width}`);
    }
  return problems;
}

/** What is wrong with what keys have signed, given that the log's leaves are now these: each must be the root of a beginning. */
export async function contradictionsOf(ports: LogPorts, signed: readonly string[]): Promise<string[]> {
  const size = (await ports.head.read())?.value.size ?? 0;
  const hashes: Buffer[] = [];
  for (let index = 0; index * 256 < size; index += 1) {
    const widest = (await ports.blobs.list("tile/entries/"))
      .map((name) => ({ name, tile: parseTilePath(name) }))
      .filter(({ tile }) => tile?.level === "entries" && tile.index === index)
      .sort((a, b) => (b.tile?.width ?? 0) - (a.tile?.width ?? 0))[0];
    const bytes = widest && (await ports.blobs.read(widest.name));
    if (bytes) hashes.push(...decodeBundle(bytes, widest.tile?.width ?? 0).map(leafHash));
  }
  return [...new Set(signed)].flatMap((body) => {
    const [, said = "", root = ""] = body.split("\n");
    const due = naiveRoot(hashes.slice(0, Number(said))).toString("base64");
    return Number(said) <= hashes.length && due === root ? [] : [`signed ${said} leaves with root ${root}, not ${due}`];
  });
}
