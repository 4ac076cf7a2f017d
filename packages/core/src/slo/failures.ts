import type { RowKey } from "../follow/ports.ts";
import { idOf, type Series } from "./series.ts";
import { minutesPerDay, minutesPerHour } from "./time.ts";

/** Failed calls by principal. At most `maxNames`: beyond, a new one takes the place, and the count, of the rarest (Space-Saving, Metwally 2005), so that whoever is frequent is there. */
export type FailuresRow = { readonly span: number; readonly failures: { readonly [principal: string]: number } };

const maxNames = 40;

/** Hours for four days, days for 35: what the windows of alerts and periods need. */
export const failureLevels = [
  { name: "hours", minutes: minutesPerHour, kept: 96 },
  { name: "days", minutes: minutesPerDay, kept: 35 },
] as const;
type FailureLevel = (typeof failureLevels)[number];

export const spanOfFailures = ({ minutes }: FailureLevel, minute: number): number => Math.floor(minute / minutes);

export const failuresKey = (series: Series, level: FailureLevel, span: number): RowKey => ({
  collection: `failures#${idOf(series)}`,
  id: `${level.name}/${String(span % level.kept).padStart(3, "0")}`,
});

/** A row with one more failure. One that belongs to an older span than the row comes too late. */
export function addFailure(row: FailuresRow | undefined, span: number, principal: string): FailuresRow {
  if (row !== undefined && row.span > span) return row;
  const failures = row?.span === span ? row.failures : {};
  const known = failures[principal];
  if (known !== undefined || Object.keys(failures).length < maxNames)
    return { span, failures: { ...failures, [principal]: (known ?? 0) + 1 } };
  const [rarest, least] = Object.entries(failures).reduce((a, b) => (b[1] < a[1] ? b : a));
  const { [rarest]: _, ...others } = failures;
  return { span, failures: { ...others, [principal]: least + 1 } };
}
