import type { BatchPosition, Ledger, StoredBatch } from "../ports.ts";
import { areKnown } from "./head.ts";
import type { SequencerPorts } from "./ports.ts";
import { positionPages } from "./positions.ts";
import { sequence } from "./sequence.ts";

/** What has arrived since is on its way, and the stream's business. */
const onItsWayMs = 120_000;
/** Of up to 60 KB each. */
const batchesPerInput = 500;

export interface ReconcilePorts extends SequencerPorts {
  readonly ledger: Pick<Ledger, "positions" | "read">;
}

interface Look {
  readonly sinceMs: number;
  readonly nowMs: number;
  readonly most?: number;
  hasTime?(): boolean;
}

export interface Reconciled {
  readonly looked: number;
  /** Batches that the stream had not brought, and that are in the log now. */
  readonly found: number;
  /** Whether more are missing than one run takes, or than there was time for: the next one goes on with them. */
  readonly more: boolean;
}

/**
 * Finds batches of the ledger that were never sequenced (the stream keeps them for a day only), and sequences them, the oldest first.
 *
 * @param sinceMs how far back to look, by the batches' own last time: one that lay in a spool for longer is found by a look from 0 alone.
 * @param most so many missing ones are kept in mind, the oldest, at a few hundred bytes each.
 * @param hasTime asked before each input but the first.
 * @throws AppError as `sequence`, or where the ledger cannot be read. What was found before that is in the log; looking again is safe.
 */
export async function reconcile(
  ports: ReconcilePorts,
  { sinceMs, nowMs, most = 200_000, hasTime = () => true }: Look,
): Promise<Reconciled> {
  const { looked, missing } = await look(ports, sinceMs, most);
  let found = 0;
  let at = 0;
  for (; at < Math.min(missing.length, most) && (at === 0 || hasTime()); at += batchesPerInput) {
    const batches = await readAll(ports, missing.slice(at, Math.min(at + batchesPerInput, most)));
    const due = batches.filter(({ receivedAtMs }) => receivedAtMs <= nowMs - onItsWayMs);
    found += (await sequence(ports, due)).sequenced;
  }
  return { looked, found, more: missing.length > Math.min(at, most) };
}

/**
 * Reconciles until nothing is missing any more, or nothing more can be found, or time is up. `looked` is of the last run.
 *
 * @throws as `reconcile`.
 */
export async function reconcileAll(ports: ReconcilePorts, look: Look): Promise<Reconciled> {
  for (let found = 0; ; ) {
    const run = await reconcile(ports, look);
    found += run.found;
    // What is listed and cannot be read, or is not due yet, would be looked at for ever.
    if (!run.more || run.found === 0 || !(look.hasTime?.() ?? true)) return { ...run, found };
  }
}

/** The oldest that are missing, one more than `most` where there are more. The ledger lists in no order, so all of it is looked at before the first is sequenced. */
async function look(ports: ReconcilePorts, sinceMs: number, most: number) {
  let looked = 0;
  let missing: BatchPosition[] = [];
  for await (const positions of positionPages(ports.ledger, sinceMs)) {
    // Before the index: of what is sequenced in between it then knows too little, which `sequence` sorts out, and never too much.
    const size = (await ports.head.read())?.value.size ?? 0;
    const known = await areKnown(ports, size, positions);
    looked += positions.length;
    missing.push(...positions.filter((_, i) => !known[i]));
    if (missing.length > 2 * most) missing = missing.sort(byAge).slice(0, most + 1);
  }
  return { looked, missing: missing.sort(byAge).slice(0, most + 1) };
}

const byAge = (a: BatchPosition, b: BatchPosition): number =>
  a.lastAt - b.lastAt || (a.emitter < b.emitter ? -1 : a.emitter > b.emitter ? 1 : a.seq - b.seq);

async function readAll({ ledger }: ReconcilePorts, positions: readonly BatchPosition[]): Promise<StoredBatch[]> {
  const batches: StoredBatch[] = [];
  for (const { emitter, seq } of positions) {
    const batch = await ledger.read(emitter, seq);
    if (batch) batches.push(batch);
  }
  return batches;
}
