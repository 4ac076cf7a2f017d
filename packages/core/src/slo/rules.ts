import { type Ratio, reduced } from "./ratio.ts";
import type { CalendarUnit, Period, Rule } from "./slo.ts";
import { minutesPerDay, minutesPerHour } from "./time.ts";

/** The name of a rule: what it asks for, and its long window in the largest unit that it is a whole number of. */
export const ruleName = (severity: Rule["severity"], longMinutes: number): string =>
  `${severity}-${windowText(longMinutes)}`;

/** `90m`, `6h`, `3d`. */
export function windowText(minutes: number): string {
  if (minutes % minutesPerDay === 0) return `${minutes / minutesPerDay}d`;
  if (minutes % minutesPerHour === 0) return `${minutes / minutesPerHour}h`;
  return `${minutes}m`;
}

const standard = (severity: Rule["severity"], longMinutes: number, shortMinutes: number, percent: number): Rule => ({
  name: ruleName(severity, longMinutes),
  severity,
  longMinutes,
  shortMinutes,
  burn: { share: reduced(percent, 100) },
});

/** Google SRE Workbook, table 5-8, and a day with two hours between. */
export const standardRules: readonly Rule[] = [
  standard("page", 60, 5, 2),
  standard("page", 360, 30, 5),
  standard("ticket", 1_440, 120, 10),
  standard("ticket", 4_320, 360, 10),
];

/** The shortest that a unit can be, but for the day on which clocks go forward. */
const shortestDays: { readonly [unit in CalendarUnit]: number } = {
  day: 1,
  week: 7,
  month: 28,
  quarter: 90,
  year: 365,
};

/** How long a period is, where a factor is computed for it: a calendar unit counts as its shortest, so that its alerts are the same all year. */
export const periodMinutes = (period: Period): number =>
  period.kind === "rolling" ? period.minutes : shortestDays[period.unit] * minutesPerDay;

/** How many times as fast as would spend the budget just at the period's end: 2 % of thirty days' budget within an hour is 14.4. */
export const factorOf = ({ burn, longMinutes }: Rule, periodMinutes: number): Ratio =>
  "factor" in burn ? burn.factor : reduced(burn.share.numerator * periodMinutes, burn.share.denominator * longMinutes);

/** Whether a rule can fire at all: where factor times budget is one or more, not even a hundred per cent of bad calls is above it. */
export function canFire(rule: Rule, budget: Ratio, periodMinutes: number): boolean {
  const factor = factorOf(rule, periodMinutes);
  return BigInt(factor.numerator) * BigInt(budget.numerator) < BigInt(factor.denominator) * BigInt(budget.denominator);
}
