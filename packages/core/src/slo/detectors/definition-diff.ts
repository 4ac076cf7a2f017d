/**
 * What of a tool's new definition breaks a caller that was right before: a static check beside `schemaBreakage`, which needs calls.
 *
 * Of `inputSchema`, whatever refuses arguments that were accepted; of `outputSchema`, whatever allows answers that were not promised, which is the same question with old and new
 * exchanged. An optional property more, or a wider type of an argument, is no break. Keywords that are not listed here are ignored, `format` too, as it is an annotation.
 *
 * @param before,after the definition of one tool, as MCP lists it: JSON with `inputSchema` and perhaps `outputSchema`.
 * @returns one line each, at most 100: `inputSchema.properties.path.type: was "string", is "integer"`. None for what is no definition. Never throws.
 */
export function incompatibilities(before: unknown, after: unknown): string[] {
  if (!isObject(before) || !isObject(after)) return [];
  const budget = { comparisons: maxComparisons };
  const lines: string[] = [];
  for (const side of ["inputSchema", "outputSchema"] as const) {
    const [old, now] = [own(before, side), own(after, side)];
    if (!isObject(old)) continue; // nothing was promised
    if (!isObject(now)) {
      // Without a schema of its arguments a definition is none. Without one of its answers it promises nothing any more.
      if (side === "outputSchema") lines.push(`${side}: was {…}, is ${shown(now)}`);
      continue;
    }
    const swapped = side === "outputSchema";
    // Arguments and structured answers are always objects, whether or not a schema says so.
    const [from, to] = [
      { type: "object", ...(swapped ? now : old) },
      { type: "object", ...(swapped ? old : now) },
    ];
    const found = narrowings({ budget, from, to, above: [] }, from, to, side);
    for (const { path, was, is } of found)
      lines.push(swapped ? `${path}: was ${is}, is ${was}` : `${path}: was ${was}, is ${is}`);
  }
  return lines.slice(0, maxLines);
}

type Json = { readonly [name: string]: unknown };
interface Narrowing {
  readonly path: string;
  readonly was: string;
  readonly is: string;
}

/** What a comparison needs of its surroundings: both roots, for `$ref`, and the pairs that are being compared, as a schema may contain itself. */
interface Context {
  readonly budget: { comparisons: number };
  readonly from: Json;
  readonly to: Json;
  readonly above: readonly (readonly [unknown, unknown])[];
}

/** A definition has 48 KB at most, so that no honest one comes near these. Beyond them nothing more is found. */
const maxComparisons = 10_000;
const maxDepth = 24;
const maxLines = 100;
const maxShown = 80;

/** Where `to` refuses what `from` accepts. */
function narrowings(context: Context, from: unknown, to: unknown, path: string): Narrowing[] {
  const { above, budget } = context;
  if (above.length >= maxDepth || above.some(([a, b]) => a === from && b === to)) return [];
  if (budget.comparisons-- <= 0) return [];
  const here = { ...context, above: [...above, [from, to] as const] };
  if (to === false) return from === false ? [] : [{ path, was: shown(from), is: "false" }];
  if (from === false) return [];
  const a = resolved(from, context.from);
  const b = resolved(to, context.to);
  if (alternativesOf(a) || alternativesOf(b)) return ofAlternatives(here, a, b, path);
  return [
    ...ofType(a, b, path),
    ...ofValues(a, b, path),
    ...ofBounds(a, b, path),
    ...ofProperties(here, a, b, path),
    ...(own(b, "items") === undefined
      ? []
      : narrowings(here, own(a, "items") ?? true, own(b, "items"), `${path}.items`)),
  ];
}

