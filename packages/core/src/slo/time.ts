/** Minutes are numbered since the epoch, UTC. */
export const minuteMs = 60_000;
export const minuteOf = (ms: number): number => Math.floor(ms / minuteMs);

export const minutesPerHour = 60;
export const minutesPerDay = 1_440;

/**
 * Three levels of rows: the minutes of an hour, the hours of a day, the days of a month of 32. Each row holds the cells of one span, and there is a ring of them: the row of a span is the
 * one that the span of `kept` before had, so what is kept is bounded without anybody who deletes.
 *
 * Minutes are kept for 34 days: the longest window that ends in a minute is 30 days, a record may lie a day ahead, and one may come late. Hours for 100 days (a quarter), days for 544.
 */
export const levels = [
  { name: "minutes", cellMinutes: 1, cells: 60, kept: 816 },
  { name: "hours", cellMinutes: minutesPerHour, cells: 24, kept: 100 },
  { name: "days", cellMinutes: minutesPerDay, cells: 32, kept: 17 },
] as const;
/** Of which every minute can be told. The ring holds more, since a record may lie a day ahead. */
export const keptMinutes = 33 * minutesPerDay;
export type Level = (typeof levels)[number];

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
  `${name}/${String(span % kept).padStart(3, "0")}`;
