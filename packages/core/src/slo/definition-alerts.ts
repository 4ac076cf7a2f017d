import {
  anyFields,
  description,
  exactly,
  fault,
  fields,
  flag,
  isGiven,
  items,
  maxDecimals,
  needed,
  note,
  number,
  objectOf,
  type Place,
  shown,
  text,
  unsupported,
  word,
} from "./document.ts";
import { fixedMinutes } from "./duration.ts";
import { type Ratio, toNumber } from "./ratio.ts";
import { canFire, factorOf, periodMinutes, ruleName, standardRules, windowText } from "./rules.ts";
import type { Period, Rule } from "./slo.ts";
import { minutesPerDay } from "./time.ts";

/** What alerts burn. */
export interface Burnt {
  readonly budget: Ratio;
  readonly period: Period;
  /** Of a slice; absent where each call counts. */
  readonly sliceMinutes?: number;
}

/**
 * The rules of `spec.alertPolicies`: the standard ones where it is absent. `burnt` is undefined where a fault was found in it; rules are then read all the same, for their own faults.
 */
export function rulesOf(policies: Place, burnt: Burnt | undefined): readonly Rule[] {
  if (!isGiven(policies)) return burnt ? standardRulesFor(policies, burnt) : [];
  const list = items(policies);
  if (list?.length === 0) note(policies, "is empty: nobody will be alerted. Leave it out for the standard alerts.");
  const conditions = list?.flatMap(conditionsOf) ?? [];
  const rules = new Map<string, Rule>();
  for (const condition of conditions) {
    const rule = ruleOf(condition, burnt);
    if (rule === undefined) continue;
    if (rules.has(rule.name))
      fault(condition, `is the second ${rule.name}. Keep one, or write another lookbackWindow.`);
    rules.set(rule.name, rule);
  }
  return [...rules.values()];
}

function standardRulesFor(policies: Place, burnt: Burnt): Rule[] {
  const minutes = periodMinutes(burnt.period);
  return standardRules.filter((rule) => {
    if (holdsOneSlice(rule, burnt)) {
      note(policies, `${rule.name} is left out: ${oneSlice(burnt)}.`);
      return false;
    }
    const possible = canFire(rule, burnt.budget, minutes);
    if (!possible) note(policies, `${rule.name} is left out: ${impossible(rule, burnt)}.`);
    const pace = toNumber(factorOf(rule, minutes));
    if (possible && pace < 1 / 2)
      note(
        policies,
        `${rule.name} fires at ${Number(pace.toFixed(3))} times the pace that would last to the period's end. Write alertPolicies, if that is too early.`,
      );
    return possible;
  });
}

/** One slice that is bad is no trend, so a rule needs room for two. */
const holdsOneSlice = ({ longMinutes }: Pick<Rule, "longMinutes">, { sliceMinutes }: Burnt): boolean =>
  sliceMinutes !== undefined && longMinutes < 2 * sliceMinutes;

const oneSlice = ({ sliceMinutes = 0 }: Burnt): string =>
  `it needs two bad slices, and its long window does not hold two of ${windowText(sliceMinutes)}`;

/** `14.4 times a budget of 10 % is over 100 %, it could never fire` */
function impossible(rule: Rule, { budget, period }: Burnt): string {
  const factor = toNumber(factorOf(rule, periodMinutes(period)));
  const percent = Number((toNumber(budget) * 100).toFixed(maxDecimals - 2));
  // It fires above, so exactly a hundred is too much as well.
  const much = factor * toNumber(budget) > 1 ? "over 100 %" : "100 %";
  return `${Number(factor.toFixed(3))} times a budget of ${percent} % is ${much}, it could never fire`;
}

function conditionsOf(policy: Place): readonly Place[] {
  const ref = anyRef(policy, "alertPolicyRef");
  if (ref) return unread(ref, "Write the AlertPolicy here.");
  const said = objectOf(policy, "AlertPolicy", true);
  if (said?.name) text(said.name, maxText);
  const spec =
    said &&
    fields(said.spec, [
      "description",
      "alertWhenNoData",
      "alertWhenResolved",
      "alertWhenBreaching",
      "conditions",
      "notificationTargets",
    ]);
  if (spec === undefined) return [];
  description(spec.description);
  flag(spec.alertWhenResolved);
  if (flag(spec.alertWhenNoData))
    fault(spec.alertWhenNoData, "true is not supported: without data, alerts stay as they are. Write false.");
  if (flag(spec.alertWhenBreaching) === false)
    fault(spec.alertWhenBreaching, "false would never alert. Leave the policy out, or write true.");
  if (isGiven(spec.notificationTargets))
    note(spec.notificationTargets, "is not read: where alerts go is told to tooltrail itself.");
  const conditions = items(needed(spec.conditions, "Write at least one AlertCondition."));
  if (conditions?.length === 0) fault(spec.conditions, "is empty. Write at least one AlertCondition.");
  if (conditions !== undefined && conditions.length > 1)
    note(spec.conditions, "is read, but strict OpenSLO has one condition in a policy.");
  return conditions ?? [];
}