/** Of `anyOf` and `oneOf`: each of the old alternatives needs a new one that accepts all of it. Which members are at fault is not told: there may be several answers. */
function ofAlternatives(context: Context, from: Json, to: Json, path: string): Narrowing[] {
  const [old, now] = [alternativesOf(from), alternativesOf(to)];
  const accepted = (old ?? byType(from)).every((one) =>
    (now ?? [to]).some((other) => narrowings(context, one, other, path).length === 0),
  );
  const kinds = (schema: Json, alternatives: readonly Json[] | undefined): string =>
    shown(alternatives ? alternatives.map((one) => own(one, "type") ?? one) : own(schema, "type"));
  const at = `${path}.${keywordOf(to) ?? keywordOf(from)}`;
  return accepted ? [] : [{ path: at, was: kinds(from, old), is: kinds(to, now) }];
}

/** A list of types is a list of alternatives too. */
const byType = (schema: Json): Json[] => typesOf(schema)?.map((type) => ({ ...schema, type })) ?? [schema];

function ofType(from: Json, to: Json, path: string): Narrowing[] {
  const allowed = typesOf(to);
  if (!allowed) return [];
  const fits = (type: string): boolean => allowed.includes(type) || (type === "integer" && allowed.includes("number"));
  if ((typesOf(from) ?? typesOfValues(from))?.every(fits)) return [];
  return [{ path: `${path}.type`, was: shown(own(from, "type")), is: shown(own(to, "type")) }];
}

/** `enum` and `const`, of plain values. */
function ofValues(from: Json, to: Json, path: string): Narrowing[] {
  const allowed = valuesOf(to);
  if (!allowed || valuesOf(from)?.every((value) => allowed.includes(value))) return [];
  const keyword = own(to, "const") === undefined ? "enum" : "const";
  return [{ path: `${path}.${keyword}`, was: shown(valuesOf(from)), is: shown(allowed) }];
}

const lower = ["minLength", "minItems", "minProperties"];
const upper = ["maxLength", "maxItems", "maxProperties"];

function ofBounds(from: Json, to: Json, path: string): Narrowing[] {
  if (valuesOf(from)) return []; // what is enumerated has been compared, value by value
  const tighter: string[] = [];
  for (const name of lower) if (number(to, name, 0) > number(from, name, 0)) tighter.push(name);
  for (const name of upper) if (number(to, name, Infinity) < number(from, name, Infinity)) tighter.push(name);
  const [least, above] = [number(from, "minimum", -Infinity), number(from, "exclusiveMinimum", -Infinity)];
  if (number(to, "minimum", -Infinity) > Math.max(least, above)) tighter.push("minimum");
  if (number(to, "exclusiveMinimum", -Infinity) > above && number(to, "exclusiveMinimum", -Infinity) >= least)
    tighter.push("exclusiveMinimum");
  const [most, below] = [number(from, "maximum", Infinity), number(from, "exclusiveMaximum", Infinity)];
  if (number(to, "maximum", Infinity) < Math.min(most, below)) tighter.push("maximum");
  if (number(to, "exclusiveMaximum", Infinity) < below && number(to, "exclusiveMaximum", Infinity) <= most)
    tighter.push("exclusiveMaximum");
  const pattern = own(to, "pattern"); // whether one pattern is in another nobody can tell; another one may be narrower
  if (typeof pattern === "string" && pattern !== own(from, "pattern")) tighter.push("pattern");
  if (own(to, "uniqueItems") === true && own(from, "uniqueItems") !== true) tighter.push("uniqueItems");
  return tighter.map((name) => ({ path: `${path}.${name}`, was: shown(own(from, name)), is: shown(own(to, name)) }));
}

function ofProperties(context: Context, from: Json, to: Json, path: string): Narrowing[] {
  const found: Narrowing[] = [];
  const [asked, asks] = [requiredOf(from), requiredOf(to)];
  for (const name of asks)
    if (!asked.has(name))
      found.push({ path: `${path}.required`, was: `without ${shown(name)}`, is: `with ${shown(name)}` });

  const [old, now] = [propertiesOf(from), propertiesOf(to)];
  const others = own(to, "additionalProperties") ?? true;
  for (const [name, schema] of Object.entries(old)) {
    const at = `${path}.properties${/^[\w$-]+$/.test(name) ? `.${name}` : `[${shown(name)}]`}`;
    if (Object.hasOwn(now, name)) found.push(...narrowings(context, schema, now[name], at));
    else if (own(to, "patternProperties") !== undefined)
      continue; // it may be among those
    else if (others === false) found.push({ path: at, was: shown(schema), is: "absent" });
    else found.push(...narrowings(context, schema, others, at));
  }
  found.push(...narrowings(context, own(from, "additionalProperties") ?? true, others, `${path}.additionalProperties`));
  return found;
}

