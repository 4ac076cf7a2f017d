/** What is not as it must be: how often, and a few examples of each. */
export interface Problems {
  add(what: string, example: string): void;
  count(what?: string): number;
  list(): { readonly what: string; readonly times: number; readonly examples: readonly string[] }[];
}

const maxExamples = 10;

export function collectProblems(): Problems {
  const found = new Map<string, { times: number; examples: string[] }>();
  return {
    add(what, example) {
      const entry = found.get(what) ?? { times: 0, examples: [] };
      entry.times += 1;
      if (entry.examples.length < maxExamples) entry.examples.push(example);
      found.set(what, entry);
    },
    count: (what) =>
      what === undefined
        ? [...found.values()].reduce((sum, { times }) => sum + times, 0)
        : (found.get(what)?.times ?? 0),
    list: () => [...found].map(([what, { times, examples }]) => ({ what, times, examples })),
  };
}
