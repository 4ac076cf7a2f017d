import { canonical, recordId } from "@tooltrail/format";
import { type Leaf, LogFormatError, parseLeaf } from "@tooltrail/format/log";
import { Emitters } from "./emitters.ts";
import { checkStored } from "./ledger-check.ts";
import type { EntryAt } from "./ledger-reader.ts";
import { type Findings, timeOf } from "./report.ts";
import type { LedgerEntry } from "./sources.ts";
import { listingText, placeText, type VerifiedState } from "./state.ts";
import { TextSet } from "./text-set.ts";

/** A batch between its first and its last leaf. */
interface OpenBatch {
  readonly first: Leaf;
  readonly firstLeaf: number;
  /** How many of its leaves have been read. */
  read: number;
  /** As the ledger has it, where it could be compared. */
  readonly stored?: Extract<ReturnType<typeof checkStored>, { batch: unknown }>;
}

/** Arrivals are in order, but for what several shards and retries bring: within a quarter of an hour it is not worth a word. */
export const tolerableLatenessMs = 900_000;

export interface LeafOptions {
  /** Absent where there is no ledger. */
  readonly entryAt: EntryAt | undefined;
  readonly maxLatenessMs: number;
  /** The clock, where the log is in use. */
  readonly liveAtMs?: number | undefined;
  /** What the leaves before the first one left behind. */
  readonly state: VerifiedState | undefined;
}

/**
 * Reads leaves one after the other and says what is wrong with them: their form, their batches, the emitters' numbers and chains, the arrival times, and, where there
 * is a ledger, that both say the same.
 */
export class LeafChecks {
  readonly places: TextSet;
  readonly listing: TextSet;
  /** Of the batches whose rows are not sound, and so do not say where they must be listed: `placeText`. */
  readonly unsound = new TextSet();
  /** Of `listing`, those of a log in use that came so lately that the list may be behind. */
  readonly recent: string[] = [];
  readonly emitters: Emitters;
  batches = 0;
  ledgerBatches = 0;
  newestArrivalMs: number;
  #open: OpenBatch | undefined;
  readonly #findings: Findings;
  readonly #entryAt: EntryAt | undefined;
  readonly #maxLatenessMs: number;
  readonly #latestMs: number;
  readonly #recentMs: number;

  constructor(findings: Findings, { entryAt, maxLatenessMs, liveAtMs = Infinity, state }: LeafOptions) {
    this.#findings = findings;
    this.#entryAt = entryAt;
    this.#maxLatenessMs = maxLatenessMs;
    this.#latestMs = liveAtMs + tolerableLatenessMs;
    this.#recentMs = liveAtMs - tolerableLatenessMs;
    this.places = state?.places ?? new TextSet();
    this.listing = state?.listing ?? new TextSet();
    this.emitters = new Emitters(state?.emitters);
    this.newestArrivalMs = state?.newestArrivalMs ?? 0;
  }

  /** What is known now, to go on from; for a log that is sound, and so ends with a whole batch. */
  state(size: number): VerifiedState {
    const { places, listing, emitters, newestArrivalMs } = this;
    return {
      size,
      withLedger: this.#entryAt !== undefined,
      newestArrivalMs,
      emitters: emitters.state(),
      places,
      listing,
    };
  }

  /** @returns a promise only where there is something to wait for: at a batch's first leaf, when the ledger is asked. */
  check(at: number, bytes: Uint8Array): Promise<void> | undefined {
    const leaf = this.#parse(at, bytes);
    if (leaf === undefined) return undefined;
    if (leaf.index !== 0) {
      this.#join(at, leaf);
      return undefined;
    }
    return this.#begin(at, leaf).then(() => this.#join(at, leaf));
  }

