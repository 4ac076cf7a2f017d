import type { Shape } from "@tooltrail/format";
import { isObject, type Json, listOf, numberOf, own, propertiesOf, requiredOf, typesOf, variantsOf } from "./schema.ts";

/** Arguments that nobody has ever sent. `toFillIn`: members that were recorded, and of which the schema does not say what would be accepted. */
export interface MadeArguments {
  readonly value: { readonly [name: string]: unknown };
  readonly toFillIn: readonly string[];
}

/**
 * Makes arguments with the members that recorded ones had, and no others, as the schema wants them. The same for the same schema and shape; values come from the schema or from here.
 *
 * @param shape as `packages/format/src/shape.ts` tells it; `"object"` where nothing is known of the members: then what is required is made.
 */
export function argumentsLike(inputSchema: unknown, shape: Shape): MadeArguments {
  const toFillIn: string[] = [];
  const value = made({ root: inputSchema, toFillIn, bounds: { members: maxMembers } }, inputSchema, shape, []);
  return { value: isObject(value) ? value : {}, toFillIn };
}

interface Making {
  readonly root: unknown;
  readonly toFillIn: string[];
  /** What else is to be made of members that no record names. */
  readonly bounds: { members: number };
}

const maxMembers = 200;
const maxDepth = 8;
const maxElements = 16;

/** @returns undefined where nothing can be made, which is then noted. */
function made(making: Making, schema: unknown, shape: Shape, path: readonly string[]): unknown {
  const variant = fitting(variantsOf(schema, making.root), shape);
  const kind = kindOf(shape);
  const known = knownValue(variant, kind);
  const isFree = known === undefined && listed(variant).length === 0 && path.length <= maxDepth;
  const value = isFree ? anew(making, variant, shape, path) : known;
  if (value === undefined) making.toFillIn.push(path.join("."));
  return value;
}

function anew(making: Making, schema: Json, shape: Shape, path: readonly string[]): unknown {
  switch (kindOf(shape)) {
    case "object":
      return objectLike(making, schema, isObject(shape) ? (shape as Members) : requiredShape(making, schema), path);
    case "array":
      return arrayLike(making, schema, Array.isArray(shape) ? shape : [], path);
    case "string":
      return aString(schema);
    case "integer":
      return aNumber(schema, 1);
    case "number":
      return aNumber(schema, typesOf(schema).includes("number") || typesOf(schema).length === 0 ? 0 : 1);
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return undefined;
  }
}

type Members = { readonly [key: string]: Shape };

