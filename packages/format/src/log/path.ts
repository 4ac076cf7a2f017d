/**
 * Which subtrees a proof consists of. RFC 6962, 2.1, says how a tree is cut: at the largest power of two below its size.
 *
 * Sizes go up to 2^53-1, so nothing here shifts bits: that would cut at 32.
 */

/** The leaves from `from` up to, without, `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** One step of an inclusion proof: the subtree beside the path, and on which side of it. */
export interface Step extends Span {
  readonly side: "left" | "right";
}

/** The largest power of two below `count`, which is at least 2. */
export function cutOf(count: number): number {
  let cut = 1;
  while (cut * 2 < count) cut *= 2;
  return cut;
}

/** From a leaf to the root. At most 53 steps. */
export function stepsTo(index: number, size: number): Step[] {
  const steps: Step[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + cutOf(to - from);
    if (index < middle) {
      steps.push({ from: middle, to, side: "right" });
      to = middle;
    } else {
      steps.push({ from, to: middle, side: "left" });
      from = middle;
    }
  }
  return steps.reverse();
}

/** The complete subtrees that a span consists of, from the left: `index` counts subtrees of 2^height leaves. `from` is a multiple of the first one's leaves. */
export function completeSubtrees({ from, to }: Span): { readonly height: number; readonly index: number }[] {
  const subtrees: { height: number; index: number }[] = [];
  let at = from;
  while (at < to) {
    let height = 0;
    let leaves = 1;
    while (leaves * 2 <= to - at) {
      leaves *= 2;
      height += 1;
    }
    subtrees.push({ height, index: at / leaves });
    at += leaves;
  }
  return subtrees;
}
