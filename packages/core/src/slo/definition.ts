import { type Burnt, rulesOf } from "./definition-alerts.ts";
import { metricOf, parseIndicator } from "./definition-indicator.ts";
import {
  anyFields,
  description,
  exactly,
  type Fault,
  fault,
  fields,
  flag,
  isGiven,
  items,
  label,
  maxDecimals,
  type Note,
  needed,
  note,
  number,
  objectOf,
  oneOf,
  type Place,
  placeOf,
  sentence,
  shown,
  text,
  unsupported,
  word,
} from "./document.ts";
import { fixedMinutes } from "./duration.ts";
import { complement, type Ratio, reduced } from "./ratio.ts";
import { periodMinutes } from "./rules.ts";
import type { CalendarUnit, Indicator, Period, Slo } from "./slo.ts";
import { levels, minutesPerDay, minutesPerHour } from "./time.ts";

export type { Fault, Note };

export interface DefinitionOptions {
  /** For who brings counts of their own: what is wrong with the indicator is noted, and it is then the availability of everything. */
  readonly indicator?: "optional";
}

/**
 * One OpenSLO document of `kind: SLO` (https://github.com/OpenSLO/OpenSLO, v1), as JSON or YAML gave it.
 *
 * @param indicators the documents of `kind: SLI`, by their names, that `indicatorRef` may mean.
 * @returns the objective with what is to be noted of it, or all faults of the document, at least one.
 * @throws never.
 */
export function parseDefinition(
  document: unknown,
  indicators: ReadonlyMap<string, unknown> = new Map(),
  options: DefinitionOptions = {},
): { readonly slo: Slo; readonly notes: readonly Note[] } | { readonly faults: readonly Fault[] } {
  const place = placeOf(document);
  const said = objectOf(place, "SLO");
  const name = said?.name && label(said.name);
  const spec =
    said &&
    fields(said.spec, [
      "description",
      "service",
      "indicator",
      "indicatorRef",
      "timeWindow",
      "budgetingMethod",
      "objectives",
      "alertPolicies",
    ]);
  if (said === undefined || spec === undefined) return { faults: place.faults };
  description(spec.description);
  text(spec.service, maxText);
  const indicator = indicatorOf(spec, indicators, options);
  const period = periodOf(needed(spec.timeWindow, "Write timeWindow: [{duration: 30d, isRolling: true}]."));
  const objective = objectiveOf(spec);
  const slices = objective?.slices;
  const burnt: Burnt | undefined = period &&
    objective?.budget && {
      budget: objective.budget,
      period,
      ...(slices && { sliceMinutes: slices.minutes }),
    };
  if (slices && period && periodMinutes(period) > maxDays * minutesPerDay)
    fault(
      spec.timeWindow,
      "is too long for Timeslices, which are told from minutes. Write a month or less, or Occurrences.",
    );
  const rules = rulesOf(spec.alertPolicies, burnt);
  if (place.faults.length > 0 || name === undefined || indicator === undefined || burnt === undefined)
    return { faults: place.faults };
  const { displayName } = said;
  return {
    slo: {
      name,
      ...(displayName !== undefined && { displayName }),
      indicator,
      budget: burnt.budget,
      period: burnt.period,
      ...(slices && { slices }),
      rules,
    },
    notes: place.notes,
  };
}

const maxText = 256;

function indicatorOf(
  spec: { readonly indicator: Place; readonly indicatorRef: Place },
  indicators: ReadonlyMap<string, unknown>,
  options: DefinitionOptions,
): Indicator | undefined {
  if (options.indicator !== "optional") return requiredIndicator(spec, indicators);
  const faults: Fault[] = [];
  const { notes } = spec.indicator;
  const indicator = requiredIndicator(
    { indicator: { ...spec.indicator, faults }, indicatorRef: { ...spec.indicatorRef, faults } },
    indicators,
  );
  if (indicator && faults.length === 0) return indicator;
  for (const found of faults) notes.push(found);
  return { sli: "availability", selector: {} };
}

