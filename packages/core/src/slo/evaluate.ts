import { binomialTail } from "./binomial.ts";
import { elapsedOf } from "./period.ts";
import type { Ratio } from "./ratio.ts";
import { toNumber } from "./ratio.ts";
import { factorOf, periodMinutes } from "./rules.ts";
import type { Count, Rule, Slo } from "./slo.ts";
import { lastMinutes, type Span } from "./spans.ts";

/** What is counted in a span of minutes. */
export type Counts = (span: Span) => Count;

/**
 * What is remembered of a rule from one evaluation to the next. `history`: whether it burnt in the last 21, a bit each, the latest lowest; of those before anything was remembered, that it did not.
 * `firing`: since which minute, and the burn over the long window that was last said.
 */
export interface RuleState {
  readonly minute: number;
  readonly history: number;
  readonly quiet: number;
  readonly flapping?: true;
  readonly firing?: { readonly since: number; readonly saidBurn: number };
}

/** Of an SLO's rules, by name: those of which there is something to remember. */
export type AlertState = { readonly [rule: string]: RuleState };

export interface Evaluated {
  readonly rules: readonly RuleFigures[];
  readonly budget: Budget;
  readonly transitions: readonly Transition[];
  readonly state: AlertState;
}

/** `burns`: undefined where the short window has no data, which says nothing, for good or ill. Burns are times as fast as would spend the budget just at the period's end. */
export interface RuleFigures {
  readonly rule: Rule;
  readonly long: Count;
  readonly short: Count;
  readonly burnLong: number;
  readonly burnShort: number;
  readonly burns: boolean | undefined;
  readonly firing: boolean;
}

/** Of the period so far. `spent` is a part of the budget, and may be over 1. */
export interface Budget extends Count {
  readonly spent: number;
}

export interface Transition {
  readonly minute: number;
  readonly rule: Rule;
  readonly state: "firing" | "updated" | "cleared";
  readonly since: number;
  readonly burnLong: number;
  readonly burnShort: number;
  readonly budgetSpent: number;
}

export interface Circumstances {
  /** Guard, hysteresis and flap hold are off: an alert is what its two windows say, minute by minute. */
  readonly plain?: boolean;
  /** Under maintenance nothing opens; what is open is counted on, and may clear. */
  readonly maintenance?: boolean;
}

/** An alert clears after so many evaluations in a row that did not burn. */
const quietEvaluations = 3;
const historyLength = 21;
/** An alert that changes at more than a fifth of these is held open, until it changes at less than a twentieth. */
const flapsAbove = 0.2;
const steadyBelow = 0.05;

/**
 * Whether the budget burns, and what follows from it: pure, total, and the same for a running system and for recorded history.
 *
 * `minute` is the last one counted; the windows end with it. Evaluated again in the same minute, what was found is only added to: a rule may begin to fire, and nothing else changes. Minutes may be
 * left out, which leaves them out of what is remembered. Late calls are in the windows of the next evaluation; the past is not evaluated again.
 */
export function evaluate(
  slo: Slo,
  counts: Counts,
  state: AlertState,
  minute: number,
  circumstances: Circumstances = {},
): Evaluated {
  const period = counts(elapsedOf(slo.period, minute).span);
  const budget = { ...period, spent: burnOf(period, slo.budget) };
  const transitions: Transition[] = [];
  const next: { [rule: string]: RuleState } = {};
  const rules = slo.rules.map((rule): RuleFigures => {
    const figures = figuresOf(slo, rule, counts, minute, circumstances.plain ?? false);
    const stepped = step(state[rule.name], figures, minute, circumstances);
    if (stepped.state) next[rule.name] = stepped.state;
    if (stepped.changed)
      transitions.push({
        minute,
        rule,
        state: stepped.changed,
        since: (stepped.state?.firing ?? state[rule.name]?.firing)?.since ?? minute,
        burnLong: figures.burnLong,
        burnShort: figures.burnShort,
        budgetSpent: budget.spent,
      });
    return { ...figures, firing: stepped.state?.firing !== undefined };
  });
  return { rules, budget, transitions, state: next };
}

/** Spans that an evaluation asks for. */
export function spansOf({ rules, period }: Slo, minute: number): Span[] {
  const windows = rules.flatMap(({ longMinutes, shortMinutes }) => [longMinutes, shortMinutes]);
  return [elapsedOf(period, minute).span, ...windows.map((minutes) => lastMinutes(minute, minutes))];
}

