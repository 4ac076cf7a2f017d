const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
] as const;

/** `40 s`, `27 min`, `3 h 5 min`, `2 d 4 h`: the largest unit and the next. */
export function spanText(ms: number): string {
  const at = units.findIndex(([, size]) => ms >= size);
  if (at === -1) return `${Math.max(0, Math.floor(ms / 1_000))} s`;
  const [unit, size] = units[at] as (typeof units)[number];
  const [smaller, step] = units[at + 1] ?? ["", Number.POSITIVE_INFINITY];
  const rest = Math.floor((ms % size) / step);
  return `${Math.floor(ms / size)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ""}`;
}

/** `in 4 min`, `27 min ago` */
export const fromNow = (ms: number, nowMs: number): string =>
  ms > nowMs ? `in ${spanText(ms - nowMs)}` : `${spanText(nowMs - ms)} ago`;
