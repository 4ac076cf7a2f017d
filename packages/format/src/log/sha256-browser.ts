/** SHA-256, 32 bytes. Not the browser's own, which answers later: a tree of a million hashes would be a million promises. */
export { sha256 } from "@noble/hashes/sha2.js";
