/** Whole numbers, both ends included. Lists are ascending, and no two ranges meet. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What of the ranges is in none of the others. Keeps what else a range carries. */
export function without<R extends Range>(ranges: readonly R[], others: readonly Range[]): R[] {
  let left = [...ranges];
  for (const { from, to } of others)
    left = left.flatMap((range) => {
      if (to < range.from || from > range.to) return [range];
      const before = range.from < from ? [{ ...range, to: from - 1 }] : [];
      return range.to > to ? [...before, { ...range, from: to + 1 }] : before;
    });
  return left;
}
