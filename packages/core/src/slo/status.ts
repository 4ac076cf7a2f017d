import type { Projections } from "../follow/ports.ts";
import { readStates } from "./alerts.ts";
import { type Burners, burnersOf } from "./burners.ts";
import { countsFrom, readFor } from "./counting.ts";
import { readMaintenances } from "./definitions.ts";
import { evaluate } from "./evaluate.ts";
import { windowOf } from "./maintenance.ts";
import { elapsedOf } from "./period.ts";
import { complement, toNumber } from "./ratio.ts";
import type { Period, Selector, Sli } from "./slo.ts";
import type { Known, KnownSlo, SloOrigin } from "./slos.ts";
import { lastMinutes, type Span } from "./spans.ts";
import { minuteMs, minutesPerHour } from "./time.ts";

/** Bad ones of all, in an hour. `total` 0: no data. */
export interface HourCount {
  readonly total: number;
  readonly bad: number;
}

export interface RuleView {
  readonly name: string;
  readonly severity: "page" | "ticket";
  readonly longMinutes: number;
  readonly shortMinutes: number;
  /** Times as fast as would spend the budget just at the period's end; null where there is no data. */
  readonly burnLong: number | null;
  readonly burnShort: number | null;
  readonly firing: boolean;
  /** Milliseconds. */
  readonly since?: number;
}

/** An SLO as it stands. Targets and parts of the budget are fractions of one; times in milliseconds. */
export interface SloView {
  readonly name: string;
  readonly displayName?: string;
  readonly origin: SloOrigin;
  readonly version?: number;
  readonly sli: Sli;
  readonly selector: Selector;
  /** In microseconds (latency), milliseconds (freshness), thousandths (quality). */
  readonly threshold?: { readonly asked: number; readonly edge: number };
  readonly target: number;
  readonly period: Period;
  readonly slices?: { readonly minutes: number; readonly target: number };
  readonly budget: {
    readonly total: number;
    readonly bad: number;
    readonly spent: number;
    readonly remaining: number;
    /** When nothing is left, at the burn of the last six hours; null where that does not spend it within the period. */
    readonly exhaustedAt: number | null;
  };
  readonly rules: readonly RuleView[];
  /** The last 24 hours, oldest first, this one last. */
  readonly hours: readonly HourCount[];
  readonly degraded: readonly { readonly what: string; readonly since: number }[];
  /** Until when nothing opens, and why. */
  readonly maintenance?: { readonly until: number; readonly reason: string };
  readonly burners?: Burners;
}

const shownHours = 24;
const outlookMinutes = 6 * minutesPerHour;

/** @param burning whether to tell who and what burns it, over the period: that reads more. */
export async function statusOf(
  projections: Projections,
  known: Known,
  slos: readonly KnownSlo[],
  minute: number,
  burning: boolean,
): Promise<SloView[]> {
  const states = await readStates(projections);
  const maintenances = await readMaintenances(projections);
  const selected = await Promise.all(
    slos.map(async (one) => ({ ...one, selection: await known.catalogue.select(one.slo.indicator) })),
  );
  const hours = hoursUpTo(minute);
  const outlook = lastMinutes(minute, outlookMinutes);
  const rows = await readFor(projections, known.generation, selected, minute, [...hours, outlook]);
  await known.mustBeCurrent();
  return Promise.all(
    selected.map(async (one) => {
      const { slo, origin, stored } = one;
      const state = states.get(slo.name);
      const window = windowOf(slo, maintenances, (minute + 1) * minuteMs - 1);
      const counts = countsFrom(one, rows);
      const { budget, rules } = evaluate(slo, counts, {}, minute);
      const elapsed = elapsedOf(slo.period, minute);
      const { total, bad } = counts(outlook);
      const burn = total === 0 ? 0 : bad / total / toNumber(slo.budget);
      const remaining = 1 - budget.spent;
      return {
        name: slo.name,
        ...(slo.displayName !== undefined && { displayName: slo.displayName }),
        origin,
        ...(stored && { version: stored.version }),
        sli: slo.indicator.sli,
        selector: slo.indicator.selector,
        ...(slo.indicator.threshold && { threshold: slo.indicator.threshold }),
        target: toNumber(complement(slo.budget)),
        period: slo.period,
        ...(slo.slices && { slices: { minutes: slo.slices.minutes, target: toNumber(slo.slices.target) } }),
        budget: { ...budget, remaining, exhaustedAt: exhaustedAt(remaining, burn, elapsed.minutes, minute) },
        rules: rules.map(({ rule, long, short, burnLong, burnShort }): RuleView => {
          const firing = state?.alerts[rule.name]?.firing;
          const { name, severity, longMinutes, shortMinutes } = rule;
          return {
            name,
            severity,
            longMinutes,
            shortMinutes,
            burnLong: long.total === 0 ? null : burnLong,
            burnShort: short.total === 0 ? null : burnShort,
            firing: firing !== undefined,
            ...(firing && { since: firing.since * minuteMs }),
          };
        }),
        hours: hours.map(counts),
        degraded: Object.entries(state?.degraded ?? {}).map(([what, since]) => ({ what, since })),
        ...(window && { maintenance: { until: window.until, reason: window.reason } }),
        ...(burning && {
          burners: await burnersOf(projections, known.generation, known.catalogue, slo.indicator, elapsed.span),
        }),
      };
    }),
  );
}

function hoursUpTo(minute: number): Span[] {
  const next = (Math.floor(minute / minutesPerHour) + 1) * minutesPerHour;
  return Array.from({ length: shownHours }, (_, i) => {
    const from = next - (shownHours - i) * minutesPerHour;
    return { from, to: from + minutesPerHour };
  });
}

/** What remains, spent at this burn: the whole budget lasts one period at a burn of 1. */
function exhaustedAt(remaining: number, burn: number, periodMinutes: number, minute: number): number | null {
  if (remaining <= 0) return minute * minuteMs;
  const minutes = (remaining * periodMinutes) / burn;
  return minutes <= periodMinutes ? Math.round((minute + minutes) * minuteMs) : null;
}
