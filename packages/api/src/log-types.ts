import type { ListedBatch } from "@tooltrail/core/ports";
import type { LedgerEntry } from "@tooltrail/core/verify/sources";

/** `/v1/batches` with a leaf or places: batches with their index rows, and, of a leaf, the one to go on from. */
export interface BatchesPage {
  readonly batches: readonly LedgerEntry[];
  readonly next: number | null;
}

/** `/v1/batches` without: where they are listed, in no order. */
export interface PositionsPage {
  readonly positions: readonly ListedBatch[];
  readonly next: string | null;
}
