import { type AuditRecord, upcast } from "@tooltrail/format";
import {
  consistencyProof,
  decodeBundle,
  openCheckpoint,
  parseLeaf,
  tilePath,
  tileReader,
  type VerifierKey,
  verifiedTiles,
  verifyConsistency,
} from "@tooltrail/format/log";
import { halt, haltingAt } from "../log/halt.ts";
import type { BlobReader, Checkpoints } from "../log/ports.ts";
import type { LogLeaf } from "./projection.ts";

/** What reading the log takes. `logKeys` are those whose signature makes a checkpoint. */
export interface LeafPorts {
  readonly blobs: BlobReader;
  readonly checkpoints: Pick<Checkpoints, "read">;
  readonly logKeys: readonly VerifierKey[];
}

/** A place in the log's history; `root` in base64. */
export interface Signed {
  readonly size: number;
  readonly root: string;
}

/** The leaves under one signed checkpoint, each checked against it before it is given out. */
export interface SignedLeaves extends Signed {
  /**
   * @returns undefined at the end, and where the checkpoint ends before the leaf's batch does: a batch is read whole.
   * @throws AppError halted where what is stored is not what was signed.
   */
  at(number: number): Promise<LogLeaf | undefined>;
  /** @throws AppError halted where the log does not go on from there: it was rolled back, or is another one. */
  mustExtend(before: Signed): Promise<void>;
}

type Unplaced = Omit<LogLeaf, "lastAt">;

const bundleWidth = 256;
/** Decoded bundles that are kept: several projections read the same leaves, one after the other. */
const keptBundles = 16;
const keptBatches = 64;

/** The published checkpoint and what is under it; undefined where nothing is published yet. @throws AppError halted where it is not signed by these keys. */
export async function openLeaves({ blobs, checkpoints, logKeys }: LeafPorts): Promise<SignedLeaves | undefined> {
  const text = await checkpoints.read();
  if (text === undefined) return undefined;
  const { size, root } = await haltingAt("checkpoint", () => openCheckpoint(text, logKeys));
  const read = verifiedTiles(
    size,
    root,
    tileReader((name) => blobs.read(name)),
  );
  const bundles = new Map<number, readonly Unplaced[]>();
  const lastTimes = new Map<number, number>();

  async function bundleOf(index: number): Promise<readonly Unplaced[]> {
    const kept = bundles.get(index);
    if (kept) return kept;
    const tile = { level: "entries", index, width: Math.min(bundleWidth, size - index * bundleWidth) } as const;
    const leaves = await haltingAt(tilePath(tile), async () =>
      decodeBundle(await read(tile), tile.width).map((bytes, i) => leafOf(index * bundleWidth + i, bytes)),
    );
    keep(bundles, index, leaves, keptBundles);
    return leaves;
  }

  async function leafAt(number: number): Promise<Unplaced> {
    const leaf = (await bundleOf(Math.floor(number / bundleWidth)))[number % bundleWidth];
    if (leaf === undefined) throw halt("checkpoint", `leaf ${number} is none of ${size}.`);
    return leaf;
  }

  async function lastAtOf(first: number, count: number): Promise<number> {
    const kept = lastTimes.get(first);
    if (kept !== undefined) return kept;
    let lastAt = 0;
    for (let number = first; number < first + count; number += 1)
      lastAt = Math.max(lastAt, (await leafAt(number)).record.at);
    keep(lastTimes, first, lastAt, keptBatches);
    return lastAt;
  }

  return {
    size,
    root: base64(root),
    async at(number) {
      if (number >= size) return undefined;
      const leaf = await leafAt(number);
      const first = number - leaf.index;
      if (first < 0 || first + leaf.count > size) return undefined;
      return { ...leaf, lastAt: await lastAtOf(first, leaf.count) };
    },
    async mustExtend(before) {
      if (before.size === size && before.root === base64(root)) return;
      const proven =
        before.size < size &&
        (await haltingAt("checkpoint", async () => {
          const proof = await consistencyProof(before.size, size, read);
          return verifyConsistency({ oldSize: before.size, oldRoot: fromBase64(before.root), size, root, proof });
        }));
      if (proven) return;
      const now = `${size} leaves, root ${base64(root)}`;
      throw halt("checkpoint", `${now}, does not extend ${before.size} leaves, root ${before.root}, followed before.`);
    },
  };
}

function leafOf(number: number, bytes: Uint8Array): Unplaced {
  const { emitter, seq, index, count, server, key, receivedAtMs, record } = parseLeaf(bytes);
  const current: AuditRecord = upcast(record);
  return {
    number,
    emitter,
    seq,
    index,
    count,
    server,
    receivedAtMs,
    record: current,
    ...(key !== undefined && { key }),
  };
}

function keep<Value>(map: Map<number, Value>, at: number, value: Value, most: number): void {
  map.set(at, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
