import { hash } from "node:crypto";

/**
 * SHA-256, 32 bytes. In one call, since to make a hash object costs as much again as to hash a record; and by way of a text, since a Buffer of its own for
 * each hash doubles the time of a tree's node.
 */
export function sha256(data: Uint8Array): Uint8Array {
  const digest = hash("sha256", data, "binary");
  const bytes = new Uint8Array(32);
  for (let at = 0; at < 32; at += 1) bytes[at] = digest.charCodeAt(at);
  return bytes;
}
