import type { Ratio } from "./ratio.ts";

/** What is measured. Which calls count, and which of them are bad, is told by `cell.ts`. */
export const slis = ["availability", "latency", "freshness", "quality", "schema"] as const;
export type Sli = (typeof slis)[number];

/**
 * Whose calls. A member is a pattern, in which `*` stands for any characters; absent: whatever it is. An empty text stands for what has none, such as a server without an
 * environment.
 */
export interface Selector {
  readonly environment?: string;
  readonly server?: string;
  readonly version?: string;
  readonly tool?: string;
}

/**
 * `threshold` is what was asked and what it is snapped to, in the unit of its SLI: microseconds (latency), milliseconds (freshness) or thousandths (quality). Absent for the other
 * two. Good is what is not above it; a quality, what is not below it.
 */
export interface Indicator {
  readonly sli: Sli;
  readonly selector: Selector;
  /** The selector's members are names, whatever characters they have. */
  readonly literal?: true;
  readonly threshold?: { readonly asked: number; readonly edge: number };
}

/** Over which time a budget is spent: the last so many minutes, or since the beginning of a calendar unit. */
export type Period =
  | { readonly kind: "rolling"; readonly minutes: number }
  | { readonly kind: "calendar"; readonly unit: CalendarUnit; readonly timeZone: string };
export type CalendarUnit = "day" | "week" | "month" | "quarter" | "year";

/**
 * An alert: the budget burns faster than `burn` both over the long and over the short window (Google SRE Workbook, chapter 5). `share`: that part of the budget would be spent within
 * the long window; its factor is share * period / window. `factor`: so many times as fast as would spend the budget just at the period's end.
 */
export interface Rule {
  /** `page-1h`: what it asks for, and its long window. */
  readonly name: string;
  readonly severity: "page" | "ticket";
  readonly longMinutes: number;
  readonly shortMinutes: number;
  readonly burn: { readonly share: Ratio } | { readonly factor: Ratio };
}

/** A service level objective, as everything here takes it. OpenSLO is how it is written (`definition.ts`). */
export interface Slo {
  readonly name: string;
  readonly displayName?: string;
  readonly indicator: Indicator;
  /** What is left of the target: the part of all calls (or slices) that may be bad. Above 0 and below 1. */
  readonly budget: Ratio;
  readonly period: Period;
  /** Absent: each call counts. Else each slice of so many minutes does, and is bad where less than `target` of its calls are good. */
  readonly slices?: { readonly minutes: number; readonly target: Ratio };
  readonly rules: readonly Rule[];
}

/** How many calls (or slices) count, and how many of them are bad. */
export interface Count {
  readonly total: number;
  readonly bad: number;
}