function figuresOf(slo: Slo, rule: Rule, counts: Counts, minute: number, plain: boolean) {
  const long = counts(lastMinutes(minute, rule.longMinutes));
  const short = counts(lastMinutes(minute, rule.shortMinutes));
  const factor = factorOf(rule, periodMinutes(slo.period));
  const faster = (count: Count): boolean => isFaster(count, factor, slo.budget);
  const enough = (): boolean => plain || isEvidence(slo, long, factor);
  return {
    rule,
    long,
    short,
    burnLong: burnOf(long, slo.budget),
    burnShort: burnOf(short, slo.budget),
    burns: short.total === 0 ? undefined : faster(long) && faster(short) && enough(),
  };
}

/** bad / total > factor * budget, in integers: a tie is not faster. */
function isFaster({ total, bad }: Count, factor: Ratio, budget: Ratio): boolean {
  const left = BigInt(bad) * BigInt(factor.denominator) * BigInt(budget.denominator);
  return left > BigInt(total) * BigInt(factor.numerator) * BigInt(budget.numerator);
}

/** So many bad ones are expected at the threshold that their ratio means something by itself. */
const expectedBad = 10;
const maxChance = 0.01;

/**
 * Of few calls, one that fails is a large part. There the long window must hold so many that fail that a service which just stays within the threshold would show them at most once
 * in a hundred times (exact binomial), and two at least. Slices are no independent calls, so for them two must do.
 */
function isEvidence({ budget, slices }: Slo, { total, bad }: Count, factor: Ratio): boolean {
  const chance = toNumber(factor) * toNumber(budget);
  if (slices) return bad >= 2;
  return total * chance >= expectedBad || (bad >= 2 && binomialTail(bad, total, chance) <= maxChance);
}

const burnOf = ({ total, bad }: Count, budget: Ratio): number => (total === 0 ? 0 : bad / total / toNumber(budget));

interface Step {
  readonly state: RuleState | undefined;
  readonly changed?: Transition["state"];
}

function step(
  before: RuleState | undefined,
  { burns, burnLong }: Pick<RuleFigures, "burns" | "burnLong">,
  minute: number,
  { plain = false, maintenance = false }: Circumstances,
): Step {
  // No data is no data: alerts stay as they are, and nothing is remembered of this minute.
  if (burns === undefined || (before?.minute === minute && !burns)) return { state: before };
  const now = remember(before, burns, minute);
  const { firing } = now;
  if (firing === undefined) {
    if (!burns || maintenance) return { state: worthKeeping(now) };
    return { state: { ...now, firing: { since: minute, saidBurn: burnLong } }, changed: "firing" };
  }
  const over = plain ? !burns : now.quiet >= quietEvaluations && !now.flapping;
  if (over) {
    const { firing: _, ...rest } = now;
    return { state: worthKeeping(rest), changed: "cleared" };
  }
  if (!burns || !isOtherThan(burnLong, firing.saidBurn)) return { state: now };
  return { state: { ...now, firing: { ...firing, saidBurn: burnLong } }, changed: "updated" };
}

/** What still burns is said again where it does so twice as fast, or half as fast. */
const isOtherThan = (burn: number, said: number): boolean => burn >= 2 * said || burn <= said / 2;

function remember(before: RuleState | undefined, burns: boolean, minute: number): RuleState {
  const again = before?.minute === minute;
  const earlier = again ? before.history >> 1 : (before?.history ?? 0);
  const history = ((earlier << 1) | (burns ? 1 : 0)) & (2 ** historyLength - 1);
  const changing = changesIn(history) / (historyLength - 1);
  const flapping = before?.flapping ? changing >= steadyBelow : changing > flapsAbove;
  return {
    minute,
    history,
    quiet: burns ? 0 : (before?.quiet ?? 0) + 1,
    ...(flapping && { flapping }),
    ...(before?.firing && { firing: before.firing }),
  };
}

function changesIn(history: number): number {
  let changes = 0;
  for (let i = 1; i < historyLength; i += 1) changes += ((history >> i) ^ (history >> (i - 1))) & 1;
  return changes;
}

/** Of a rule that has not burnt in all of its history, nothing need be remembered. */
const worthKeeping = (state: RuleState): RuleState | undefined => (state.history === 0 ? undefined : state);
