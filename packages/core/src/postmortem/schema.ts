/** JSON Schema as a server has written it: data of others, of which nothing is sure. */
export type Json = { readonly [name: string]: unknown };

const maxDepth = 16;
const maxVariants = 32;
/** A schema that contains itself several times has no end, and no honest one comes near this. */
const maxSteps = 500;

/** What a schema may stand for, each without `$ref`, `allOf`, `anyOf` and `oneOf`: one where it leaves no choice. */
export function variantsOf(schema: unknown, root: unknown, bounds = { steps: maxSteps }, depth = 0): Json[] {
  if (!isObject(schema) || depth > maxDepth || bounds.steps <= 0) return [{}];
  bounds.steps -= 1;
  const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
  const deeper = (part: unknown): Json[] => variantsOf(part, root, bounds, depth + 1);
  const parts = [...(typeof $ref === "string" ? [pointed($ref, root)] : []), ...listOf(allOf)];
  const whole = parts.reduce<Json[]>((all, part) => combined(all, deeper(part)), [rest]);
  return [anyOf, oneOf]
    .map(listOf)
    .filter((choice) => choice.length > 0)
    .reduce<Json[]>((all, choice) => combined(all, choice.flatMap(deeper)), whole);
}

const combined = (some: readonly Json[], others: readonly Json[]): Json[] =>
  some.flatMap((a) => others.slice(0, maxVariants).map((b) => both(a, b))).slice(0, maxVariants);

/** Two schemas of which both hold, nearly: what both say counts as the second says it, properties and what is required apart. */
const both = (a: Json, b: Json): Json => ({
  ...a,
  ...b,
  properties: { ...propertiesOf(a), ...propertiesOf(b) },
  required: [...requiredOf(a), ...requiredOf(b)],
});

function pointed(reference: string, root: unknown): unknown {
  if (!reference.startsWith("#")) return {};
  return reference
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((value, step) => own(value, step), root);
}

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `constructor` is a name like any other. */
export const own = (value: unknown, name: string): unknown =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const propertiesOf = (schema: Json): Json => {
  const properties = own(schema, "properties");
  return isObject(properties) ? properties : {};
};

export const requiredOf = (schema: Json): string[] =>
  listOf(own(schema, "required")).filter((name) => typeof name === "string");

/** Empty: of any type. */
export const typesOf = (schema: Json): string[] => {
  const type = own(schema, "type");
  return (Array.isArray(type) ? type : [type]).filter((one) => typeof one === "string");
};

export function numberOf(schema: Json, name: string): number | undefined {
  const value = own(schema, name);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
