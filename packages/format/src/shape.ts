import type { Shape } from "./record.ts";

const maxDepth = 4;
const maxKeys = 64;
const maxElements = 256;

/**
 * What a value looks like, without the value: only keys that the tool's JSON Schema declares are named, since any other key may
 * itself be data (an address as a map's key). Bounded in depth and width, whatever the value.
 */
export function shapeOf(value: unknown, schema: unknown, root: unknown = schema, depth = 0): Shape {
  if (Array.isArray(value)) return depth < maxDepth ? elementShapes(value, schema, root, depth) : "array";
  if (typeof value === "object" && value !== null) {
    return depth < maxDepth ? memberShapes(value as Members, schema, root, depth) : "object";
  }
  if (value === null) return "null";
  return typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

type Members = { readonly [key: string]: unknown };

function memberShapes(value: Members, schema: unknown, root: unknown, depth: number): Shape {
  const declared = declaredBy(schema, root);
  const shape: [string, Shape][] = [];
  let undeclared = 0;
  for (const key of Object.keys(value)) {
    const member = declared.get(key);
    if (member === undefined || shape.length >= maxKeys || !isPlainKey(key)) undeclared += 1;
    else shape.push([key, shapeOf(value[key], member, root, depth + 1)]);
  }
  if (undeclared > 0) shape.push(["*", undeclared]);
  return Object.fromEntries(shape);
}

function elementShapes(values: readonly unknown[], schema: unknown, root: unknown, depth: number): Shape {
  const items = branches(schema, root).find((branch) => branch.items !== undefined)?.items;
  const distinct = new Map<string, Shape>();
  for (const value of values.slice(0, maxElements)) {
    const shape = shapeOf(value, items, root, depth + 1);
    distinct.set(JSON.stringify(shape), shape);
    if (distinct.size === 16) break;
  }
  return [...distinct.values()];
}

function declaredBy(schema: unknown, root: unknown): Map<string, unknown> {
  const declared = new Map<string, unknown>();
  for (const { properties } of branches(schema, root)) {
    if (!isMembers(properties)) continue;
    for (const [key, member] of Object.entries(properties)) declared.set(key, member);
  }
  declared.delete("*");
  return declared;
}

/** A schema with its alternatives and local references, flattened. Eight levels, so that a schema that refers to itself ends. */
function branches(schema: unknown, root: unknown, depth = 0): Members[] {
  if (!isMembers(schema) || depth > 8) return [];
  const nested = ["allOf", "anyOf", "oneOf"].flatMap((word) => (Array.isArray(schema[word]) ? schema[word] : []));
  if (typeof schema.$ref === "string") nested.push(resolve(schema.$ref, root));
  return [schema, ...nested.slice(0, 32).flatMap((branch) => branches(branch, root, depth + 1))];
}

function resolve(ref: string, root: unknown): unknown {
  if (!ref.startsWith("#/")) return undefined;
  return ref
    .slice(2)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, part) => (isMembers(at) && Object.hasOwn(at, part) ? at[part] : undefined), root);
}

/** A key that a record can hold: canonical bytes have no lone surrogates. */
const isPlainKey = (key: string): boolean => key.length <= 256 && key.isWellFormed() && key !== "__proto__";

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);
