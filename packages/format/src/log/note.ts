import { sha256 } from "#sha256";
import { fromBase64, quoted, sameBytes, toBase64, utf8 } from "./encoding.ts";
import { LogFormatError } from "./error.ts";

/** Signed notes (C2SP signed-note) with Ed25519 signatures, and timestamped ones of witnesses (C2SP tlog-cosignature). Nothing here signs. */

/** Who signs how: 1 signs the note's text (a log), 4 says when it saw a checkpoint (a witness). `publicKey` is raw Ed25519, 32 bytes; `id` 4 bytes. */
export interface VerifierKey {
  readonly name: string;
  readonly id: Uint8Array;
  readonly type: 1 | 4;
  readonly publicKey: Uint8Array;
}

/** One line under a note. `bytes` is what stands behind the key's id: for a cosignature its time (8 bytes) and the signature. */
export interface NoteSignature {
  readonly name: string;
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
}

/** `body` is what is signed, with its last line feed. */
export interface Note {
  readonly body: string;
  readonly signatures: readonly NoteSignature[];
}

/** Who signed. `atSeconds` since the epoch, for a witness: its last statement, where it made several. */
export interface SignedBy {
  readonly key: VerifierKey;
  readonly atSeconds?: number;
}

export const maxNoteBytes = 65_536;
export const maxNoteSignatures = 100;

/** What may be a key's name, or a log's: no spaces, no plus, nothing that ends a line. */
export const isKeyName = (name: string): boolean =>
  name.length > 0 && name.length <= 1_000 && name.isWellFormed() && !/[\p{White_Space}\p{Cc}+]/u.test(name);

/** @throws LogFormatError where the name cannot be one, or the key is not 32 bytes. */
export function verifierKey(name: string, publicKey: Uint8Array, type: VerifierKey["type"] = 1): VerifierKey {
  if (!isKeyName(name)) throw new LogFormatError(`name: ${quoted(name)} cannot be a key's.`);
  if (publicKey.length !== 32)
    throw new LogFormatError(`publicKey: ${publicKey.length} bytes, where an Ed25519 key has 32.`);
  const id = sha256(joined(utf8(`${name}\n`), [type], publicKey)).slice(0, 4);
  return { name, id, type, publicKey };
}

/** A verifier key as text, a "vkey": name, id and key between plus signs. */
export const vkeyText = ({ name, id, type, publicKey }: VerifierKey): string =>
  `${name}+${hex(id)}+${toBase64(joined([type], publicKey))}`;

/** @throws LogFormatError where it is no vkey, or one of a kind that nothing here verifies. */
export function parseVkey(text: string): VerifierKey {
  const [, name, id, encoded] = (text.length <= 2_000 && /^([^+]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text)) || [];
  if (name === undefined || encoded === undefined)
    throw new LogFormatError(`vkey: ${quoted(text)} is not name, id and key between plus signs.`);
  const [type, ...publicKey] = fromBase64(encoded, "vkey: key");
  if (type !== 1 && type !== 4)
    throw new LogFormatError(`vkey: signature type ${type} is unknown here: 1 (log) and 4 (witness) are known.`);
  const key = verifierKey(name, Uint8Array.from(publicKey), type);
  if (hex(key.id) !== id)
    throw new LogFormatError(`vkey: the id ${id} is not that of its name and key, ${hex(key.id)}.`);
  return key;
}

