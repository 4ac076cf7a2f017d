/**
 * Spares writes that are harmless to do again, and paid for: `run` runs once per key, as long as the key is among the `max` latest.
 *
 * Whoever asks meanwhile waits for the same run. What failed is forgotten, so the next one tries again.
 */
export function oncePerKey(max: number): (key: string, run: () => Promise<unknown>) => Promise<unknown> {
  const runs = new Map<string, Promise<unknown>>();
  return (key, run) => {
    const known = runs.get(key);
    if (known) return known;
    const mine = run();
    runs.set(key, mine);
    mine.catch(() => runs.delete(key));
    const [oldest] = runs.keys();
    if (runs.size > max && oldest !== undefined) runs.delete(oldest);
    return mine;
  };
}
