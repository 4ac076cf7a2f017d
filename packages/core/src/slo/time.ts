/** Minutes are numbered since the epoch, UTC. */
export const minuteMs = 60_000;
export const minuteOf = (ms: number): number => Math.floor(ms / minuteMs);

export const dayMs = 86_400_000;

export const minutesPerHour = 60;
export const minutesPerDay = 1_440;

/**
 * Rows of cells: ten minutes of an hour, six hours of a day, or four days, in one row. Each row has a place in a ring: the row of a span is the one that the span `kept` before it had, so what
 * is kept is bounded without anybody who deletes. Rows are small, since each commit writes those that it touches whole.
 *
 * Minutes are kept for 34 days: the longest window that ends in a minute is 30 days, a record may lie a day ahead, and one may come late. Hours and days are kept for a year and a half.
 */
export const levels = [
  { name: "minutes", cellMinutes: 1, cells: 10, kept: 34 * 144 },
  { name: "hours", cellMinutes: minutesPerHour, cells: 6, kept: 544 * 4 },
  { name: "days", cellMinutes: minutesPerDay, cells: 4, kept: 136 },
] as const;
export type Level = (typeof levels)[number];

/** Of which every minute can be told. The ring holds more, since a record may lie a day ahead. */
export const keptMinutes = 33 * minutesPerDay;

/** Which cell of which row a minute lies in. `span` numbers the rows of a level since the epoch. */
export const cellAt = (
  { cellMinutes, cells }: Level,
  minute: number,
): { readonly span: number; readonly cell: number } => {
  const number = Math.floor(minute / cellMinutes);
  return { span: Math.floor(number / cells), cell: number % cells };
};

/** The id of a span's row in its ring. */
export const slotOf = ({ name, kept }: Level, span: number): string =>
  `${name}/${String(span % kept).padStart(4, "0")}`;
