import {
  decodeBundle,
  LogFormatError,
  parseCheckpointBody,
  parseLeaf,
  parseNote,
  tileReader,
  tileWidth,
} from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import type { BatchIndex, BatchPlace, BlobReader, Checkpoints } from "../log/ports.ts";
import { maxPageBytes } from "../page.ts";
import type { Ledger } from "../ports.ts";
import type { LedgerEntry, LedgerSource } from "./sources.ts";

/** What is asked to compare ledger and log. */
export interface ServedLedgerPorts {
  readonly ledger: Pick<Ledger, "read" | "positions">;
  readonly index: Pick<BatchIndex, "firstLeaves">;
  readonly blobs: BlobReader;
  readonly checkpoints: Pick<Checkpoints, "read">;
}

/** A page looks through so many bundles at most: where batches are large, it is full before. */
const maxBundlesPerPage = 32;
const positionsPerPage = 1_000;

/**
 * The ledger for whoever verifies, as this pipeline itself serves it. Which batches a page has, the log's own leaves tell; nothing is checked here, that is the
 * verifier's part.
 */
export function serveLedger({ ledger, index, blobs, checkpoints }: ServedLedgerPorts): LedgerSource {
  const read = tileReader((name) => blobs.read(name));

  return {
    async batchesFrom(leaf) {
      const size = await signedSize(checkpoints);
      const page: LedgerEntry[] = [];
      let bytes = 0;
      const last = Math.min(Math.ceil(size / tileWidth), Math.floor(leaf / tileWidth) + maxBundlesPerPage);
      for (let bundle = Math.floor(leaf / tileWidth); bundle < last; bundle += 1) {
        const begins = (await beginningsIn(bundle, size)).filter(({ at }) => at >= leaf);
        const entries = await entriesOf(begins);
        for (const [i, entry] of entries.entries()) {
          bytes += bytesOf(entry);
          if (bytes > maxPageBytes && page.length > 0) return { entries: page, next: begins[i]?.at ?? leaf };
          page.push(entry);
        }
      }
      return { entries: page, ...(last * tileWidth < size && { next: last * tileWidth }) };
    },
    positions: (cursor) =>
      ledger.positions({ sinceMs: 0, ...(cursor !== undefined && { cursor }), limit: positionsPerPage }),
    async entries(places) {
      const entries = await entriesOf(places);
      let bytes = 0;
      const over = entries.findIndex((entry) => {
        bytes += bytesOf(entry);
        return bytes > maxPageBytes;
      });
      return over === -1 ? entries : entries.slice(0, Math.max(1, over));
    },
  };

  /** Of what cannot be read, none: the verifier, who reads the same, says what is wrong with it. */
  async function beginningsIn(bundle: number, size: number): Promise<(BatchPlace & { at: number })[]> {
    const width = Math.min(tileWidth, size - bundle * tileWidth);
    const leaves = await readable(async () =>
      decodeBundle(await read({ level: "entries", index: bundle, width }), width),
    );
    const begins: (BatchPlace & { at: number })[] = [];
    // A leaf says how many of its batch are still to come: what is between one beginning and the next is not looked at.
    for (let i = 0; i < (leaves?.length ?? 0); ) {
      const leaf = await readable(async () => parseLeaf(leaves?.[i] ?? new Uint8Array()));
      if (leaf?.index === 0) begins.push({ emitter: leaf.emitter, seq: leaf.seq, at: bundle * tileWidth + i });
      i += leaf === undefined ? 1 : leaf.count - leaf.index;
    }
    return begins;
  }

  async function entriesOf(places: readonly BatchPlace[]): Promise<LedgerEntry[]> {
    if (places.length === 0) return [];
    const [batches, firstLeaves] = await Promise.all([
      Promise.all(
        places.map(({ emitter, seq }) => ledger.read(emitter, seq).then((batch) => batch && { batch }, unreadable)),
      ),
      index.firstLeaves(places),
    ]);
    return places.map(({ emitter, seq }, i) => {
      const firstLeaf = firstLeaves[i];
      return { emitter, seq, ...batches[i], ...(firstLeaf !== undefined && { firstLeaf }) };
    });
  }
}

/** What lies there and is no batch is for the verifier to hear of; that the ledger cannot be asked is not. */
function unreadable(error: unknown): { unreadable: string } {
  const cause = error instanceof AppError && error.code === "internal" ? error.cause : error;
  if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw error;
  return { unreadable: (error as Error).message };
}

async function signedSize(checkpoints: Pick<Checkpoints, "read">): Promise<number> {
  const text = await checkpoints.read();
  return (await readable(async () => parseCheckpointBody(parseNote(text ?? "").body).size)) ?? 0;
}

async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof LogFormatError) return undefined;
    throw error;
  }
}

/** As JSON, nearly: all but the body is small, and the body is base64. */
const bytesOf = ({ batch }: LedgerEntry): number => (batch?.body.length ?? 0) + 4_096;