/** @throws LogFormatError where the text is no note, has more than 64 KB, or more than 100 signatures. */
export function parseNote(text: string): Note {
  if (text.length > maxNoteBytes || utf8(text).length > maxNoteBytes)
    throw new LogFormatError(`note: more than ${maxNoteBytes} bytes.`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a note may not have
  if (!text.isWellFormed() || /[\x00-\x09\x0b-\x1f]/.test(text))
    throw new LogFormatError("note: has control characters.");
  const end = text.lastIndexOf("\n\n");
  if (end < 0 || !text.endsWith("\n") || end + 2 === text.length)
    throw new LogFormatError("note: no signatures behind an empty line.");
  const lines = text.slice(end + 2, -1).split("\n");
  if (lines.length > maxNoteSignatures) throw new LogFormatError(`note: more than ${maxNoteSignatures} signatures.`);
  return { body: text.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

/** The signature lines that a witness answers with: each ends in a line feed. @throws LogFormatError where there is anything else, or nothing. */
export function parseSignatures(text: string): readonly NoteSignature[] {
  const { body, signatures } = parseNote(`\n\n${text}`);
  if (body !== "\n") throw new LogFormatError("signatures: not signature lines alone.");
  return signatures;
}

function parseSignatureLine(line: string, at: number): NoteSignature {
  const what = `signature ${at + 1}`;
  const [dash, name = "", encoded = "", ...more] = line.split(" ");
  if (dash !== "—" || !isKeyName(name) || more.length > 0)
    throw new LogFormatError(`${what}: ${quoted(line)} is not a dash, a name and a signature.`);
  const bytes = fromBase64(encoded, what);
  if (bytes.length < 5) throw new LogFormatError(`${what}: ${bytes.length} bytes are no key id and signature.`);
  return { name, id: bytes.slice(0, 4), bytes: bytes.slice(4) };
}

export const noteText = ({ body, signatures }: Note): string => `${body}\n${signatures.map(signatureLine).join("")}`;

/** With its line feed. */
export const signatureLine = ({ name, id, bytes }: NoteSignature): string =>
  `— ${name} ${toBase64(joined(id, bytes))}\n`;

/** The line of a log's key, which signed the body. */
export const logSignature = ({ name, id }: VerifierKey, signature: Uint8Array): NoteSignature => ({
  name,
  id,
  bytes: signature,
});

/** What a witness signs to say that at this time the checkpoint was the largest one it had seen. */
export const cosignedMessage = (timeSeconds: number, body: string): Uint8Array =>
  utf8(`cosignature/v1\ntime ${timeSeconds}\n${body}`);

/** The line of a witness's key, which signed the `cosignedMessage`. */
export function cosignature({ name, id }: VerifierKey, timeSeconds: number, signature: Uint8Array): NoteSignature {
  const bytes = new Uint8Array(8 + signature.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(timeSeconds));
  bytes.set(signature, 8);
  return { name, id, bytes };
}

/**
 * Which of the keys signed the note. Signatures of others are passed over.
 *
 * @throws LogFormatError where a signature bears a key's name and id and does not verify.
 */
export async function verifyNote(note: Note, keys: readonly VerifierKey[]): Promise<SignedBy[]> {
  const found = new Map<VerifierKey, SignedBy>();
  for (const [at, signature] of note.signatures.entries()) {
    const key = keys.find(({ name, id }) => name === signature.name && sameBytes(id, signature.id));
    if (key === undefined) continue;
    const signed = await checkSignature(note.body, signature, key);
    if (signed === undefined)
      throw new LogFormatError(`signature ${at + 1}: is not that of ${key.name}, whose name and id it bears.`);
    if ((found.get(key)?.atSeconds ?? -1) < (signed.atSeconds ?? 0)) found.set(key, signed);
  }
  return [...found.values()];
}

async function checkSignature(body: string, { bytes }: NoteSignature, key: VerifierKey): Promise<SignedBy | undefined> {
  if (key.type === 1) return (await verifies(key, bytes, utf8(body))) ? { key } : undefined;
  if (bytes.length !== 72) return undefined;
  const atSeconds = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
  if (!Number.isSafeInteger(atSeconds)) return undefined;
  const signed = await verifies(key, bytes.subarray(8), cosignedMessage(atSeconds, body));
  return signed ? { key, atSeconds } : undefined;
}

async function verifies({ publicKey }: VerifierKey, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  if (signature.length !== 64) return false;
  const { subtle } = globalThis.crypto;
  // A key whose bytes are no point of the curve: some implementations refuse to take it, others to verify by it.
  const key = await subtle.importKey("raw", publicKey.slice(), "Ed25519", false, ["verify"]).catch(() => undefined);
  return key !== undefined && subtle.verify("Ed25519", key, signature.slice(), message.slice());
}

function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
