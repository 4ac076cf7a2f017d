import type { BatchPlace } from "../log/ports.ts";
import type { LedgerEntry, LedgerSource } from "./sources.ts";

/** Gives the ledger's entry of a batch, and is asked leaf by leaf: `leaf` is the one that the batch begins at. */
export type EntryAt = (place: BatchPlace, leaf: number) => Promise<LedgerEntry>;

/**
 * The ledger's batches in the log's order, as the leaves come to ask for them: a page is fetched while the one before is being checked.
 *
 * @param start the leaf to begin at.
 * @param size how many leaves there are: no page begins behind them.
 * @throws Error where the source does not come to an end.
 */
export function readLedger(source: LedgerSource, start: number, size: number): EntryAt {
  let entries: readonly LedgerEntry[] = [];
  let at = 0;
  /** Where the page that is coming begins; the one at hand has what begins before it. */
  let from = start;
  let coming = ahead(source.batchesFrom(from));

  async function turnTo(leaf: number): Promise<void> {
    while (leaf >= from) {
      const { entries: got, next = size } = await coming;
      entries = got;
      at = 0;
      if (!(next > from)) throw new Error(`The ledger gives leaf ${next} after leaf ${from}.`);
      from = next;
      if (from < size) coming = ahead(source.batchesFrom(from));
    }
  }

  return async ({ emitter, seq }, leaf) => {
    if (leaf >= from) await turnTo(leaf);
    const place = { emitter, seq };
    // Nearly always the next one. It may have read leaves that could not be read here, or not those that could.
    const found = isOf(entries[at], place) ? at : entries.findIndex((entry, i) => i > at && isOf(entry, place));
    const entry = entries[found];
    if (entry !== undefined) {
      at = found + 1;
      return entry;
    }
    const [one] = await source.entries([place]);
    return isOf(one, place) ? (one as LedgerEntry) : place;
  };
}

const isOf = (entry: BatchPlace | undefined, { emitter, seq }: BatchPlace): boolean =>
  entry?.emitter === emitter && entry.seq === seq;

/** Whoever never comes to await it is not brought down by its failure. */
function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
