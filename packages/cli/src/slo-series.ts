import { shown } from "@tooltrail/core/slo/document";
import { type MinuteCount, maxReplayMinutes } from "@tooltrail/core/slo/replay";
import type { Count } from "@tooltrail/core/slo/slo";
import { minuteMs } from "@tooltrail/core/slo/time";

/** How a file names its minutes, and how it is answered: as times, or as numbers. */
export type MinuteForm = "time" | "number";

/** What was counted, minute by minute: ascending, each minute at most once, and no sum that a float could not hold. */
export interface Series {
  readonly form: MinuteForm;
  readonly minutes: readonly MinuteCount[];
}

export const maxSeriesBytes = 64 * 1024 * 1024;
const maxFaults = 100;
/** In the year 3871. Seconds and milliseconds since the epoch are larger, so that they are not taken for minutes. */
const maxMinute = 999_999_999;
/** Larger whole numbers, and sums, are not exact in a float. */
const maxCount = Number.MAX_SAFE_INTEGER;
const header = "minute,total,bad";

/** `2026-01-31T12:05:00Z`, or the number. */
export const minuteText = (form: MinuteForm, minute: number): string =>
  form === "number" ? String(minute) : new Date(minute * minuteMs).toISOString().replace(".000Z", "Z");

/**
 * Reads CSV with the rows `minute,total,bad`, under a header of these names or none. A minute is an ISO time or a number, the same in all rows, which are in any order; minutes that have no row have no data.
 *
 * @returns faults, at most about a hundred: `minutes.csv:3: bad: 7 is more than the total, 5. …`. @throws never.
 */
export function parseSeries(text: string, fileName: string): Series | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const fault = (line: number, [field, words]: Wrong): void =>
    void faults.push(`${fileName}:${line}: ${field}: ${words}`);
  if (Buffer.byteLength(text) > maxSeriesBytes) {
    fault(1, ["file", `has over ${maxSeriesBytes / 1_048_576} MiB. Replay it in parts.`]);
    return { faults };
  }
  const minutes: MinuteCount[] = [];
  const place = placing();
  let calls = 0;
  let blank: number | undefined;
  for (const [line, row] of linesOf(text)) {
    if (line === 1 && row.toLowerCase().replaceAll(/\s/g, "") === header) continue;
    if (row === "") {
      blank ??= line;
      continue;
    }
    if (blank !== undefined) fault(blank, ["row", "is empty, and rows follow. Leave it out."]);
    blank = undefined;
    const { at, count, wrong } = readRow(row);
    for (const one of wrong) fault(line, one);
    const misplaced = at && place(at, line);
    if (misplaced) fault(line, ["minute", misplaced.words]);
    calls += count?.total ?? 0;
    if (calls > maxCount) fault(line, ["total", `With the rows above, over ${maxCount} calls. Replay it in parts.`]);
    // Nor is it read on where that would be without an end: what is kept of a file is bounded.
    if (misplaced?.final || calls > maxCount || faults.length >= maxFaults) break;
    if (at && count && !misplaced) minutes.push({ minute: at.minute, ...count });
  }
  const form = place.form();
  if (form === undefined && faults.length === 0)
    fault(1, ["row", `There is none. Write ${header}, a row for each minute.`]);
  if (form === undefined || faults.length > 0) return { faults };
  return { form, minutes: minutes.sort((a, b) => a.minute - b.minute) };
}

type Wrong = readonly [field: "file" | "row" | "minute" | "total" | "bad", words: string];

interface Minute {
  readonly form: MinuteForm;
  readonly minute: number;
}

