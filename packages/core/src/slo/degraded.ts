import type { Cell } from "./cell.ts";
import type { Evaluated } from "./evaluate.ts";
import type { Slo } from "./slo.ts";
import { minuteMs } from "./time.ts";

/** Why figures cannot be relied on: those of all SLOs (`behind`), or of one. */
export type DegradedWhat = "behind" | "no_data" | "unknown_outcomes" | "records_lost";
/** Since when, in milliseconds. */
export type Degraded = { readonly [what in DegradedWhat]?: number };

export interface Degradation {
  readonly what: DegradedWhat;
  readonly detail: string;
}

const behindMs = 5 * minuteMs;
/** An alert that has had no data for so long is frozen, and a person should know. */
const frozenMs = 10 * minuteMs;
/** Of an hour's calls, as long as they are not very few. */
const maxUnknown = 0.05;
const minUnknown = 10;

/** @param behindSinceMs since when counters lag behind the log; undefined where they do not. */
export const behindDegradations = (nowMs: number, behindSinceMs: number | undefined): Degradation[] =>
  behindSinceMs !== undefined && nowMs - behindSinceMs >= behindMs
    ? [{ what: "behind", detail: `Counters have been behind the log since ${iso(behindSinceMs)}: burn is of before.` }]
    : [];

/** @param hour everything in the last 60 minutes. */
export function degradationsOf(
  { indicator: { sli } }: Slo,
  { rules, state }: Pick<Evaluated, "rules" | "state">,
  hour: Cell,
  nowMs: number,
): Degradation[] {
  const found: Degradation[] = [];
  const firing = rules.filter((rule) => rule.firing);
  // A rule remembers the last minute that told it anything.
  const frozen = firing
    .map(({ rule, burns }) => ({
      name: rule.name,
      sinceMs: burns === undefined ? (state[rule.name]?.minute ?? 0) * minuteMs : nowMs,
    }))
    .filter(({ sinceMs }) => nowMs - sinceMs > frozenMs);
  if (frozen.length > 0) {
    const since = iso(Math.min(...frozen.map(({ sinceMs }) => sinceMs)));
    found.push({
      what: "no_data",
      detail: `No calls since ${since}: ${frozen.map(({ name }) => name).join(", ")} stays as it was.`,
    });
  }
  if (sli !== "availability") return found;
  const { unknown = 0, valid = 0, lost = 0 } = hour;
  if (unknown >= minUnknown && unknown > maxUnknown * (unknown + valid))
    found.push({
      what: "unknown_outcomes",
      detail: `Of ${unknown + valid} calls in an hour nobody knows how ${unknown} ended.`,
    });
  if (lost > 0)
    found.push({ what: "records_lost", detail: `Emitters could not write ${lost} records in the last hour.` });
  return found;
}

const iso = (ms: number): string => new Date(ms).toISOString();