function requiredIndicator(
  { indicator, indicatorRef }: { readonly indicator: Place; readonly indicatorRef: Place },
  indicators: ReadonlyMap<string, unknown>,
): Indicator | undefined {
  if (isGiven(indicatorRef)) {
    if (isGiven(indicator)) return fault(indicator, "stands beside indicatorRef. Keep one of the two.");
    return referredIndicator(indicatorRef, indicators);
  }
  const said = fields(
    needed(indicator, "Write indicator: {spec: …}, or indicatorRef: the name of a document of kind: SLI."),
    ["metadata", "spec"],
  );
  if (said === undefined) return undefined;
  const metadata = fields(said.metadata, ["name", "displayName", "labels", "annotations"]);
  if (metadata) {
    label(metadata.name);
    text(metadata.displayName, maxText);
    anyFields(metadata.labels);
    anyFields(metadata.annotations);
  }
  return metricOf(needed(said.spec, "Write spec: {ratioMetric: …}."));
}

function referredIndicator(ref: Place, indicators: ReadonlyMap<string, unknown>): Indicator | undefined {
  const name = label(ref);
  if (name === undefined) return undefined;
  const document = indicators.get(name);
  if (document === undefined)
    return fault(ref, `${shown(name)} is not there. Write a document of kind: SLI with that name, or an indicator.`);
  const parsed = parseIndicator(document);
  if ("faults" in parsed) {
    for (const found of parsed.faults) fault(ref, `the SLI ${name} has a fault: ${sentence(found)}`);
    return undefined;
  }
  for (const found of parsed.notes) note(ref, `of the SLI ${name}: ${sentence(found)}`);
  return parsed.indicator;
}

const minDays = 3;
const maxDays = 30;
const keptDays = Math.floor((levels[0].kept * levels[0].cells) / minutesPerDay);
const calendarUnits: { readonly [duration: string]: CalendarUnit } = {
  "1d": "day",
  "1w": "week",
  "1M": "month",
  "1Q": "quarter",
  "1Y": "year",
};

function periodOf(windows: Place): Period | undefined {
  const list = items(windows);
  if (list === undefined) return undefined;
  const [first] = list;
  if (first === undefined || list.length > 1)
    return fault(windows, `has ${list.length} items. Write one: {duration: 30d, isRolling: true}.`);
  const said = fields(first, ["duration", "calendar", "isRolling"]);
  if (said === undefined) return undefined;
  const duration = text(needed(said.duration, "Write one, such as duration: 30d."), maxText);
  // As OpenSLO has it: with a calendar, it may be left out.
  const isRolling = isGiven(said.calendar)
    ? (flag(said.isRolling) ?? false)
    : flag(needed(said.isRolling, "Write isRolling: true, or a calendar."));
  if (isRolling === undefined) return undefined;
  if (!isRolling) {
    const calendar = needed(said.calendar, "Write calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}.");
    return calendarOf({ ...said, calendar }, duration);
  }
  if (isGiven(said.calendar)) fault(said.calendar, "belongs to isRolling: false. Keep one of the two.");
  return duration === undefined ? undefined : rollingOf(said.duration, duration);
}

function rollingOf(place: Place, duration: string): Period | undefined {
  const minutes = fixedMinutes(duration);
  if (minutes === undefined || minutes % minutesPerDay !== 0)
    return fault(place, `${shown(duration)} is not a whole number of days. Write it like 30d or 4w.`);
  if (minutes < minDays * minutesPerDay)
    return fault(place, `${duration} is shorter than the longest alert window. Write at least ${minDays}d.`);
  if (minutes > maxDays * minutesPerDay)
    return fault(
      place,
      `${duration} is too long: minutes are kept for ${keptDays} days. Write at most ${maxDays}d, or a calendar window.`,
    );
  return { kind: "rolling", minutes };
}