const anyRef = (place: Place, name: string): Place | undefined => {
  const { value } = place;
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? anyFields(place)[name] : undefined;
};

function unread(ref: Place, advice: string): [] {
  unsupported(ref, advice);
  return [];
}

const maxText = 256;
const shortWindow = "tooltrail/shortWindow";
const minLongMinutes = 5;
const maxLongMinutes = 3 * minutesPerDay;
/** The standard ones' longest: whether any alert can fire is told from the last hours alone. */
const maxShortMinutes = 360;
const shortPart = 12;

function ruleOf(place: Place, burnt: Burnt | undefined): Rule | undefined {
  const ref = anyRef(place, "conditionRef");
  if (ref) return void unread(ref, "Write the AlertCondition here.");
  const said = objectOf(place, "AlertCondition", true);
  if (said === undefined) return undefined;
  if (said.name) text(said.name, maxText);
  for (const [name, annotation] of Object.entries(said.annotations))
    if (name.startsWith("tooltrail/") && name !== shortWindow)
      fault(annotation, `is not known. tooltrail reads ${shortWindow} alone.`);
  const spec = fields(said.spec, ["description", "severity", "condition"]);
  if (spec === undefined) return undefined;
  description(spec.description);
  const severity = word(needed(spec.severity, "Write severity: page, or ticket."), ["page", "ticket"]);
  const condition = fields(needed(spec.condition, "Write {kind: burnrate, op: gt, threshold: …, lookbackWindow: …}."), [
    "kind",
    "op",
    "threshold",
    "lookbackWindow",
    "alertAfter",
  ]);
  if (condition === undefined) return undefined;
  word(condition.kind, ["burnrate"]);
  word(needed(condition.op, "Write op: gt."), ["gt"]);
  if (isGiven(condition.alertAfter) && condition.alertAfter.value !== "0m")
    fault(
      condition.alertAfter,
      `${shown(condition.alertAfter.value)} is not supported: the annotation ${shortWindow} keeps short bursts from alerting. Write 0m.`,
    );
  const factor = thresholdOf(needed(condition.threshold, "Write how fast the budget burns, such as threshold: 14.4."));
  const longMinutes = windowOf(
    needed(condition.lookbackWindow, "Write the long window, such as lookbackWindow: 1h."),
    minLongMinutes,
    maxLongMinutes,
  );
  const annotation = said.annotations[shortWindow];
  const shortMinutes = annotation
    ? windowOf(annotation, 1, maxShortMinutes)
    : longMinutes && Math.max(1, Math.floor(longMinutes / shortPart));
  if (annotation && longMinutes !== undefined && shortMinutes !== undefined && shortMinutes >= longMinutes)
    return fault(
      annotation,
      `${windowText(shortMinutes)} is not shorter than lookbackWindow: ${windowText(longMinutes)}.`,
    );
  if (severity === undefined || factor === undefined || longMinutes === undefined || shortMinutes === undefined)
    return undefined;
  const rule = { name: ruleName(severity, longMinutes), severity, longMinutes, shortMinutes, burn: { factor } };
  if (burnt && holdsOneSlice(rule, burnt))
    return fault(condition.lookbackWindow, `could never fire: ${oneSlice(burnt)}. Write a longer one.`);
  if (burnt && !canFire(rule, burnt.budget, periodMinutes(burnt.period)))
    return fault(condition.threshold, `${impossible(rule, burnt)}. Write a lower threshold.`);
  return rule;
}

function thresholdOf(place: Place): Ratio | undefined {
  const value = number(place);
  if (value === undefined) return undefined;
  const factor = value > 0 ? exactly(value) : undefined;
  return (
    factor ?? fault(place, `${value} is not between 0 and 999999, with at most ${maxDecimals} digits after the point.`)
  );
}

function windowOf(place: Place, from: number, to: number): number | undefined {
  const written = text(place, maxText);
  if (written === undefined) return undefined;
  const minutes = fixedMinutes(written);
  if (minutes !== undefined && minutes >= from && minutes <= to) return minutes;
  return fault(
    place,
    `${shown(written)} is not a window from ${windowText(from)} to ${windowText(to)}. Write it like 90m, 6h or 3d.`,
  );
}
