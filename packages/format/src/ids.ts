import { createHash } from "node:crypto";
import { hmac } from "./canonical.ts";

/**
 * Identifiers. All of them are lower-case base32 (RFC 4648 without padding) cut at 26 characters, 130 bits: short enough for a
 * key and a file name, long enough that nobody finds a second one.
 */

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

function base32(bytes: Uint8Array, length = 26): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5 && text.length < length) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
  }
  return text;
}

const hash = (...parts: (string | Uint8Array)[]): Buffer => {
  const h = createHash("sha256");
  for (const part of parts) h.update(part);
  return h.digest();
};

/** Bound to an installation's public key and a process's nonce, so nobody else can write under it. */
export const emitterId = (publicKey: Uint8Array, nonce: Uint8Array): string => base32(hash(publicKey, nonce));

/** The emitter that ingest makes up for one plain event: the same account, source and id is the same emitter. */
export const plainEmitterId = (account: string, source: string, id: string): string =>
  base32(
    hash(`tooltrail.plain/1
${JSON.stringify([account, source, id])}`),
  );

/** `p_` and 26 characters: who this is, for those who hold the key; for others, only that it is the same one. */
export const pseudonym = (digestKey: Uint8Array, issuer: string, subject: string): string =>
  `p_${base32(hmac(digestKey, JSON.stringify([issuer, subject])))}`;

/** The quarantine's id for a message: the same message is kept once. */
export const quarantineId = (body: string): string => `qua_${base32(hash(body))}`;

/** A place in the ledger. `seq` and `index` count from 0. */
export interface RecordPlace {
  readonly emitter: string;
  readonly seq: number;
  readonly index: number;
}

export const recordId = ({ emitter, seq, index }: RecordPlace): string => `rec_${emitter}_${seq}_${index}`;

const recordIdPattern = /^rec_([a-z2-7]{26})_(0|[1-9]\d{0,14})_(0|[1-9]\d{0,8})$/;

/** @returns undefined where the text is not a record id. */
export function parseRecordId(id: string): RecordPlace | undefined {
  const [, emitter, seq, index] = recordIdPattern.exec(id) ?? [];
  return emitter === undefined ? undefined : { emitter, seq: Number(seq), index: Number(index) };
}

/** `call_` and 26 characters from 17 or more bytes: random ones for a call seen, a hash for a call that somebody else named. */
export const callId = (bytes: Uint8Array): string => `call_${base32(bytes)}`;

/** `inc_`, twelve hex digits of the time (milliseconds) and fourteen characters of what it is about: ids stand in the order in which incidents opened. */
export const incidentId = (openedAtMs: number, about: string): string =>
  `inc_${openedAtMs.toString(16).padStart(12, "0")}${base32(hash(about), 14)}`;

export const isIncidentId = (text: string): boolean => /^inc_[0-9a-f]{12}[a-z2-7]{14}$/.test(text);
