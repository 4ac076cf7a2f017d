/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Cuts bytes at random: mostly into small pieces, and large messages into as many as stay quick. None is larger than a pipe. */
export function* pieces(bytes: Buffer, seed: number): Generator<Buffer> {
  const random = randomFrom(seed);
  const longest = Math.min(65_536, Math.max(64, Math.ceil(bytes.length / 200)));
  for (let from = 0; from < bytes.length; ) {
    const length = 1 + Math.floor(random() ** 3 * longest);
    yield bytes.subarray(from, from + length);
    from += length;
  }
}
