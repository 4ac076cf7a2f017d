import { type Cell, emptyCell } from "../cell.ts";

/** The usual: the sum of the seven days before the last full hour, and how many of their minutes (0 to 10,080) came after the server was first seen. */
export interface Baseline {
  readonly cell: Cell;
  readonly minutes: number;
}

/**
 * What a detector sees of one server (or tool) at a minute.
 *
 * `minute`: the last complete one, by its number since the epoch. `recent`: the last ten complete minutes up to it, oldest first; `emptyCell` where nothing happened.
 */
export interface Seen {
  readonly minute: number;
  readonly recent: readonly Cell[];
  readonly baseline: Baseline;
}

/**
 * What was found, all in one unit: what was seen, what would be usual, and what had to be passed for an alarm; `sample` is of how many calls (or scores).
 * `detail` is one plain sentence for the engineer on call.
 */
export interface Finding {
  readonly observed: number;
  readonly expected: number;
  readonly threshold: number;
  readonly sample: number;
  readonly detail: string;
}

/** A detector in words. `failureMode` is its row in the requirements (C1 to C6). */
export interface About {
  readonly name:
    | "auth_mismatch"
    | "retry_storm"
    | "retry_amplification"
    | "silent_regression"
    | "policy_drift"
    | "schema_breakage";
  readonly severity: "page" | "ticket";
  readonly failureMode: "C2" | "C3" | "C4" | "C5" | "C6";
  readonly method: string;
  readonly threshold: string;
  readonly minimumSample: string;
}

/**
 * Minutes on end that look worse than usual.
 *
 * `excess`: how much worse, in the unit of the method; above 0, for at 0 the run is over. `minutes`, `sample`: how many minutes, and calls (or scores), it consists of.
 * `observed`, `expected`: how many of them were bad, and how many would usually be (or sums of scores). `principals`: whom it befell, where that matters.
 */
export interface Run {
  readonly excess: number;
  readonly minutes: number;
  readonly sample: number;
  readonly observed: number;
  readonly expected: number;
  readonly principals?: readonly string[];
}

/** What a minute adds to a run. An excess below 0 takes away from it; minus infinity ends it. */
export type Weight = Omit<Run, "minutes">;

export interface Method {
  /** undefined: a minute that tells nothing either way. */
  weigh(cell: Cell, baseline: Baseline): Weight | undefined;
  /** What the run amounts to: undefined, as long as it may be chance or too small a sample. */
  judge(run: Run, baseline: Baseline): Finding | undefined;
  /** Excess above this is not counted, so that an episode's length does not decide how long its end goes unnoticed. */
  ceiling?(baseline: Baseline): number;
  /** Whether a run starts anew after each alarm: instead of a ceiling, where there is no natural one. */
  readonly restarts?: true;
}

/** `minute`: the last one that was counted. `alarmedAt`: the last minute with an alarm, for as long as the episode goes on. */
export interface DetectorState {
  readonly minute: number;
  readonly run?: Run;
  readonly alarmedAt?: number;
}

/**
 * `step` is pure. It counts each minute of `recent` that the state has not counted yet, so calling it twice for a minute, or only every tenth minute, changes nothing. Minutes
 * that nobody showed it count as empty. `finding` comes once an episode. A state of undefined means that there is nothing to remember.
 */
export interface Detector extends About {
  step(
    state: DetectorState | undefined,
    seen: Seen,
  ): { readonly state: DetectorState | undefined; readonly finding?: Finding };
}

/**
 * How many minutes are seen at once, and how many without an alarm, the run being over too, end an episode.
 *
 * They are one number for a reason. Without a state all that is seen is counted again, from nothing. Had the last alarm been less long ago, it would be found a second time. And
 * what is not above an alarm is not above it from a later start either: a run that begins later never has a greater excess, longer time or larger sample. Hence no state is needed
 * for the healthy.
 */
export const recentMinutes = 10;

export function detector(about: About, method: Method): Detector {
  return { ...about, step: (state, seen) => step(method, state, seen) };
}

function step(method: Method, state: DetectorState | undefined, { minute: last, recent, baseline }: Seen) {
  if (state && last <= state.minute) return { state };
  const shown = recent.slice(-recentMinutes);
  const first = last - shown.length + 1;
  let run = state?.run;
  let alarmedAt = state?.alarmedAt;
  let finding: Finding | undefined;

  for (let minute = (state?.minute ?? last) + 1; run && minute < first; minute++) {
    const nothing = method.weigh(emptyCell, baseline);
    if (!nothing) break;
    run = goOn(run, nothing);
  }
  for (const [index, cell] of shown.entries()) {
    const minute = first + index;
    if (state && minute <= state.minute) continue;
    const weight = method.weigh(cell, baseline);
    if (weight) run = goOn(run, weight, method.ceiling?.(baseline));
    const found = run && method.judge(run, baseline);
    if (found) {
      if (alarmedAt === undefined) finding = found;
      alarmedAt = minute;
      if (method.restarts) run = undefined;
    } else if (!run && alarmedAt !== undefined && minute - alarmedAt >= recentMinutes) alarmedAt = undefined;
  }
  const after: DetectorState | undefined =
    run || alarmedAt !== undefined
      ? { minute: last, ...(run && { run }), ...(alarmedAt !== undefined && { alarmedAt }) }
      : undefined;
  return { state: after, ...(finding && { finding }) };
}

/** Distinct principals that a run names: enough to tell one from several. */
const maxNamed = 2;

function goOn(run: Run | undefined, weight: Weight, ceiling = Number.POSITIVE_INFINITY): Run | undefined {
  const excess = Math.min(ceiling, (run?.excess ?? 0) + weight.excess);
  if (!(excess > 0)) return undefined;
  const principals = new Set([...(run?.principals ?? []), ...(weight.principals ?? [])]);
  return {
    excess,
    minutes: (run?.minutes ?? 0) + 1,
    sample: (run?.sample ?? 0) + weight.sample,
    observed: (run?.observed ?? 0) + weight.observed,
    expected: (run?.expected ?? 0) + weight.expected,
    ...(principals.size > 0 && { principals: [...principals].slice(0, maxNamed) }),
  };
}
