import type { BatchPlace } from "../log/ports.ts";
import type { PositionPage, StoredBatch } from "../ports.ts";

/** An object as a folder or a bucket has it. More than one version, or a deletion on record, means that somebody has been at it. */
export interface StoredObject {
  readonly name: string;
  readonly versions: number;
  readonly deleted: boolean;
}

/**
 * The log's objects, from wherever they lie. Nothing of what it gives is believed.
 *
 * `read` gives an object by its name (`checkpoint`, `tile/0/000`), undefined where there is none. `list` names everything that is there, or nothing at all
 * (undefined) where that cannot be told, as behind a URL.
 *
 * @throws Error where the source cannot be asked: that is no finding about the log.
 */
export interface LogSource {
  read(name: string): Promise<Uint8Array | undefined>;
  list(): Promise<readonly StoredObject[] | undefined>;
}

/** What the ledger, and the index beside it, know of a batch. `unreadable` says why what lies there is none. */
export interface LedgerEntry extends BatchPlace {
  readonly batch?: StoredBatch;
  readonly unreadable?: string;
  readonly firstLeaf?: number;
}

/** So many batches may be asked for by their places at a time. */
export const placesPerRequest = 100;

/**
 * The ledger, to be compared with the log. Nothing of what it gives is believed either.
 *
 * `batchesFrom` gives the batches that begin at a leaf or after it, in the log's order, a page at a time; `next` is the leaf to go on from, absent at the log's
 * end. Where the log cannot be read they are left out. `positions` lists every batch of the ledger, page by page and in no order. `entries` gives batches by their
 * places, `placesPerRequest` at most, in the order asked: the first ones, at least one, where all are too large for one answer.
 */
export interface LedgerSource {
  batchesFrom(leaf: number): Promise<{ readonly entries: readonly LedgerEntry[]; readonly next?: number }>;
  positions(cursor: string | undefined): Promise<PositionPage>;
  entries(places: readonly BatchPlace[]): Promise<readonly LedgerEntry[]>;
}