/** Without `$ref` and `allOf`: both are replaced by what they stand for. References are followed within the definition only. */
function resolved(schema: unknown, root: Json, depth = 0): Json {
  if (!isObject(schema) || depth > maxDepth) return {};
  const { $ref, allOf, ...rest } = schema;
  const parts = [...(typeof $ref === "string" ? [pointed($ref, root)] : []), ...(Array.isArray(allOf) ? allOf : [])];
  return parts.map((part) => resolved(part, root, depth + 1)).reduce(both, rest);
}

function pointed(reference: string, root: Json): unknown {
  if (!reference.startsWith("#")) return {};
  const steps = reference.split("/").slice(1);
  return steps.reduce<unknown>(
    (value, step) => (isObject(value) ? own(value, step.replaceAll("~1", "/").replaceAll("~0", "~")) : undefined),
    root,
  );
}

/** Two schemas of which both hold, nearly: what both say counts as the second says it, properties and what is required apart. */
function both(a: Json, b: Json): Json {
  const properties = { ...propertiesOf(a), ...propertiesOf(b) };
  const required = [...requiredOf(a), ...requiredOf(b)];
  return {
    ...a,
    ...b,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  };
}

const keywordOf = (schema: Json): "anyOf" | "oneOf" | undefined =>
  (["anyOf", "oneOf"] as const).find((keyword) => Array.isArray(own(schema, keyword)));

/** The alternatives, each with what holds for all of them. */
function alternativesOf(schema: Json): Json[] | undefined {
  const keyword = keywordOf(schema);
  if (!keyword) return undefined;
  const { [keyword]: alternatives, ...rest } = schema;
  return (alternatives as unknown[]).map((one) => (isObject(one) ? both(rest, one) : rest));
}

function typesOf(schema: Json): string[] | undefined {
  const type = own(schema, "type");
  const types = (Array.isArray(type) ? type : [type]).filter((one) => typeof one === "string");
  return types.length > 0 ? types : undefined;
}

function valuesOf(schema: Json): unknown[] | undefined {
  const values = own(schema, "enum") ?? (own(schema, "const") === undefined ? undefined : [own(schema, "const")]);
  return Array.isArray(values) && values.every((value) => !isObject(value) && !Array.isArray(value))
    ? values
    : undefined;
}

const typesOfValues = (schema: Json): string[] | undefined =>
  valuesOf(schema)?.map((value) => (value === null ? "null" : Number.isInteger(value) ? "integer" : typeof value));

const requiredOf = (schema: Json): Set<unknown> => {
  const required = own(schema, "required");
  return new Set(Array.isArray(required) ? required : []);
};

const propertiesOf = (schema: Json): Json => {
  const properties = own(schema, "properties");
  return isObject(properties) ? properties : {};
};

function number(schema: Json, name: string, otherwise: number): number {
  const value = own(schema, name);
  return typeof value === "number" ? value : otherwise;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A definition is data of others: `constructor` is a name like any other. */
const own = (object: Json, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

/** A value in a line, in short. */
function shown(value: unknown): string {
  if (value === undefined) return "absent";
  if (typeof value === "string") return cut(JSON.stringify(value));
  if (Array.isArray(value)) return cut(`[${value.slice(0, maxShown).map(shown).join(",")}]`);
  return isObject(value) ? "{…}" : String(value);
}

const cut = (text: string): string => (text.length > maxShown ? `${text.slice(0, maxShown)}…` : text);
