import type { PipelineEvent } from "@tooltrail/format";
import type { Projections, RowKey } from "../follow/ports.ts";
import { keyPart } from "../follow/row-id.ts";
import type { Events } from "../ports.ts";
import { burnersOf } from "./burners.ts";
import { type Cell, countOf } from "./cell.ts";
import { countsFrom, readFor, type Selected } from "./counting.ts";
import { readMaintenances } from "./definitions.ts";
import { behindDegradations, type Degradation, type Degraded, type DegradedWhat, degradationsOf } from "./degraded.ts";
import { type AlertState, type Evaluated, evaluate, type Transition } from "./evaluate.ts";
import { windowOf } from "./maintenance.ts";
import { alertsKept, listKept, openMemory } from "./memory.ts";
import { readSpans } from "./read-spans.ts";
import type { Rule, Slo } from "./slo.ts";
import type { Known } from "./slos.ts";
import { cellIn, lastMinutes, rowsOfSpans, type Span } from "./spans.ts";
import { minuteMs, minuteOf, minutesPerHour } from "./time.ts";

export interface AlertPorts {
  readonly projections: Projections;
  readonly events: Events;
}

/** What one look at all SLOs came to. `looked`: those that were more than screened; `firing`: rules. */
export interface Evaluation {
  readonly slos: number;
  readonly looked: number;
  readonly firing: number;
  readonly said: number;
}

/** What is remembered of an SLO, with the SLO itself: it may be gone when its alert is to be cleared. */
export type SloState = {
  readonly slo: Slo;
  readonly alerts: AlertState;
  readonly degraded?: Degraded;
};

const sloStates = "slos";
/** What is remembered of all SLOs together. */
const allKey: RowKey = { collection: "all", id: "data" };
type AllState = { readonly degraded: Degraded };

/** SLOs whose rows are in memory at once. */
const slosPerStep = 40;

/**
 * Evaluates every SLO as of now, and says what has changed: `slo.burn.started`, `updated` and `cleared`, and `slo.data.degraded`.
 *
 * Said first, remembered after: killed in between, it is said again. What is remembered moves by compare-and-set, so of two that evaluate at once one finds that it was overtaken.
 * Only SLOs with something bad in the last hours, or something to remember, are looked at closely: nothing else can begin to burn, since every short window lies within them.
 *
 * @param behindSinceMs since when counters have been behind the log, in milliseconds; undefined where they are not.
 * @throws AppError unavailable where another evaluation was faster, or the counters were made anew meanwhile; what a port throws, after all SLOs had their turn.
 */
export async function evaluateSlos(
  { projections, events }: AlertPorts,
  known: Known,
  nowMs: number,
  behindSinceMs: number | undefined,
): Promise<Evaluation> {
  const minute = minuteOf(nowMs);
  const memory = await openMemory(projections, alertsKept);
  const maintenances = await readMaintenances(projections);
  const remembered = await readStates(projections);
  const [row] = await projections.read(alertsKept.name, alertsKept.generation, [allKey]);
  const sums = { slos: known.slos.length, looked: 0, firing: 0, said: 0 };
  const say = async (said: readonly PipelineEvent[]): Promise<void> => {
    for (const event of said) await events.publish(event);
    sums.said += said.length;
  };

  const failed: unknown[] = [];
  for (let from = 0; from < known.slos.length; from += slosPerStep) {
    const some = known.slos.slice(from, from + slosPerStep).map(({ slo }) => slo);
    for (const { slo, evaluated, hour } of await look(projections, known, some, minute, {
      remembered,
      isQuiet: (one) => windowOf(one, maintenances, nowMs) !== undefined,
    })) {
      sums.looked += 1;
      sums.firing += evaluated.rules.filter(({ firing }) => firing).length;
      const before = remembered.get(slo.name);
      const data = changesOfData(slo.name, before?.degraded ?? {}, degradationsOf(slo, evaluated, hour, nowMs), nowMs);
      try {
        if (before) await say(removedEvents(before, rulesGone(before.slo, slo), nowMs));
        for (const transition of evaluated.transitions)
          await say([await burnEvent(projections, known, slo, transition, nowMs)]);
        await say(data.events);
      } catch (error) {
        failed.push(error); // not said, hence not remembered: the next look says it, and the others have their turn in this one
        continue;
      }
      const isWorthIt = Object.keys(evaluated.state).length > 0 || data.degraded !== undefined;
      const state: SloState = { slo, alerts: evaluated.state, ...(data.degraded && { degraded: data.degraded }) };
      await memory.put(keyOf(slo.name), before, isWorthIt ? state : undefined);
    }
  }
  const all = (row?.value as AllState | undefined)?.degraded ?? {};
  const ofAll = changesOfData(undefined, all, behindDegradations(nowMs, behindSinceMs), nowMs);
  await say(ofAll.events);
  await memory.put(allKey, row?.value, ofAll.degraded && { degraded: ofAll.degraded });

  const names = new Set(known.slos.map(({ slo }) => slo.name));
  for (const [name, state] of remembered) {
    if (names.has(name)) continue;
    await say([
      ...removedEvents(state, state.slo.rules, nowMs),
      ...changesOfData(name, state.degraded ?? {}, [], nowMs).events,
    ]);
    await memory.put(keyOf(name), state, undefined);
  }
  await memory.flush();
  if (failed.length > 0) throw failed[0];
  return sums;
}

const rulesGone = (before: Slo, now: Slo): Rule[] =>
  before.rules.filter(({ name }) => now.rules.every((rule) => rule.name !== name));

