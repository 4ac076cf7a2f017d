/** Like `Promise.all` over `run`, with at most `limit` at once. The first failure ends it; what has begun goes on unheard. */
export async function concurrently<A, B>(
  limit: number,
  items: readonly A[],
  run: (item: A) => Promise<B>,
): Promise<B[]> {
  const results = new Array<B>(items.length);
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