function calendarOf(
  said: { readonly duration: Place; readonly calendar: Place },
  duration: string | undefined,
): Period | undefined {
  const unit = duration !== undefined && Object.hasOwn(calendarUnits, duration) ? calendarUnits[duration] : undefined;
  if (duration !== undefined && unit === undefined)
    fault(said.duration, `${shown(duration)} is not a calendar unit. Write ${oneOf(Object.keys(calendarUnits))}.`);
  const calendar = fields(said.calendar, ["startTime", "timeZone"]);
  if (calendar === undefined) return undefined;
  const start = text(needed(calendar.startTime, "Write one, such as startTime: 2026-01-01 00:00:00."), maxText);
  if (start !== undefined) checkStart(calendar.startTime, start, unit);
  const timeZone = text(calendar.timeZone, maxText) ?? "UTC";
  if (!isTimeZone(timeZone))
    return fault(calendar.timeZone, `${shown(timeZone)} is not a time zone of IANA's. Write one like Europe/Berlin.`);
  return unit && { kind: "calendar", unit, timeZone };
}

/** OpenSLO wants a start. Units begin where calendars have them begin, so that all objectives of one unit go together. */
function checkStart(place: Place, start: string, unit: CalendarUnit | undefined): void {
  const [, day = "", hour = "", seconds = ":00"] = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d)?$/.exec(start) ?? [];
  const time = `${day}T${hour}${seconds}`;
  const date = new Date(`${time}Z`);
  // A day that a month does not have is read as one of the next.
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(time))
    fault(place, `${shown(start)} is not a date with a time. Write it like 2026-01-01 00:00:00.`);
  else if (unit && !(`${hour}${seconds}` === "00:00:00" && beginnings[unit].is(date)))
    note(place, `is not used: each ${unit} begins ${beginnings[unit].words}.`);
}

/** Whether a day (in UTC) begins a unit. */
const beginnings: {
  readonly [unit in CalendarUnit]: { readonly words: string; readonly is: (date: Date) => boolean };
} = {
  day: { words: "at midnight", is: () => true },
  week: { words: "on Monday at midnight", is: (date) => date.getUTCDay() === 1 },
  month: { words: "at midnight of its first day", is: (date) => date.getUTCDate() === 1 },
  quarter: {
    words: "at midnight of its first day",
    is: (date) => date.getUTCDate() === 1 && date.getUTCMonth() % 3 === 0,
  },
  year: { words: "at midnight of its first day", is: (date) => date.getUTCDate() === 1 && date.getUTCMonth() === 0 },
};

