import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { StoredBatch } from "@tooltrail/core/ports";
import { bodyLines, firstPrev, headersHash, pack, plainEmitterId, recordLine, sha256 } from "@tooltrail/format";
import {
  type Checkpoint,
  checkpointBody,
  cosignature,
  cosignedMessage,
  decodeBundle,
  encodeBundle,
  grow,
  hashLeaf,
  leafBytes,
  logSignature,
  noteText,
  tilePath,
  tileReader,
  type VerifierKey,
  verifierKey,
  vkeyText,
} from "@tooltrail/format/log";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteBatchIndex } from "@tooltrail/local/sqlite-batch-index";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { aCall, anIdentity, aStoredBatch } from "./batches.ts";

/** A key that signs checkpoints, the same in every run: seed 0 to 255. */
export interface TestKey {
  readonly key: VerifierKey;
  readonly privateKey: KeyObject;
}

export function aKey(name: string, seed: number, type: 1 | 4 = 1): TestKey {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, seed)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const raw = Buffer.from(anIdentity(seed).key, "base64url");
  return { key: verifierKey(name, new Uint8Array(raw), type), privateKey };
}

export const origin = "log.example.com/test";
export const logKey = aKey(origin, 40);

export function signedCheckpoint(
  checkpoint: Checkpoint,
  keys: readonly TestKey[] = [logKey],
  witnesses: readonly (TestKey & { readonly atSeconds: number })[] = [],
): string {
  const body = checkpointBody(checkpoint);
  const signatures = [
    ...keys.map(({ key, privateKey }) => logSignature(key, sign(null, Buffer.from(body), privateKey))),
    ...witnesses.map(({ key, privateKey, atSeconds }) =>
      cosignature(key, atSeconds, sign(null, cosignedMessage(atSeconds, body), privateKey)),
    ),
  ];
  return noteText({ body, signatures });
}

/** A log as it stands in a bucket after each of its commits, partial tiles of all of them included. */
export interface SignedLog {
  readonly objects: Map<string, Uint8Array>;
  /** Of each commit, the last one published. */
  readonly checkpoints: (Checkpoint & { readonly text: string })[];
  readonly batches: StoredBatch[];
  readonly firstLeaves: Map<StoredBatch, number>;
}

/** Writes batches into a log of its own, `commits` of them at a time. */
export async function aSignedLog(
  commits: readonly (readonly StoredBatch[])[],
  keys: readonly TestKey[] = [logKey],
): Promise<SignedLog> {
  const objects = new Map<string, Uint8Array>();
  const read = tileReader(async (name) => objects.get(name));
  const log: SignedLog = { objects, checkpoints: [], batches: [], firstLeaves: new Map() };
  let size = 0;
  for (const batches of commits) {
    const leaves: Uint8Array[] = [];
    for (const batch of batches) {
      log.batches.push(batch);
      log.firstLeaves.set(batch, size + leaves.length);
      for (const [index, line] of (bodyLines(batch.body) ?? []).entries())
        leaves.push(leafBytes({ batch, index, line }));
    }
    const edge = size % 256;
    const before =
      edge === 0
        ? []
        : decodeBundle(await read({ level: "entries", index: Math.floor(size / 256), width: edge }), edge).map(
            (entry) => entry.slice(),
          );
    const grown = await grow(size, read, leaves.map(hashLeaf));
    for (const { tile, bytes } of grown.tiles) objects.set(tilePath(tile), bytes);
    const entries = [...before, ...leaves];
    for (let i = 0; i < entries.length; i += 256) {
      const some = entries.slice(i, i + 256);
      const tile = { level: "entries" as const, index: Math.floor((size - edge + i) / 256), width: some.length };
      objects.set(tilePath(tile), encodeBundle(some));
    }
    size = grown.size;
    const checkpoint = { origin, size, root: grown.root };
    log.checkpoints.push({ ...checkpoint, text: signedCheckpoint(checkpoint, keys) });
  }
  objects.set("checkpoint", Buffer.from(log.checkpoints.at(-1)?.text ?? ""));
  objects.set("vkey", Buffer.from(keys.map(({ key }) => `${vkeyText(key)}\n`).join("")));
  return log;
}

export function writeObjects(dir: string, objects: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, bytes] of objects) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
}

/** A stopped pipeline's data folder: the log, the ledger and the index beside it. */
export async function writeDataFolder(
  dir: string,
  log: SignedLog,
  ledger: readonly StoredBatch[] = log.batches,
): Promise<void> {
  writeObjects(join(dir, "log"), log.objects);
  const db = openDatabase(dir, false);
  const { append } = sqliteLedger(db);
  for (const batch of ledger) await append(batch);
  await sqliteBatchIndex(db).put(
    [...log.firstLeaves].map(
      ([
        {
          headers: { emitter, seq },
        },
        firstLeaf,
      ]) => ({ emitter, seq, firstLeaf }),
    ),
  );
  db.close();
}

const startMs = 1_800_000_000_000;

/** Batches of an emitter, chained; `sizes` says how many records each has. Each arrives a second after the one before. */
export async function batchesOf(seed: number, sizes: readonly number[], fromMs = startMs): Promise<StoredBatch[]> {
  const identity = anIdentity(seed);
  const batches: StoredBatch[] = [];
  let prev = firstPrev;
  for (const [seq, size] of sizes.entries()) {
    const records = Array.from({ length: size }, (_, i) =>
      aCall({ at: fromMs + seq * 1_000 + i, tool: `tool-${i % 7}` }),
    );
    const batch = await aStoredBatch(
      { identity, seq, prev, server: `server-${seed}`, records },
      fromMs + seq * 1_000 + 500,
    );
    if ("prev" in batch.headers) prev = headersHash(batch.headers);
    batches.push(batch);
  }
  return batches;
}

/** A plain event as ingest stores it: a batch of one that nobody signed. */
export async function aPlainBatch(id: string, receivedAtMs = startMs): Promise<StoredBatch> {
  const account = "000000000000";
  const body = await pack([recordLine(aCall({ at: receivedAtMs }))]);
  return {
    headers: {
      schema: "tooltrail.plain/1",
      emitter: plainEmitterId(account, "billing", id),
      seq: 0,
      source: "billing",
      server: { id: "billing" },
      count: 1,
      firstAt: receivedAtMs,
      lastAt: receivedAtMs,
      bodySha256: sha256(body),
    },
    body,
    identity: sha256(id),
    receivedAtMs,
    account,
  };
}

/** Two emitters and some plain events, in five commits: 340 leaves or so, partial tiles of several widths, a full one, two levels. */
export async function aMixedLog(): Promise<SignedLog> {
  const one = await batchesOf(1, [1, 6, 50, 90, 60, 40]);
  const two = await batchesOf(2, [3, 30, 25, 35]);
  const plain = await Promise.all(["a", "b", "c"].map((id, i) => aPlainBatch(id, startMs + i * 1_000)));
  const take = (batches: StoredBatch[], count: number): StoredBatch[] => batches.splice(0, count);
  return aSignedLog([
    take(one, 1),
    [...take(one, 1), ...take(two, 2), ...take(plain, 1)],
    [...take(one, 2), ...take(two, 1), ...take(plain, 1)],
    [...take(one, 1), ...take(two, 1)],
    [...one, ...plain],
  ]);
}
