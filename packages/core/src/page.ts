/**
 * Bytes of a page as JSON. Lambda answers with 6 MB at most, and packs a page into JSON once more, where each of its bytes can become two.
 */
export const maxPageBytes = 2_900_000;

/** How many of the first of these fit a page. One always does: nothing that is kept is larger. */
export function countFitting(views: readonly unknown[]): number {
  let bytes = 0;
  const over = views.findIndex((view) => {
    bytes += Buffer.byteLength(JSON.stringify(view));
    return bytes > maxPageBytes;
  });
  return over === -1 ? views.length : Math.max(1, over);
}