function isTimeZone(name: string): boolean {
  // Intl also takes offsets, which no zone of IANA's is called.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

interface Objective {
  readonly budget: Ratio | undefined;
  readonly slices: Slo["slices"] | undefined;
}

function objectiveOf(spec: { readonly objectives: Place; readonly budgetingMethod: Place }): Objective | undefined {
  const method = methodOf(needed(spec.budgetingMethod, "Write budgetingMethod: Occurrences."));
  const list = items(needed(spec.objectives, "Write objectives: [{target: 0.999}]."));
  if (list === undefined) return undefined;
  const [first] = list;
  if (first === undefined || list.length > 1)
    return fault(spec.objectives, `has ${list.length} items. Write one objective, and one SLO per objective.`);
  const said = fields(first, [
    "displayName",
    "target",
    "targetPercent",
    "timeSliceTarget",
    "timeSliceWindow",
    "op",
    "value",
    "indicator",
    "indicatorRef",
    "compositeWeight",
  ]);
  if (said === undefined) return undefined;
  text(said.displayName, maxText);
  // OpenSLO wants them beside a thresholdMetric.
  for (const field of [said.op, said.value])
    if (isGiven(field))
      note(field, "is not looked at: what counts is thresholdMs or thresholdPermille of the metricSource.");
  for (const field of [said.indicator, said.indicatorRef, said.compositeWeight])
    unsupported(field, "Write one SLO per indicator, with the indicator in its spec.");
  const slices = method === "Timeslices" ? slicesOf(said) : undefined;
  if (method === "Occurrences")
    for (const field of [said.timeSliceTarget, said.timeSliceWindow])
      if (isGiven(field)) fault(field, "belongs to budgetingMethod: Timeslices. Write that, or leave this out.");
  return { budget: budgetOf(said), slices };
}

function methodOf(place: Place): "Occurrences" | "Timeslices" | undefined {
  if (place.value === "RatioTimeslices") return fault(place, "RatioTimeslices is not supported yet; use Timeslices.");
  return word(place, ["Occurrences", "Timeslices"]);
}

const percentDecimals = maxDecimals - 2;

function budgetOf({ target, targetPercent }: { readonly target: Place; readonly targetPercent: Place }) {
  if (isGiven(target) && isGiven(targetPercent))
    return fault(targetPercent, "stands beside target. Keep one of the two.");
  if (isGiven(targetPercent)) {
    const percent = percentOf(targetPercent);
    return percent && complement(reduced(percent.numerator, percent.denominator * 100));
  }
  const value = number(needed(target, "Write target: 0.999, or targetPercent: 99.9."));
  if (value === undefined) return undefined;
  if (value === 1) return fault(target, "1 leaves no budget. Write a fraction below it, such as target: 0.999.");
  if (value <= 0 || value > 1) {
    // What was meant is plain, unless it is no percentage either.
    const [fraction, percent] =
      value > 1 && value < 100 ? [Number((value / 100).toFixed(maxDecimals)), value] : [0.999, 99.9];
    return fault(
      target,
      `${value} is not a fraction between 0 and 1. Write target: ${fraction}, or targetPercent: ${percent}.`,
    );
  }
  const ratio = exactly(value);
  return ratio ? complement(ratio) : tooFine(target, value, maxDecimals);
}

function percentOf(place: Place): Ratio | undefined {
  const value = number(place);
  if (value === undefined) return undefined;
  if (value === 100) return fault(place, "100 leaves no budget. Write less, such as targetPercent: 99.9.");
  if (value <= 0 || value > 100)
    return fault(place, `${value} is not between 0 and 100. Write it like targetPercent: 99.9.`);
  if (value < 1) note(place, `${value} is less than one per cent. If it is a fraction, write target: ${value}.`);
  return exactly(value, percentDecimals) ?? tooFine(place, value, percentDecimals);
}

const tooFine = (place: Place, value: number, decimals: number): undefined =>
  fault(place, `${value} has more than ${decimals} digits after the point. Write fewer.`);

function slicesOf(said: { readonly timeSliceTarget: Place; readonly timeSliceWindow: Place }): Slo["slices"] {
  const target = sliceTargetOf(needed(said.timeSliceTarget, "Write the good part of a good slice, such as 0.95."));
  const minutes = sliceMinutesOf(needed(said.timeSliceWindow, "Write how long a slice is, such as 5m."));
  return target && minutes ? { minutes, target } : undefined;
}

function sliceTargetOf(place: Place): Ratio | undefined {
  const value = number(place);
  if (value === undefined) return undefined;
  if (value <= 0 || value > 1)
    return fault(place, `${value} is not a fraction above 0 and up to 1. Write it like timeSliceTarget: 0.95.`);
  return exactly(value) ?? tooFine(place, value, maxDecimals);
}

function sliceMinutesOf(place: Place): number | undefined {
  if (typeof place.value === "number")
    return fault(place, `${place.value} has no unit. Write timeSliceWindow: ${place.value}m.`);
  const window = text(place, maxText);
  if (window === undefined) return undefined;
  const minutes = fixedMinutes(window);
  if (minutes !== undefined && minutesPerHour % minutes === 0) return minutes;
  return fault(place, `${shown(window)} does not divide an hour evenly. Write 1m, 5m, 10m, 30m or 1h, for example.`);
}
