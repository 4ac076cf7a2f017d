import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Judged, judgeCheckpoint, type Seen } from "@tooltrail/core/log/witness";
import { loadOrMake, makeInstallationKey } from "@tooltrail/format/keys";
import { cosignature, cosignedMessage, signatureLine, type VerifierKey, verifierKey } from "@tooltrail/format/log";

/** A witness with its key and its memory. */
export interface Witness {
  readonly key: VerifierKey;
  /** One request, after all that came before it. A cosignature is given out only once what it says is on the disk. */
  answer(request: string): Promise<{ readonly status: number; readonly text: string; readonly contentType: string }>;
  close(): void;
}

/** DER of an Ed25519 public key before its 32 raw bytes (RFC 8410). */
const spkiPrefixBytes = 12;

/**
 * Opens a witness's folder for this process alone.
 *
 * What it has signed lies in SQLite, locked by the kernel for as long as the process lives, and written with an fsync before each answer: killed at any moment, it has signed
 * nothing that it does not remember. `key.json` (0600) has its name and its key.
 *
 * @throws Error where another process has the folder, or it cannot be written.
 */
export function openWitness(
  dir: string,
  name: string | undefined,
  logs: readonly VerifierKey[],
  now: () => number = Date.now,
): Witness {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const db = openMemory(dir);
  const { signingKey, key } = openKey(join(dir, "key.json"), name);
  const seen = db.prepare("SELECT size, root FROM seen WHERE origin = ?");
  const keep = db.prepare(
    `INSERT INTO seen (origin, size, root) VALUES (?, ?, ?)
     ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root WHERE excluded.size >= seen.size`,
  );
  let last: Promise<unknown> = Promise.resolve();

  async function answer(request: string): Promise<{ status: number; text: string; contentType: string }> {
    const judged: Judged = await judgeCheckpoint(logs, (origin) => seen.get(origin) as Seen | undefined, request);
    if (judged.status !== 200) return judged;
    // On the disk when this returns. Where it fails, nothing is signed.
    keep.run(judged.origin, judged.seen.size, judged.seen.root);
    const atSeconds = Math.floor(now() / 1_000);
    const signature = sign(null, cosignedMessage(atSeconds, judged.body), signingKey);
    return { status: 200, text: signatureLine(cosignature(key, atSeconds, signature)), contentType: "text/plain" };
  }

  return {
    key,
    answer(request) {
      // One after the other: what one request was judged by, no other may change before it is kept.
      const mine = last.then(() => answer(request));
      last = mine.catch(() => undefined);
      return mine;
    },
    close: () => db.close(),
  };
}

function openMemory(dir: string): DatabaseSync {
  const db = new DatabaseSync(join(dir, "seen.db"));
  try {
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL) STRICT;
      COMMIT;
    `);
    return db;
  } catch (error) {
    db.close();
    const busy = ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
    throw new Error(
      busy ? `${dir} is in use by another witness.` : `${dir} cannot be used: ${(error as Error).message}.`,
      { cause: error },
    );
  }
}

function openKey(
  file: string,
  name: string | undefined,
): { signingKey: ReturnType<typeof createPrivateKey>; key: VerifierKey } {
  const made = name ?? `witness.tooltrail.local/${randomBytes(8).toString("hex")}`;
  const text = loadOrMake(file, () => `${JSON.stringify({ name: made, pem: makeInstallationKey() }, undefined, 2)}\n`);
  const kept = JSON.parse(text) as { name: string; pem: string };
  if (name !== undefined && kept.name !== name)
    throw new Error(`--name: this witness is called ${kept.name}, and others know it by that.`);
  const signingKey = createPrivateKey(kept.pem);
  const raw = createPublicKey(signingKey).export({ format: "der", type: "spki" }).subarray(spkiPrefixBytes);
  return { signingKey, key: verifierKey(kept.name, new Uint8Array(raw), 4) };
}