/** Whether minutes go together: all of one form, each once, and not too far apart. `final`: no minute after this one can be placed. */
function placing() {
  const lines = new Map<number, number>();
  let first: (Minute & { readonly line: number }) | undefined;
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const place = (
    { form, minute }: Minute,
    line: number,
  ): { readonly words: string; readonly final?: true } | undefined => {
    first ??= { form, minute, line };
    const written = minuteText(form, minute);
    if (form !== first.form)
      return {
        words: `${written} is a ${form}, and line ${first.line} has a ${first.form}. Write all of them alike.`,
      };
    const before = lines.get(minute);
    if (before !== undefined) return { words: `${written} is in line ${before} already. Keep one of the two.` };
    lines.set(minute, line);
    const other = minute - from > to - minute ? from : to;
    [from, to] = [Math.min(from, minute), Math.max(to, minute)];
    if (to - from < maxReplayMinutes) return undefined;
    const words = `${written} is too far from ${minuteText(form, other)} in line ${lines.get(other)}. Replay at most ${maxReplayMinutes} minutes, in parts.`;
    return { words, final: true };
  };
  return Object.assign(place, { form: () => first?.form });
}

interface Row {
  readonly at?: Minute;
  readonly count?: Count;
  readonly wrong: readonly Wrong[];
}

/** What a row says by itself. */
function readRow(row: string): Row {
  const fields = row.split(",", 4).map((field) => field.trim());
  const [minute, total, bad] = fields;
  if (minute === undefined || total === undefined || bad === undefined || fields.length > 3)
    return { wrong: [["row", `has ${fields.length > 3 ? "over 3" : fields.length} fields. Write ${header}.`]] };
  const [at, all, failed] = [readMinute(minute), readCount(total), readCount(bad)];
  const wrong: Wrong[] = [];
  if (typeof at === "string") wrong.push(["minute", at]);
  if (typeof all === "string") wrong.push(["total", all]);
  if (typeof failed === "string") wrong.push(["bad", failed]);
  if (typeof all === "number" && typeof failed === "number" && failed > all)
    wrong.push(["bad", `${failed} is more than the total, ${all}. Write how many of the total are bad.`]);
  return {
    ...(typeof at === "object" && { at }),
    ...(typeof all === "number" && typeof failed === "number" && { count: { total: all, bad: failed } }),
    wrong,
  };
}

/** Numbered from 1, without the spaces around them. Not split at once: a file of line feeds alone would be millions of texts. */
function* linesOf(text: string): Generator<readonly [line: number, row: string]> {
  // Spreadsheets begin a file with a byte order mark.
  for (let from = text.startsWith("\uFEFF") ? 1 : 0, line = 1; from < text.length; line += 1) {
    const end = text.indexOf("\n", from);
    const to = end === -1 ? text.length : end;
    yield [line, text.slice(from, to).trim()];
    from = to + 1;
  }
}

/** @returns what is wrong, where it is none. */
function readMinute(field: string): Minute | string {
  if (/^[+-]?\d+$/.test(field)) {
    const minute = Number(field);
    if (/^\d+$/.test(field) && minute <= maxMinute) return { form: "number", minute };
    return `${shown(field)} is no minute from 0 to ${maxMinute}. Of seconds since the epoch, write a 60th.`;
  }
  const [, date, time, seconds = "", fraction = "", zone] =
    /^(\d{4}-\d\d-\d\d)(T(?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?$/.exec(field) ?? [];
  const none = `${shown(field)} is neither a time nor a number. Write it like 2026-01-31T12:05:00Z.`;
  if (date === undefined) return none;
  if (zone === undefined) return `${shown(field)} has no time zone. Write ${date}${time}:00Z, if that is UTC.`;
  if (/[1-9]/.test(seconds + fraction))
    return `${shown(field)} is within a minute. Write its beginning, ${date}${time}:00${zone}.`;
  const day = new Date(`${date}T00:00:00Z`);
  const minute = Date.parse(`${date}${time}:00${zone}`) / minuteMs;
  // A day that a month does not have is read as one of the next.
  if (Number.isNaN(minute) || !day.toISOString().startsWith(date)) return none;
  if (minute < 0 || minute > maxMinute) return `${shown(field)} is not between 1970 and 3870. Write another.`;
  return { form: "time", minute };
}

const readCount = (field: string): number | string => {
  const count = Number(field);
  if (/^\d+$/.test(field) && count <= maxCount) return count;
  return `${shown(field)} is no number of calls. Write a whole number from 0 to ${maxCount}.`;
};
