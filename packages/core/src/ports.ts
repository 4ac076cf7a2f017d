import type { BatchHeaders, PipelineEvent, PrincipalName, ServerRef } from "@tooltrail/format";

/** What ingest makes of a plain event: headers that nobody signed. */
export interface PlainHeaders {
  readonly schema: "tooltrail.plain/1";
  readonly emitter: string;
  readonly seq: 0;
  readonly source: string;
  readonly server: ServerRef;
  readonly count: 1;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly bodySha256: string;
}

/** A batch as it lies in the ledger. `body` is byte for byte what was received. */
export interface StoredBatch {
  readonly headers: BatchHeaders | PlainHeaders;
  /** base64 Ed25519 signature over the canonical headers; absent where nobody signed. */
  readonly sig?: string;
  readonly body: string;
  /** What makes two deliveries the same batch: for a signed one the hash of its headers, for a plain one a keyed digest of its detail. */
  readonly identity: string;
  /** Both fixed by the first put: the clock of ingest, and the account that the bus vouches for. */
  readonly receivedAtMs: number;
  readonly account: string;
}

/** Where a batch stands in the ledger's order of time. */
export interface BatchPosition {
  readonly lastAt: number;
  readonly emitter: string;
  readonly seq: number;
}

/** A batch as the ledger lists it: what queries go by. */
export interface ListedBatch extends BatchPosition {
  readonly server: string;
}

export interface PositionPage {
  readonly positions: readonly ListedBatch[];
  readonly next?: string;
}

/**
 * The append-only table of batches.
 *
 * `append` is atomic per (emitter, seq) and linearizable with itself: of two different batches under one key exactly one caller ever
 * sees "appended", also across processes and restarts. After an error with outcome "unknown" the batch may or may not be there;
 * calling again with the same batch is always safe. Nothing that was appended can change or go away.
 *
 * `newestFirst` lists batches by (`lastAt`, emitter, seq), descending, from `from` (included) on; `server` keeps to one server. On one
 * machine it sees every batch whose append was answered before the call began; on DynamoDB, whose index follows the table, it may be a second behind.
 * `positions` tells where every batch stands, and of which server, whose `lastAt` is `sinceMs` or later, without reading the batches, in pages and in no order that could be relied on. `next` is
 * for the next call with the same `sinceMs`; a page may be short, even empty, and still have one. AppError `invalid` where a cursor is none that this ledger gave out.
 */
export interface Ledger {
  append(batch: StoredBatch): Promise<"appended" | "duplicate" | { readonly conflict: string }>;
  read(emitter: string, seq: number): Promise<StoredBatch | undefined>;
  newestFirst(query: { server?: string; from?: BatchPosition; limit: number }): Promise<StoredBatch[]>;
  positions(query: { sinceMs: number; cursor?: string; limit: number }): Promise<PositionPage>;
}

/**
 * Names behind pseudonyms: sides, kept apart from the ledger so that they can be forgotten.
 *
 * `put` is idempotent, and the first name put under a pseudonym stays: whoever can put events must not be able to rename anybody. `refsOf`
 * finds every pseudonym of a subject.
 */
export interface Principals {
  put(principals: { readonly [ref: string]: PrincipalName }): Promise<void>;
  names(refs: readonly string[]): Promise<Map<string, PrincipalName>>;
  refsOf(subject: string): Promise<string[]>;
}

/** An input that could not become a record, whole, and why. */
export interface Quarantined {
  readonly id: string;
  readonly reason: string;
  /** Which field, and what is wrong with it. */
  readonly detail: string;
  /** The event as the queue delivered it. */
  readonly body: string;
  readonly receivedAtMs: number;
}

/**
 * Inputs that were refused. `put` is idempotent by id and keeps the first arrival; `remove` of what is not there succeeds.
 * `list` is by id, ascending, after `after`. `count` tells how many that are there arrived from `sinceMs` on and before `untilMs`.
 */
export interface Quarantine {
  put(entry: Quarantined): Promise<void>;
  read(id: string): Promise<Quarantined | undefined>;
  list(query: { after?: string; limit: number }): Promise<Quarantined[]>;
  count(arrived: { sinceMs: number; untilMs: number }): Promise<number>;
  remove(id: string): Promise<void>;
}

/** Says to others what happened. At least once: after an error the event may have been said all the same, and is to be said again. */
export interface Events {
  publish(event: PipelineEvent): Promise<void>;
}

/** What the world gives: time, the key of pseudonyms and digests, and who is known. */
export interface Surroundings {
  now(): number;
  readonly digestKey: Uint8Array;
  /** Keys from before a rotation, newest first: what they made is still found and recognised. */
  readonly formerDigestKeys: readonly Uint8Array[];
  /** Public keys (base64url) of installations that are known to be ours. Any other key's batches are kept, and marked. */
  readonly enrolledKeys: ReadonlySet<string>;
}

export interface Ports {
  readonly ledger: Ledger;
  readonly principals: Principals;
  readonly quarantine: Quarantine;
  readonly events: Events;
  readonly surroundings: Surroundings;
}
