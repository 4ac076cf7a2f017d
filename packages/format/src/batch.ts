import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { canonical, sha256 } from "./canonical.ts";
import { emitterId } from "./ids.ts";
import type { AuditRecord, ServerRef, Sides } from "./record.ts";

export const batchSchema = "tooltrail.batch/1";

/** The whole EventBridge entry stays under one 64 KB billing chunk, and the SQS message too. */
export const maxEnvelopeBytes = 60_000;
/** Records that do not compress at all still fit into an envelope after base64, with room for headers and sides. */
export const maxPackedBytes = 40_000;
/** A body may not inflate beyond this, whoever sent it. */
export const maxBodyBytes = 1_048_576;
export const maxBatchRecords = 1_000;
/** A reader who looks for a time knows from this where to begin. */
export const maxBatchSpanMs = 600_000;
export const firstPrev = "0".repeat(64);

/** What is signed. Hashes are lower-case hex; `key` and `nonce` base64url; times in milliseconds. */
export interface BatchHeaders {
  readonly schema: typeof batchSchema;
  readonly emitter: string;
  readonly nonce: string;
  readonly key: string;
  readonly seq: number;
  /** SHA-256 of the previous batch's canonical headers, 64 zeros at seq 0. */
  readonly prev: string;
  readonly server: ServerRef;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly bodySha256: string;
  readonly sidesSha256: string;
}

/** A batch on the wire: the `detail` of its EventBridge event. */
export interface Envelope {
  readonly headers: BatchHeaders;
  /** base64 Ed25519 signature over the canonical headers. */
  readonly sig: string;
  /** base64(gzip(canonical records, each with a line feed)). Stored as it is, never made anew. */
  readonly body: string;
  readonly sides: Sides;
}

/** Who signs: an installation's key and this process's nonce. */
export interface Identity {
  readonly emitter: string;
  readonly nonce: string;
  readonly key: string;
  readonly privateKey: KeyObject;
}

/** The fixed DER prefix of an Ed25519 public key (RFC 8410); what follows is the raw 32 bytes. */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");

export function identityOf(privateKeyPem: string, nonce: Uint8Array): Identity {
  const privateKey = createPrivateKey(privateKeyPem);
  const raw = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(spkiPrefix.length);
  return {
    emitter: emitterId(raw, nonce),
    nonce: Buffer.from(nonce).toString("base64url"),
    key: raw.toString("base64url"),
    privateKey,
  };
}

const gzipAsync = promisify(gzip);

/** Canonical records as a body: base64(gzip(one a line)). */
export async function pack(lines: readonly string[]): Promise<string> {
  return (await gzipAsync(lines.map((line) => `${line}\n`).join(""))).toString("base64");
}

/**
 * Packs and signs consecutive records. Asynchronous only so that compressing does not hold up a relay.
 *
 * @param lines canonical records, one string each; `at` gives their times.
 */
export async function seal(
  identity: Identity,
  place: { seq: number; prev: string; server: ServerRef },
  lines: readonly string[],
  at: { first: number; last: number },
  sides: Sides,
): Promise<Envelope> {
  const body = await pack(lines);
  const headers: BatchHeaders = {
    schema: batchSchema,
    emitter: identity.emitter,
    nonce: identity.nonce,
    key: identity.key,
    seq: place.seq,
    prev: place.prev,
    server: place.server,
    count: lines.length,
    firstAt: at.first,
    lastAt: at.last,
    bodySha256: sha256(body),
    sidesSha256: sha256(canonical(sides)),
  };
  const sig = sign(null, Buffer.from(canonical(headers)), identity.privateKey).toString("base64");
  return { headers, sig, body, sides };
}

/** The chain's link: what the next batch names as `prev`, and what makes two deliveries the same batch. */
export const headersHash = (headers: BatchHeaders): string => sha256(canonical(headers));

export type Fault =
  | "emitter_mismatch"
  | "bad_signature"
  | "body_altered"
  | "sides_altered"
  | "body_unreadable"
  | "count_wrong"
  | "not_canonical";

/**
 * Checks what only cryptography can: the emitter's id belongs to the key, the key signed the headers, the headers name this body
 * and these sides. The headers' shape must have been checked (schema/) before.
 */
export function checkSeal(envelope: Envelope): Fault | undefined {
  const { headers } = envelope;
  const key = Buffer.from(headers.key, "base64url");
  if (emitterId(key, Buffer.from(headers.nonce, "base64url")) !== headers.emitter) return "emitter_mismatch";
  const signed = verify(
    null,
    Buffer.from(canonical(headers)),
    publicKeyOf(headers.key),
    Buffer.from(envelope.sig, "base64"),
  );
  if (!signed) return "bad_signature";
  if (sha256(envelope.body) !== headers.bodySha256) return "body_altered";
  if (sha256(canonical(envelope.sides)) !== headers.sidesSha256) return "sides_altered";
  return undefined;
}

/** A fleet has few installations, and to read a key takes a third as long as to check a signature. */
const publicKeys = new Map<string, KeyObject>();
const maxPublicKeys = 256;

function publicKeyOf(key: string): KeyObject {
  const known = publicKeys.get(key);
  if (known) return known;
  const der = Buffer.concat([spkiPrefix, Buffer.from(key, "base64url")]);
  const made = createPublicKey({ key: der, format: "der", type: "spki" });
  if (publicKeys.size >= maxPublicKeys) publicKeys.clear();
  publicKeys.set(key, made);
  return made;
}

/** What an emitter packs comes out in one piece: a third less time than in pieces of 16 KB. */
const inflatedChunkBytes = 65_536;

/** The canonical records of a body, one string each; undefined where it is not a body, or too large. */
export const bodyLines = (body: string): string[] | undefined => {
  try {
    const bytes = Buffer.from(body, "base64");
    const text = utf8.decode(gunzipSync(bytes, { maxOutputLength: maxBodyBytes, chunkSize: inflatedChunkBytes }));
    return text.endsWith("\n") ? text.slice(0, -1).split("\n") : undefined;
  } catch {
    return undefined;
  }
};

/** The lines of a body, and the record that each stands for; or why they are not what the headers say. */
export function open(
  headers: { readonly count: number },
  body: string,
): { lines: string[]; records: unknown[] } | { fault: Fault } {
  const lines = bodyLines(body);
  if (lines === undefined) return { fault: "body_unreadable" };
  if (lines.length !== headers.count) return { fault: "count_wrong" };
  const records: unknown[] = [];
  for (const line of lines) {
    const record = parseCanonical(line);
    if (record === undefined) return { fault: "not_canonical" };
    records.push(record);
  }
  return { lines, records };
}

/** Bytes that are no UTF-8 are no text: decoded leniently, what is read would not be what is stored. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A member named `__proto__` is refused, since too many readers, our own checks among them, do not see it. */
function parseCanonical(line: string): unknown {
  if (line.includes('"__proto__":')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return canonical(value) === line ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A record as the one line that stands for it. */
export const recordLine = (record: AuditRecord): string => canonical(record);
