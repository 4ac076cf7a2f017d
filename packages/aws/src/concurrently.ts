/** Like `Promise.all` over `run`, with at most `limit` at once. After the first failure nothing begins any more; what has begun goes on unheard. */
export async function concurrently<A, B>(
  limit: number,
  items: readonly A[],
  run: (item: A) => Promise<B>,
): Promise<B[]> {
  const results = new Array<B>(items.length);
  const queue = eachOf(items);
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** A generator, since a loop over one that throws ends it for the others that share it. */
function* eachOf<A>(items: readonly A[]): Generator<[number, A]> {
  yield* items.entries();
}
