import { edges, nearestEdge, nearestScore } from "./buckets.ts";
import {
  description,
  type Fault,
  fault,
  fields,
  flag,
  isGiven,
  label,
  type Note,
  needed,
  note,
  number,
  objectOf,
  type Place,
  placeOf,
  text,
  word,
} from "./document.ts";
import { type Indicator, type Selector, type Sli, slis } from "./slo.ts";

/** An OpenSLO document of `kind: SLI`, alone. @throws never: faults are values, and all of them are told. */
export function parseIndicator(
  document: unknown,
):
  | { readonly name: string; readonly indicator: Indicator; readonly notes: readonly Note[] }
  | { readonly faults: readonly Fault[] } {
  const place = placeOf(document);
  const said = objectOf(place, "SLI");
  const name = said?.name && label(said.name);
  const indicator = said && metricOf(said.spec);
  if (place.faults.length > 0 || name === undefined || indicator === undefined) return { faults: place.faults };
  return { name, indicator, notes: place.notes };
}

const sourceAdvice = "Write metricSource: {type: tooltrail, spec: {sli: availability}}.";

/** What the `spec` of an SLI measures, whichever of OpenSLO's ways it is written in: tooltrail knows good, bad and total of each SLI by itself. */
export function metricOf(spec: Place): Indicator | undefined {
  const said = fields(spec, ["description", "thresholdMetric", "ratioMetric", "metricSource"]);
  if (said === undefined) return undefined;
  description(said.description);
  const { thresholdMetric, ratioMetric, metricSource } = said;
  const ways = [thresholdMetric, ratioMetric, metricSource].filter(isGiven);
  if (ways.length === 0)
    return fault(spec, "has no metric. Write ratioMetric or thresholdMetric, with a metricSource.");
  if (ways.length > 1) return fault(spec, "has several metrics. Keep one of ratioMetric and thresholdMetric.");
  if (isGiven(ratioMetric)) return ratioOfSources(ratioMetric);
  if (isGiven(thresholdMetric)) return withinMetric(thresholdMetric);
  note(metricSource, "is read, but not strict OpenSLO. Write it within ratioMetric.total for other tools.");
  return sourceOf(metricSource);
}

function withinMetric(metric: Place): Indicator | undefined {
  const said = fields(metric, ["metricSource"]);
  return said && sourceOf(needed(said.metricSource, sourceAdvice));
}

function ratioOfSources(place: Place): Indicator | undefined {
  const said = fields(place, ["counter", "good", "bad", "total", "rawType", "raw"]);
  if (said === undefined) return undefined;
  flag(said.counter);
  word(said.rawType, ["success", "failure"]);
  const [first, ...others] = [said.good, said.bad, said.total, said.raw].filter(isGiven);
  if (first === undefined) return fault(place, "has no source. Write good and total, each with a metricSource.");
  const indicator = withinMetric(first);
  for (const other of others) {
    // What is to be noted of it was noted of the first.
    const same = withinMetric({ ...other, notes: [] });
    if (indicator && same && JSON.stringify(same) !== JSON.stringify(indicator))
      fault(other, `differs from ${first.path.at(-1)}. Write the same metricSource: tooltrail counts both by itself.`);
  }
  return indicator;
}

const maxPattern = 256;

function sourceOf(place: Place): Indicator | undefined {
  const said = fields(place, ["metricSourceRef", "type", "spec"]);
  if (said === undefined) return undefined;
  text(said.metricSourceRef, maxPattern);
  word(needed(said.type, "Write type: tooltrail."), ["tooltrail"]);
  const source = fields(needed(said.spec, "Write spec: {sli: availability}."), [
    "sli",
    "thresholdMs",
    "thresholdPermille",
    "environment",
    "server",
    "version",
    "tool",
  ]);
  if (source === undefined) return undefined;
  const sli = word(needed(source.sli, "Write sli: availability."), slis);
  const selector: { -readonly [name in keyof Selector]: Selector[name] } = {};
  for (const name of ["environment", "server", "version", "tool"] as const) {
    const pattern = text(source[name], maxPattern);
    // Only stars: whatever it is, as when nothing is written.
    if (pattern !== undefined && !/^\*+$/.test(pattern)) selector[name] = pattern;
  }
  if (sli === undefined) return undefined;
  const threshold = thresholdOf(sli, source);
  return { sli, selector, ...(threshold && { threshold }) };
}

const lowest = edges[0] as number;
const highest = edges.at(-1) as number;

/** How an SLI's threshold is written: in which field, how much of its own unit one is, and from which to which value buckets can tell. */
const thresholds = {
  latency: { field: "thresholdMs", perOne: 1_000, unit: " ms", from: lowest, to: highest, nearest: nearestEdge },
  freshness: { field: "thresholdMs", perOne: 1, unit: " ms", from: lowest, to: highest, nearest: nearestEdge },
  quality: { field: "thresholdPermille", perOne: 1, unit: "", from: 0, to: 1_000, nearest: nearestScore },
  availability: undefined,
  schema: undefined,
} as const satisfies { readonly [sli in Sli]: unknown };

function thresholdOf(
  sli: Sli,
  source: { readonly thresholdMs: Place; readonly thresholdPermille: Place },
): Indicator["threshold"] {
  const way = thresholds[sli];
  for (const field of ["thresholdMs", "thresholdPermille"] as const)
    if (field !== way?.field && isGiven(source[field])) fault(source[field], `is nothing of ${sli}. Leave it out.`);
  if (way === undefined) return undefined;
  const place = source[way.field];
  const example = way.field === "thresholdMs" ? 200 : 900;
  const value = number(needed(place, `Write the last good value, such as ${way.field}: ${example}.`));
  if (value === undefined) return undefined;
  const from = way.from / way.perOne;
  const to = way.to / way.perOne;
  if (value < from || value > to)
    return fault(place, `${value} is not between ${from} and ${to}${way.unit}, where calls can be told apart.`);
  const asked = Math.round(value * way.perOne);
  const edge = way.nearest(asked);
  if (edge / way.perOne !== value)
    note(place, `${value} is counted as ${edge / way.perOne}${way.unit}, the nearest bucket edge.`);
  return { asked, edge };
}
