import { sha256 } from "#sha256";

/** SHA-256, 32 bytes. */
export type Hash = Uint8Array;

/** One place for what is hashed: a prefix and the data must lie together, and a new array each time would cost as much as the hash. */
const leafSpace = new Uint8Array(65_536);
const nodeSpace = new Uint8Array(65);
nodeSpace[0] = 1;

/** RFC 6962, 2.1: the hash of one entry, told from a node's by its prefix. */
export function hashLeaf(entry: Uint8Array): Hash {
  const space = entry.length < leafSpace.length ? leafSpace : new Uint8Array(entry.length + 1);
  space.set(entry, 1);
  return sha256(space.subarray(0, entry.length + 1));
}

/** RFC 6962, 2.1: the hash of two subtrees, 32 bytes each. */
export function hashNode(left: Hash, right: Hash): Hash {
  nodeSpace.set(left, 1);
  nodeSpace.set(right, 33);
  return sha256(nodeSpace);
}

/** The root of a tree without leaves. */
export const emptyRoot: Hash = sha256(new Uint8Array(0));