function objectLike(making: Making, schema: Json, shape: Members, path: readonly string[]): unknown {
  const properties = propertiesOf(schema);
  const members = Object.entries(shape).flatMap(([name, member]): [string, unknown][] => {
    // So many that no schema declares: what they were called nobody knows.
    if (name === "*") return [];
    const value = made(making, own(properties, name), member, [...path, name]);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(members);
}

function arrayLike(making: Making, schema: Json, shapes: readonly Shape[], path: readonly string[]): unknown {
  const count = Math.min(
    Math.max(shapes.length, numberOf(schema, "minItems") ?? 0),
    Math.max(numberOf(schema, "maxItems") ?? maxElements, numberOf(schema, "minItems") ?? 0),
  );
  const prefix = listOf(own(schema, "prefixItems"));
  if (count > maxElements || (own(schema, "uniqueItems") === true && count > 1)) return undefined;
  const elements = Array.from({ length: count }, (_, i) => {
    const items = prefix[i] ?? own(schema, "items");
    return made(making, items, shapes[i % shapes.length] ?? shapeFrom(making, items), [...path, String(i)]);
  });
  return elements.includes(undefined) ? undefined : elements;
}

/** What a value of a schema would look like, as far as it has to have anything. */
function shapeFrom(making: Making, schema: unknown, depth = 0): Shape {
  if (making.bounds.members-- <= 0) return "unknown";
  const [variant = {}] = variantsOf(schema, making.root);
  const [value] = listed(variant);
  if (value !== undefined) return kindOfValue(value);
  const type = typesOf(variant)[0] ?? (Object.keys(propertiesOf(variant)).length > 0 ? "object" : "string");
  if (type === "array") return [];
  return type === "object" && depth < maxDepth ? requiredShape(making, variant, depth + 1) : type;
}

const requiredShape = (making: Making, schema: Json, depth = 0): Members =>
  Object.fromEntries(
    requiredOf(schema).map((name) => [name, shapeFrom(making, own(propertiesOf(schema), name), depth)]),
  );

function kindOf(shape: Shape): string {
  if (typeof shape === "string") return shape;
  return Array.isArray(shape) ? "array" : "object";
}

/** Of alternatives the one that what was recorded fits best; the first of equals. */
function fitting(variants: readonly Json[], shape: Shape): Json {
  const rated = variants.map((variant) => ({ variant, against: againstIt(variant, shape) }));
  return rated.reduce((a, b) => (b.against < a.against ? b : a)).variant;
}

function againstIt(schema: Json, shape: Shape): number {
  const types = typesOf(schema);
  const kind = kindOf(shape);
  if (types.length > 0 && !types.some((type) => isOfKind(kind, type))) return 1_000;
  if (!isObject(shape)) return 0;
  const unknown = Object.keys(shape).filter((name) => name !== "*" && own(propertiesOf(schema), name) === undefined);
  const lacking = requiredOf(schema).filter((name) => own(shape, name) === undefined);
  return unknown.length + lacking.length;
}

const isOfKind = (kind: string, type: string): boolean => kind === type || (kind === "integer" && type === "number");

const maxKnownBytes = 1_000;

/** What the schema itself gives as a value. Of objects and arrays only what must be so: defaults and examples have members that were not recorded. */
function knownValue(schema: Json, kind: string): unknown {
  const isPlain = kind !== "object" && kind !== "array";
  const given = isPlain ? [own(schema, "default"), ...listOf(own(schema, "examples"))] : [];
  const only = listed(schema);
  const candidates = only.length === 0 ? given : [...given.filter((one) => only.includes(one)), ...only];
  return candidates.find(
    (value) =>
      value !== undefined &&
      isOfKind(kindOfValue(value), kind) &&
      Buffer.byteLength(JSON.stringify(value)) <= maxKnownBytes,
  );
}

/** All that there may be, where a schema lists it. */
const listed = (schema: Json): readonly unknown[] =>
  Object.hasOwn(schema, "const") ? [schema.const] : listOf(own(schema, "enum"));

function kindOfValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

/** Of names and networks that are set aside for examples (RFC 2606, RFC 5737, RFC 3849). */
const ofFormat: { readonly [format: string]: string } = {
  date: "2026-01-31",
  time: "12:00:00Z",
  "date-time": "2026-01-31T12:00:00Z",
  duration: "PT1H",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  "uri-reference": "/example",
  uuid: "00000000-0000-4000-8000-000000000000",
};

function aString(schema: Json): string | undefined {
  const [least, most] = [numberOf(schema, "minLength") ?? 0, numberOf(schema, "maxLength") ?? Infinity];
  const { format, pattern } = { format: own(schema, "format"), pattern: own(schema, "pattern") };
  const text =
    typeof pattern === "string"
      ? matching(pattern, least)
      : typeof format === "string" && Object.hasOwn(ofFormat, format)
        ? ofFormat[format]
        : "example".padEnd(Math.min(least, maxKnownBytes), "x").slice(0, Math.max(0, most));
  return text !== undefined && text.length >= least && text.length <= most ? text : undefined;
}

/**
 * A text that fits a pattern which is one class of characters, or a plain word, and nothing more. Patterns are never run: they are others', and some would run for ever.
 */
function matching(pattern: string, least: number): string | undefined {
  const [, word] = /^\^?([\w/-]+)\$?$/.exec(pattern) ?? [];
  if (word !== undefined) return word;
  const [, kind = "", repeat = "", from] =
    /^\^?(\[[^\]\\^][^\]\\]*\]|\\[dwS]|\.)(\+|\*|\{(\d{1,3})(?:,\d{0,3})?\})?\$?$/.exec(pattern) ?? [];
  if (kind === "") return undefined;
  const character = kind === "\\d" ? "1" : kind.startsWith("[") ? kind[1] : "a";
  const count = from === undefined ? 1 : Number(from);
  return character?.repeat(repeat === "" ? 1 : Math.max(count, Math.min(least, maxKnownBytes), 1));
}

/** @param step 1 for a whole number, 0 for any. */
function aNumber(schema: Json, step: 0 | 1): number | undefined {
  const multiple = numberOf(schema, "multipleOf") ?? step;
  const above = numberOf(schema, "exclusiveMinimum");
  const below = numberOf(schema, "exclusiveMaximum");
  const least = Math.max(numberOf(schema, "minimum") ?? -Infinity, above ?? -Infinity);
  const most = Math.min(numberOf(schema, "maximum") ?? Infinity, below ?? Infinity);
  const fits = (value: number): boolean =>
    value >= least &&
    value <= most &&
    value !== above &&
    value !== below &&
    (multiple <= 0 || Number.isInteger(value / multiple)) &&
    (step === 0 || Number.isInteger(value));
  const near = (edge: number): number[] => {
    const whole = multiple > 0 ? Math.round(edge / multiple) * multiple : edge;
    const next = multiple > 0 ? multiple : 1;
    return [whole, whole + next, whole - next];
  };
  const middle = Number.isFinite(least) && Number.isFinite(most) ? [(least + most) / 2] : [];
  return [1, multiple, ...near(least), ...near(most), ...middle, 0].filter(Number.isFinite).find(fits);
}
