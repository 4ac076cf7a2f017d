import type { responseDocument } from "@tooltrail/format/schema";
import { type Fault, oneOf, type Path, shown } from "../slo/document.ts";

type SafeParse = typeof responseDocument.safeParse;
type Said = NonNullable<NonNullable<Parameters<SafeParse>[1]>["error"]>;
/** What the schema finds, while there is the value that it is about. */
type Found = Parameters<Exclude<Said, string>>[0];
/** What it answers, with the words that it or `wordsFor` has put to it. */
type Issue = NonNullable<ReturnType<SafeParse>["error"]>["issues"][number];

/** Fields whose value may hold a secret, and is not said again. */
const unshown: readonly unknown[] = ["secret", "url"];

/** What is wrong and what to write, for all that the schema has no words of its own for. */
export function wordsFor(found: Found): string | undefined {
  const { input } = found;
  switch (found.code) {
    case "invalid_type":
      return typeWords(input, found.expected);
    case "invalid_value":
      return choiceWords(input, found.values.map(String));
    case "invalid_union":
      return choiceWords(
        memberOf(input, found.discriminator),
        Array.isArray(found.options) ? found.options.map(String) : [],
      );
    case "too_small":
    case "too_big":
      return sizeWords(found, input);
    case "invalid_key":
      return "is not a name here. Write a letter, then letters, digits and underscores, at most 64.";
    case "unrecognized_keys":
      return `Known are ${namesOf(found.inst).join(", ")}.`;
    default:
      return undefined;
  }
}

/** @param value the document that was looked at. */
export function faultsOf(value: unknown, issues: readonly Issue[]): Fault[] {
  return issues.flatMap((issue): Fault[] => {
    const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({ path: [...path, key], message: `is not known here. ${issue.message}` }));
    // A pattern's words go on after the value.
    const before =
      issue.code === "invalid_format" && !unshown.includes(path.at(-1)) ? `${shown(valueAt(value, path))} ` : "";
    return [{ path, message: before + issue.message }];
  });
}

const wanted: { readonly [type: string]: readonly [is: string, advice: string] } = {
  string: ["not a text", "Write a text."],
  number: ["not a number", "Write a number."],
  int: ["not a whole number", "Write a whole number."],
  array: ["not a list", "Begin each item with a dash."],
  object: ["not a mapping", "Write its fields."],
  record: ["not a mapping", "Write its fields, or {} for none."],
};

function typeWords(input: unknown, expected: string): string {
  const [is, advice] = wanted[expected] ?? ["not what it must be", "See the example."];
  if (input === undefined) return `is missing. ${advice}`;
  if (expected === "string" && (typeof input === "number" || typeof input === "boolean"))
    return `${input} is a ${typeof input}, not a text. Put it in quotation marks.`;
  const meant = typeof input === "string" && /^\d+(\.\d+)?$/.test(input) ? "Take away the quotation marks." : advice;
  return `${shown(input)} is ${is}. ${meant}`;
}

function choiceWords(input: unknown, words: readonly string[]): string {
  const advice = `Write ${oneOf(words)}.`;
  return input === undefined ? `is missing. ${advice}` : `${shown(input)} is not known. ${advice}`;
}

function sizeWords(found: Extract<Found, { code: "too_small" | "too_big" }>, input: unknown): string {
  const isBig = found.code === "too_big";
  const limit = Number(isBig ? found.maximum : found.minimum);
  const advice = found.inclusive
    ? `Write at ${isBig ? "most" : "least"} ${limit}.`
    : `Write ${isBig ? "less" : "more"} than ${limit}.`;
  if (typeof input === "string")
    return input === "" ? "is empty. Write a text." : `${input.length} characters are too many. ${advice}`;
  if (Array.isArray(input)) return `has ${input.length === 0 ? "no" : input.length} items. ${advice}`;
  return `${shown(input)} is too ${isBig ? "much" : "little"}. ${advice}`;
}

/** The fields that a mapping may have. */
const namesOf = (schema: unknown): string[] => Object.keys(Object(memberOf(schema, "shape")));

const memberOf = (value: unknown, name: PropertyKey | undefined): unknown =>
  typeof value === "object" && value !== null && name !== undefined && name in value
    ? (value as { readonly [name: PropertyKey]: unknown })[name]
    : undefined;

const valueAt = (value: unknown, path: Path): unknown => path.reduce<unknown>(memberOf, value);
