import { given } from "../given.ts";
import { type Ratio, ratioOf } from "./ratio.ts";

/** Where something is in a document: names of fields and numbers of items, from the top. */
export type Path = readonly (string | number)[];

/** What is wrong with what is there, and what to do about it. */
export interface Fault {
  readonly path: Path;
  readonly message: string;
}

/** What is right, and may not be what was meant. */
export type Note = Fault;

/**
 * A value from outside, where it lies, and where what is said of it goes. The readers below return undefined for what is not there, and for what is not what it must be: of the latter
 * they have said a fault. So a document is read to its end, and all of its faults are known.
 */
export interface Place {
  readonly path: Path;
  readonly value: unknown;
  readonly faults: Fault[];
  readonly notes: Note[];
}

export const placeOf = (value: unknown): Place => ({ path: [], value, faults: [], notes: [] });

export function fault({ path, faults }: Place, message: string): undefined {
  faults.push({ path, message });
  return undefined;
}

export const note = ({ path, notes }: Place, message: string): void => void notes.push({ path, message });

const inside = ({ value: _, path, ...place }: Place, name: string | number, value: unknown): Place => ({
  ...place,
  path: [...path, name],
  value,
});

export const isGiven = ({ value }: Place): boolean => value !== undefined;

/** The same place; a fault where nothing is. `advice` says what to write: a whole sentence. */
export function needed(place: Place, advice: string): Place {
  if (!isGiven(place)) fault(place, `is missing. ${advice}`);
  return place;
}

/** Refuses a field that OpenSLO has and nothing here reads, so that nobody believes it does something. */
export const unsupported = (place: Place, advice: string): void => {
  if (isGiven(place)) fault(place, `is not supported. ${advice}`);
};

const isMapping = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The fields of a mapping, all of those that are known; each that is not is a fault of its own. */
export function fields<Name extends string>(
  place: Place,
  known: readonly Name[],
): { readonly [name in Name]: Place } | undefined {
  const { value } = place;
  if (value === undefined) return undefined;
  if (!isMapping(value)) return fault(place, `${shown(value)} is not a mapping. Known in it are ${known.join(", ")}.`);
  for (const name of Object.keys(value))
    if (!known.some((other) => other === name))
      fault(inside(place, name, value[name]), `is not known here. Known are ${known.join(", ")}.`);
  // Only what it has itself: every object inherits a `constructor`.
  const places = known.map((name) => [name, inside(place, name, Object.hasOwn(value, name) ? value[name] : undefined)]);
  return Object.fromEntries(places) as { readonly [name in Name]: Place };
}

/** A mapping with whatever fields; nothing in it is a fault. Empty, it may be left without a value, as YAML does it. */
export function anyFields(place: Place): { readonly [name: string]: Place } {
  const { value } = place;
  if (value === undefined || value === null) return {};
  if (!isMapping(value)) return fault(place, `${shown(value)} is not a mapping.`) ?? {};
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inside(place, name, member)]));
}

export function items(place: Place): Place[] | undefined {
  const { value } = place;
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) return fault(place, `${shown(value)} is not a list. Begin each item with a dash.`);
  // An item is always there, if only as null.
  return Array.from(value, (item: unknown, index) => inside(place, index, item ?? null));
}

/** At most so many characters (UTF-16 units). */
export function text(place: Place, maxLength: number): string | undefined {
  const { value } = place;
  if (value === undefined) return undefined;
  if (typeof value === "number" || typeof value === "boolean")
    return fault(place, `${value} is a ${typeof value}, not a text. Put it in quotation marks.`);
  if (typeof value !== "string") return fault(place, `${shown(value)} is not a text.`);
  if (value.length > maxLength)
    return fault(place, `${value.length} characters are too many. Write at most ${maxLength}.`);
  return value;
}

export function word<Word extends string>(place: Place, words: readonly Word[]): Word | undefined {
  if (!isGiven(place)) return undefined;
  const found = words.find((one) => one === place.value);
  return found ?? fault(place, `${shown(place.value)} is not known. Write ${oneOf(words)}.`);
}

export function flag(place: Place): boolean | undefined {
  const { value } = place;
  if (value === undefined || typeof value === "boolean") return value;
  return fault(place, `${shown(value)} is neither true nor false.`);
}

export function number(place: Place): number | undefined {
  const { value, path } = place;
  if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
  const meant = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? ` Write ${path.at(-1)}: ${value}.` : "";
  return fault(place, `${shown(value)} is not a number.${meant}`);
}

/** `a, b or c`. */
export const oneOf = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

const maxShown = 60;

/** A value as a message shows it: one line, and not long. */
export function shown(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > maxShown ? `${value.slice(0, maxShown)}…` : value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  return String(value);
}

/** Digits after the point, at most, of what must be a `Ratio`. */
export const maxDecimals = 9;

/** A number as the decimal that was written, which is the shortest that gives this float. @returns undefined where it has more digits after the point, or is no number of `ratioOf`. */
export function exactly(value: number, decimals = maxDecimals): Ratio | undefined {
  const rounded = value.toFixed(decimals);
  return Number(rounded) === value ? ratioOf(rounded) : undefined;
}

const version = "openslo/v1";
const maxName = 63;
const maxDisplayName = 256;
const maxDescription = 1_050;

export const description = (place: Place): string | undefined => text(place, maxDescription);

/** What OpenSLO calls a name: a label of RFC 1123, in lower case. */
export function label(place: Place): string | undefined {
  const name = text(place, maxName);
  if (name === undefined || /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name)) return name;
  return fault(place, `${shown(name)} is not a name. Write lower-case letters, digits and inner hyphens.`);
}

/** What all OpenSLO objects have, and `spec`, which is its kind's own. An object within another need not say its version. */
export function objectOf(place: Place, kind: string, inline = false) {
  const said = fields(needed(place, `Write a document of kind: ${kind}.`), ["apiVersion", "kind", "metadata", "spec"]);
  if (said === undefined) return undefined;
  const says = (field: Place, value: string, optional = false): void =>
    void word(optional ? field : needed(field, `Write ${field.path.at(-1)}: ${value}.`), [value]);
  says(said.apiVersion, version, inline);
  says(said.kind, kind);
  const metadata = fields(needed(said.metadata, "Write metadata: {name: …}."), [
    "name",
    "displayName",
    "labels",
    "annotations",
  ]);
  const displayName = metadata && text(metadata.displayName, maxDisplayName);
  if (metadata) anyFields(metadata.labels);
  return {
    name: metadata && needed(metadata.name, "Write one, such as name: payments-availability."),
    ...given({ displayName }),
    annotations: metadata ? anyFields(metadata.annotations) : {},
    spec: needed(said.spec, "Write spec: {…}."),
  };
}

/** A place as people read it: `objectives[0].target`. The leading `spec` goes without saying; the whole document is an empty text. */
function pathText(path: Path): string {
  const steps = path.length > 1 && path[0] === "spec" ? path.slice(1) : path;
  return steps
    .map((step) => (typeof step === "number" ? `[${step}]` : /^[\w-]+$/.test(step) ? `.${step}` : `[${shown(step)}]`))
    .join("")
    .replace(/^\./, "");
}

/** A fault or a note as one line. */
export const sentence = ({ path, message }: Fault): string =>
  path.length === 0 ? message : `${pathText(path)}: ${message}`;
