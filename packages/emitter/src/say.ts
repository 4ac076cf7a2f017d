const said = new Set<string>();
const maxSaid = 32;

/** One line on stderr, and each only once in a process: an operator must learn of it, and the server's own words must not drown in it. */
export function sayOnce(text: string): void {
  if (said.has(text) || said.size >= maxSaid) return;
  said.add(text);
  process.stderr.write(`tooltrail: ${text}\n`);
}

/** What an error says, in a line. */
export const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message.slice(0, 500) : "an unknown fault";
