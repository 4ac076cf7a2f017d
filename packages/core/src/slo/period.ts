import type { CalendarUnit, Period } from "./slo.ts";
import { lastMinutes, type Span } from "./spans.ts";
import { minuteMs, minuteOf } from "./time.ts";

/** The part of a period that is over, up to and with a minute, and how many minutes the whole of it has. */
export interface Elapsed {
  readonly span: Span;
  readonly minutes: number;
}

export function elapsedOf(period: Period, minute: number): Elapsed {
  if (period.kind === "rolling") return { span: lastMinutes(minute, period.minutes), minutes: period.minutes };
  let unit = lastUnits.get(period);
  if (unit === undefined || minute < unit.from || minute >= unit.to) {
    unit = calendarSpan(period.unit, period.timeZone, minute);
    lastUnits.set(period, unit);
  }
  const { from, to } = unit;
  return { span: { from, to: minute + 1 }, minutes: to - from };
}

/** A replay asks for each minute of a month, and clocks of time zones are slow to tell. */
const lastUnits = new WeakMap<Period, Span>();

/** The calendar unit that a minute lies in, as the clocks of its time zone have it: a day may have 23 hours. Weeks begin on Monday (ISO 8601). */
function calendarSpan(unit: CalendarUnit, timeZone: string, minute: number): Span {
  const { year, month, day, weekday } = localDate(timeZone, minute * minuteMs);
  const at = (y: number, m: number, d: number): number => minuteOf(instantOf(timeZone, Date.UTC(y, m, d)));
  switch (unit) {
    case "day":
      return { from: at(year, month, day), to: at(year, month, day + 1) };
    case "week":
      return { from: at(year, month, day - weekday), to: at(year, month, day - weekday + 7) };
    case "month":
      return { from: at(year, month, 1), to: at(year, month + 1, 1) };
    case "quarter": {
      const first = month - (month % 3);
      return { from: at(year, first, 1), to: at(year, first + 3, 1) };
    }
    case "year":
      return { from: at(year, 0, 1), to: at(year + 1, 0, 1) };
  }
}

/** Months from 0, weekdays from Monday as 0. */
function localDate(timeZone: string, atMs: number) {
  const local = new Date(atMs + offsetMs(timeZone, atMs));
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth(),
    day: local.getUTCDate(),
    weekday: (local.getUTCDay() + 6) % 7,
  };
}

/** When clocks of a zone show a time, given as if it were UTC. A time that they skip is as much later. */
function instantOf(timeZone: string, localMs: number): number {
  const guess = localMs - offsetMs(timeZone, localMs);
  return localMs - offsetMs(timeZone, guess);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far a zone's clocks are ahead of UTC. */
function offsetMs(timeZone: string, atMs: number): number {
  if (timeZone === "UTC") return 0;
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1_000) * 1_000;
}
