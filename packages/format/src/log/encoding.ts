import { LogFormatError } from "./error.ts";

/**
 * Texts and bytes in one spelling each. A second spelling of the same value would be a second object with the same meaning, which no byte comparison
 * finds. `what` names the field in the error.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

export function textOf(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new LogFormatError(`${what}: not UTF-8.`);
  }
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8_192) binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(binary);
}

/** Standard base64 with its padding, and no bit set that says nothing. */
export function fromBase64(text: string, what: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new LogFormatError(`${what}: not base64.`);
  const binary = atob(text);
  if (!text.endsWith(btoa(binary.slice(binary.length - (binary.length % 3)))))
    throw new LogFormatError(`${what}: not canonical base64.`);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** A hash in base64. */
export function hashFrom(text: string, what: string): Uint8Array {
  const bytes = fromBase64(text, what);
  if (bytes.length !== 32) throw new LogFormatError(`${what}: ${bytes.length} bytes, where a hash has 32.`);
  return bytes;
}

/** A count or place, up to 2^53-1, without leading zeros. */
export function decimal(text: string, what: string): number {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new LogFormatError(`${what}: not a number from 0 to 2^53-1.`);
  return value;
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** What is in an error about what somebody sent: short, and on one line. */
export const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
