import { isCount, sameBytes } from "./encoding.ts";
import { emptyRoot, type Hash, hashNode } from "./hash.ts";
import { cutOf, type Span, stepsTo } from "./path.ts";

/** Whether the leaf is at this index in the tree of this root: RFC 6962, 2.1.1. Nonsense is not included. */
export function verifyInclusion(claim: {
  readonly index: number;
  readonly size: number;
  readonly root: Hash;
  readonly leaf: Hash;
  readonly proof: readonly Hash[];
}): boolean {
  const { index, size, root, leaf, proof } = claim;
  if (!isCount(index) || !isCount(size) || index >= size || ![leaf, ...proof].every(isHash)) return false;
  const steps = stepsTo(index, size);
  if (steps.length !== proof.length) return false;
  const made = proof.reduce(
    (below, beside, at) => (steps[at]?.side === "left" ? hashNode(beside, below) : hashNode(below, beside)),
    leaf,
  );
  return sameBytes(made, root);
}

/** Whether the old tree is the beginning of the new one: RFC 6962, 2.1.2. The empty tree is the beginning of any, and needs no proof. */
export function verifyConsistency(claim: {
  readonly oldSize: number;
  readonly oldRoot: Hash;
  readonly size: number;
  readonly root: Hash;
  readonly proof: readonly Hash[];
}): boolean {
  const { oldSize, oldRoot, size, root, proof } = claim;
  if (!isCount(oldSize) || !isCount(size) || oldSize > size || ![oldRoot, root, ...proof].every(isHash)) return false;
  if (oldSize === 0 && !sameBytes(oldRoot, emptyRoot)) return false;
  if (oldSize === size) return proof.length === 0 && sameBytes(oldRoot, root);
  if (oldSize === 0) return proof.length === 0;
  const unused = [...proof];
  const made = bothRoots(oldSize, { from: 0, to: size }, oldRoot, unused);
  return made !== undefined && unused.length === 0 && sameBytes(made.old, oldRoot) && sameBytes(made.new, root);
}

/**
 * The roots that a proof makes of a span, with and without the leaves from `oldSize` on, taking its hashes off one by one.
 *
 * @param known the old tree's root, which is not in the proof where that tree is a complete subtree of the new one.
 */
function bothRoots(
  oldSize: number,
  { from, to }: Span,
  known: Hash | undefined,
  unused: Hash[],
): { readonly old: Hash; readonly new: Hash } | undefined {
  if (oldSize === to) {
    const hash = known ?? unused.shift();
    return hash && { old: hash, new: hash };
  }
  const middle = from + cutOf(to - from);
  const oldEndsLeft = oldSize <= middle;
  const below = oldEndsLeft
    ? bothRoots(oldSize, { from, to: middle }, known, unused)
    : bothRoots(oldSize, { from: middle, to }, undefined, unused);
  const beside = unused.shift();
  if (below === undefined || beside === undefined) return undefined;
  return oldEndsLeft
    ? { old: below.old, new: hashNode(below.new, beside) }
    : { old: hashNode(beside, below.old), new: hashNode(beside, below.new) };
}

const isHash = (bytes: Uint8Array): boolean => bytes.length === 32;