  #join(at: number, leaf: Leaf): void {
    const open = this.#open;
    if (open === undefined) {
      this.#fail("batch", "The record's batch does not begin before it.", at, leaf);
      return;
    }
    const wrong = leaf.index === open.read ? differing(open.first, leaf) : "index";
    if (wrong !== undefined) {
      this.#fail("batch", `${wrong}: not that of the batch which begins at leaf ${open.firstLeaf}.`, at, leaf);
      return;
    }
    if (open.stored && open.stored.lines[leaf.index] !== leaf.line)
      this.#fail("ledger_differs", "The ledger has this record otherwise.", at, leaf);
    open.read += 1;
    if (open.read === leaf.count) this.#open = undefined;
    const { record } = leaf;
    if (leaf.key !== undefined && record.kind === "lifecycle" && record.event === "stopped")
      this.emitters.stopped(leaf.emitter, Number(record.lastSeq ?? leaf.seq));
  }

  /** After the last leaf. */
  end(): void {
    this.#close();
  }

  #parse(at: number, bytes: Uint8Array): Leaf | undefined {
    try {
      const leaf = parseLeaf(bytes);
      if (isCanonical(leaf)) return leaf;
      this.#fail("leaf", "The record is not canonical JSON (RFC 8785).", at, leaf);
      return undefined;
    } catch (error) {
      if (!(error instanceof LogFormatError)) throw error;
      this.#findings.fail("leaf", error.message, { leaf: at });
      return undefined;
    }
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { first, firstLeaf, read } = this.#open;
    this.#open = undefined;
    this.#fail(
      "batch",
      `The batch has ${first.count} records, and ${read} of them stand in the log.`,
      firstLeaf,
      first,
    );
  }

  async #begin(at: number, leaf: Leaf): Promise<void> {
    this.#close();
    this.batches += 1;
    const isNew = this.places.add(placeText(leaf));
    if (!isNew) this.#fail("batch_twice", "The batch stands in the log already.", at, leaf);
    this.#arrived(at, leaf);
    const stored = this.#entryAt && this.#stored(at, leaf, await this.#entryAt(leaf, at));
    this.#open = { first: leaf, firstLeaf: at, read: 0, ...(stored && { stored }) };
    if (leaf.key === undefined) {
      if (leaf.seq !== 0 || leaf.count !== 1)
        this.#fail("batch", "key: missing, and a plain event is a batch of one with the number 0.", at, leaf);
      return;
    }
    if (!isNew) return; // its numbers and its chain are known, and once is enough
    const prev = stored && "prev" in stored.batch.headers ? stored.batch.headers.prev : undefined;
    const { emitter, seq, batch: identity, key } = leaf;
    const broken = this.emitters.add({ emitter, seq, key, identity, ...(prev !== undefined && { prev }) });
    if (broken !== undefined) this.#fail("chain", `The chain is broken: ${broken}`, at, leaf);
  }

  #arrived(at: number, leaf: Leaf): void {
    if (leaf.receivedAtMs > this.#latestMs) {
      const says = timeOf(leaf.receivedAtMs);
      this.#fail("future", `The batch arrived ${says}, by what it says, and that is still to come.`, at, leaf);
      return;
    }
    const lateMs = this.newestArrivalMs - leaf.receivedAtMs;
    this.newestArrivalMs = Math.max(this.newestArrivalMs, leaf.receivedAtMs);
    if (lateMs <= tolerableLatenessMs) return;
    const said = `arrived ${timeOf(leaf.receivedAtMs)}, by what it says, and stands behind what arrived ${Math.round(lateMs / 60_000)} minutes later`;
    if (lateMs > this.#maxLatenessMs) this.#fail("backdated", `The batch ${said}.`, at, leaf);
    else this.#findings.note("late", `Batch ${leaf.seq} of emitter ${leaf.emitter} ${said} (leaf ${at}).`);
  }

  #stored(at: number, leaf: Leaf, entry: LedgerEntry): OpenBatch["stored"] {
    if (entry.unreadable !== undefined) return this.#unsound(at, leaf, entry.unreadable);
    if (!entry.batch) {
      this.#fail("ledger_missing", "The batch stands in the log, and not in the ledger.", at, leaf);
      return undefined;
    }
    this.ledgerBatches += 1;
    if (entry.firstLeaf !== at)
      this.#fail(
        "index",
        `The index says leaf ${entry.firstLeaf ?? "none"} of the batch that begins at leaf ${at}.`,
        at,
        leaf,
      );
    const checked = checkStored(entry.batch, leaf.key !== undefined);
    if ("fault" in checked) return this.#unsound(at, leaf, checked.fault);
    const { headers, identity: batch, receivedAtMs, account } = checked.batch;
    if (leaf.key === undefined && headers.lastAt !== leaf.record.at)
      return this.#unsound(at, leaf, "headers.lastAt: not its record's time.");
    const listed = listingText({
      emitter: leaf.emitter,
      seq: leaf.seq,
      lastAt: headers.lastAt,
      server: headers.server.id,
    });
    this.listing.add(listed);
    if (leaf.receivedAtMs > this.#recentMs) this.recent.push(listed);
    const wrong = differing(leaf, { ...headers, batch, receivedAtMs, account });
    if (wrong === undefined) return checked;
    this.#fail("ledger_differs", `${wrong}: the ledger has another.`, at, leaf);
    return undefined;
  }

  #unsound(at: number, leaf: Leaf, fault: string): undefined {
    this.unsound.add(placeText(leaf));
    this.#fail("seal", `The ledger's batch is not sound: ${fault}`, at, leaf);
  }

  #fail(code: Parameters<Findings["fail"]>[0], detail: string, at: number, leaf: Leaf): void {
    this.#findings.fail(code, detail, { leaf: at, record: recordId(leaf) });
  }
}

/** What all leaves of a batch have in common, with each other and with the ledger. */
type Common = Omit<Leaf, "index" | "record" | "line">;

/** The field in which they differ. */
function differing(a: Common, b: Common): string | undefined {
  for (const field of ["emitter", "seq", "batch", "count", "key", "receivedAtMs", "account"] as const)
    if (a[field] !== b[field]) return field;
  for (const field of ["id", "version", "environment"] as const)
    if (a.server[field] !== b.server[field]) return `server.${field}`;
  return undefined;
}

/** A member named `__proto__` is refused as ingest does: too many readers do not see it. */
export function isCanonical({ line, record }: Leaf): boolean {
  try {
    return !line.includes('"__proto__":') && canonical(record) === line;
  } catch {
    return false; // has no canonical form at all
  }
}