/** What is remembered of each SLO, by name. */
export async function readStates(projections: Pick<Projections, "list">): Promise<Map<string, SloState>> {
  const rows = await listKept(projections, alertsKept, sloStates);
  return new Map(rows.map(({ value }) => [(value as SloState).slo.name, value as SloState]));
}

interface Looked extends Selected {
  readonly evaluated: Evaluated;
  readonly hour: Cell;
}

/** Evaluates those of some SLOs that may have something to say. */
async function look(
  projections: Projections,
  known: Known,
  slos: readonly Slo[],
  minute: number,
  {
    remembered,
    isQuiet,
  }: { readonly remembered: ReadonlyMap<string, SloState>; readonly isQuiet: (slo: Slo) => boolean },
): Promise<Looked[]> {
  const selected = await Promise.all(
    slos.map(async (slo): Promise<Selected> => ({ slo, selection: await known.catalogue.select(slo.indicator) })),
  );
  const unsuspected = selected.filter(({ slo }) => !remembered.has(slo.name));
  const lately = await readSpans(
    projections,
    known.generation,
    unsuspected.flatMap(({ slo, selection }) =>
      selection.series.map((one) => ({ series: one, keys: rowsOfSpans(one, [lastHours(slo, minute)]) })),
    ),
  );
  const harmless = new Set(
    unsuspected.filter(({ slo, selection }) => isHarmless(slo, cellIn(lately, selection, lastHours(slo, minute)))),
  );
  const suspects = selected.filter((one) => !harmless.has(one));
  const rows = await readFor(projections, known.generation, suspects, minute, [lastMinutes(minute, minutesPerHour)]);
  await known.mustBeCurrent();
  return suspects.map((one) => {
    const counts = countsFrom(one, rows);
    const state = remembered.get(one.slo.name)?.alerts ?? {};
    const evaluated = evaluate(one.slo, counts, state, minute, { maintenance: isQuiet(one.slo) });
    return {
      ...one,
      evaluated,
      hour: cellIn(rows, one.selection, lastMinutes(minute, minutesPerHour)),
    };
  });
}

/** Whole hours, and all short windows within them. */
function lastHours({ rules }: Slo, minute: number): Span {
  const longest = Math.max(minutesPerHour, ...rules.map(({ shortMinutes }) => shortMinutes));
  return { from: Math.floor((minute - longest) / minutesPerHour) * minutesPerHour, to: minute + 1 };
}

function isHarmless({ indicator }: Slo, lately: Cell): boolean {
  if (countOf(indicator, lately).bad > 0) return false;
  return indicator.sli !== "availability" || (!lately.unknown && !lately.lost);
}

async function burnEvent(
  projections: Projections,
  { generation, catalogue }: Known,
  slo: Slo,
  transition: Transition,
  nowMs: number,
): Promise<PipelineEvent> {
  const figures = burnFigures(slo, transition, nowMs);
  if (transition.state === "cleared") return { type: "slo.burn.cleared", ...figures, why: "recovered" };
  const span = lastMinutes(transition.minute, transition.rule.longMinutes);
  const burners = await burnersOf(projections, generation, catalogue, slo.indicator, span);
  return { type: transition.state === "firing" ? "slo.burn.started" : "slo.burn.updated", ...figures, burners };
}

const keyOf = (name: string): RowKey => ({ collection: sloStates, id: keyPart(name) });

function burnFigures(
  slo: Slo,
  { rule, since, burnLong, burnShort, budgetSpent }: Omit<Transition, "minute" | "state">,
  nowMs: number,
) {
  const { sli, selector, literal } = slo.indicator;
  return {
    slo: slo.name,
    rule: rule.name,
    severity: rule.severity,
    sli,
    ...selector,
    ...(literal && { literal }),
    at: nowMs,
    startedAt: since * minuteMs,
    burnLong: rounded(burnLong),
    burnShort: rounded(burnShort),
    longMinutes: rule.longMinutes,
    shortMinutes: rule.shortMinutes,
    budgetSpent: rounded(budgetSpent),
  };
}

/** What is read by people has no sixteen digits. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Rules that are no more, and alerted: they alert nobody now. */
const removedEvents = ({ slo, alerts }: SloState, rules: readonly Rule[], nowMs: number): PipelineEvent[] =>
  rules.flatMap((rule) => {
    const firing = alerts[rule.name]?.firing;
    if (firing === undefined) return [];
    const said = burnFigures(slo, { rule, since: firing.since, burnLong: 0, burnShort: 0, budgetSpent: 0 }, nowMs);
    return [{ type: "slo.burn.cleared", ...said, why: "removed" }];
  });

/** What is new of an SLO's data, or of that of all, and what is over. */
function changesOfData(slo: string | undefined, before: Degraded, now: readonly Degradation[], nowMs: number) {
  const events: PipelineEvent[] = [];
  const whose = slo === undefined ? {} : { slo };
  const degraded: { [what in DegradedWhat]?: number } = {};
  for (const { what, detail } of now) {
    degraded[what] = before[what] ?? nowMs;
    if (before[what] === undefined)
      events.push({ type: "slo.data.degraded", state: "started", ...whose, what, at: nowMs, detail });
  }
  for (const what of Object.keys(before) as DegradedWhat[])
    if (degraded[what] === undefined) {
      const detail = `It had been so since ${new Date(before[what] ?? nowMs).toISOString()}.`;
      events.push({ type: "slo.data.degraded", state: "cleared", ...whose, what, at: nowMs, detail });
    }
  return { events, degraded: Object.keys(degraded).length === 0 ? undefined : (degraded as Degraded) };
}
