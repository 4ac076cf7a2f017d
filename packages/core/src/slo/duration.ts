import { minutesPerDay, minutesPerHour } from "./time.ts";

const units = { m: 1, h: minutesPerHour, d: minutesPerDay, w: 7 * minutesPerDay } as const;

/** OpenSLO's duration shorthand (`90m`, `6h`, `30d`, `4w`) in minutes. @returns undefined for all else, also for months, quarters and years, whose length varies. */
export function fixedMinutes(shorthand: string): number | undefined {
  const [, amount, unit] = /^([1-9]\d{0,5})([mhdw])$/.exec(shorthand) ?? [];
  return unit === undefined ? undefined : Number(amount) * units[unit as keyof typeof units];
}
