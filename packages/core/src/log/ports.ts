import type { VerifierKey } from "@tooltrail/format/log";
import type { Events } from "../ports.ts";

/**
 * A value that is replaced whole, and only by who has seen the one before. The sequencer's head and the signer's state are such.
 *
 * `write` is atomic and linearizable: of several writers on one version exactly one gets true, also across processes. `expected` is the
 * version that was read, undefined for the first value. False: somebody else was first, nothing was changed. After an error with outcome
 * "unknown" the value may be there: read again. Versions only grow.
 */
export interface Register<Value> {
  read(): Promise<{ readonly value: Value; readonly version: number } | undefined>;
  write(value: Value, expected: number | undefined): Promise<boolean>;
}

/**
 * Where the log is, as far as committed. `staged` is there from the commit until everything of it is in place: a name in the
 * blob store and the SHA-256 (hex) of what must be there.
 */
export interface Head {
  readonly size: number;
  readonly staged?: { readonly name: string; readonly sha256: string };
}

/**
 * What the signer last promised: of this root, and no other tree of this size, it makes a checkpoint. `root` in base64. `published` is what has been
 * published and announced, as far as is known.
 */
export interface Promised {
  readonly size: number;
  readonly root: string;
  readonly published?: { readonly size: number; readonly atMs: number };
}

/**
 * Objects of the log by name (`tile/0/000`, `tile/entries/x001/067.p/3`, `staged/…`), each written once.
 *
 * `put` is atomic: whoever reads meanwhile sees nothing or all of it, and of several writers under one name exactly one gets
 * "put", also across processes. "exists" changes nothing; what is there may be other bytes, which is the caller's to compare. After an error with
 * outcome "unknown" the object may be there; putting it again is safe. An answered `put` is durable.
 *
 * `list` names what begins with the prefix, in no particular order. `retire` marks objects that nobody needs any more (partials whose full tile is
 * there, a staged commit that is in place): they may be gone at once or much later. Retiring what is not there succeeds.
 */
export interface Blobs {
  put(name: string, bytes: Uint8Array): Promise<"put" | "exists">;
  read(name: string): Promise<Uint8Array | undefined>;
  list(prefix: string): Promise<string[]>;
  retire(names: readonly string[]): Promise<void>;
}

/** The part of `Blobs` that readers need. */
export type BlobReader = Pick<Blobs, "read">;

/**
 * The one published checkpoint, and the public key beside it.
 *
 * `publish` replaces the checkpoint only where it still is `over` (the text that was read, undefined for the first), atomically. False: somebody else was
 * first. To publish again what is there already succeeds. After an error with outcome "unknown" it may be published.
 */
export interface Checkpoints {
  read(): Promise<string | undefined>;
  publish(text: string, over: string | undefined): Promise<boolean>;
  /** The verifier keys (vkeys), one a line, the current one first. Idempotent. */
  publishKeys(text: string): Promise<void>;
}

export interface BatchPlace {
  readonly emitter: string;
  readonly seq: number;
}

/**
 * Which leaf a batch begins at: how a record is found in the log. A projection of the log that the sequencer keeps itself, since it tells what is
 * sequenced already.
 *
 * `put` is idempotent. `firstLeaves` sees every answered `put` (consistent), and answers in the order asked, undefined for what is not there.
 */
export interface BatchIndex {
  put(entries: readonly (BatchPlace & { readonly firstLeaf: number })[]): Promise<void>;
  firstLeaves(batches: readonly BatchPlace[]): Promise<(number | undefined)[]>;
}

/**
 * A key that signs, alone or among others during a rotation. `publicKey` is raw Ed25519, 32 bytes; `sign` gives 64.
 *
 * @throws AppError retryable where the signing service cannot be reached.
 */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** What sequencing needs, and nothing that signs. */
export interface SequencerPorts {
  readonly head: Register<Head>;
  readonly blobs: Blobs;
  readonly index: BatchIndex;
  readonly checkpoints: Pick<Checkpoints, "read">;
}

/**
 * Somebody who watches the log from outside. `cosign` sends an `add-checkpoint` request (C2SP tlog-witness, a text) and gives back what is answered. It gives up
 * after two seconds, and cuts off an answer that is too long. `key` is the one that the policy names (type 4).
 *
 * @throws Error where the witness cannot be reached, or does not answer in time.
 */
export interface Witness {
  readonly key: VerifierKey;
  cosign(request: string): Promise<{ readonly status: number; readonly text: string }>;
}

/** What signing needs: it reads what the sequencer wrote, and writes what nobody else may. */
export interface SignerPorts {
  readonly head: Pick<Register<Head>, "read">;
  readonly promised: Register<Promised>;
  readonly blobs: BlobReader;
  readonly checkpoints: Checkpoints;
  readonly events: Events;
  /** The log's name, which is that of its keys, too. */
  readonly origin: string;
  /** The current one first; the others sign beside it. */
  readonly keys: readonly SigningKey[];
  readonly witnesses: readonly Witness[];
}
