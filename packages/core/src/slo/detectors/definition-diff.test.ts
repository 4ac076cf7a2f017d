import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { incompatibilities } from "./definition-diff.ts";

const text = { type: "string" };
const input = (properties: object, more: object = {}) => ({
  name: "search",
  inputSchema: { type: "object", properties, ...more },
});
const output = (properties: object, more: object = {}) => ({
  ...input({}),
  outputSchema: { type: "object", properties, ...more },
});
/** What pydantic, hence most servers in Python, writes of an optional member. */
const optional = (schema: object) => ({ anyOf: [schema, { type: "null" }], default: null, title: "Path" });

describe.each<[string, unknown, unknown, string[]]>([
  ["the same definition", input({ path: text }), input({ path: text }), []],
  ["an optional property more", input({}), input({ path: text }), []],
  ["a description", input({ path: text }), input({ path: { ...text, description: "Where." } }), []],
  ["a format, which is an annotation", input({ path: text }), input({ path: { ...text, format: "uri" } }), []],
  [
    "a property newly required",
    input({ path: text }),
    input({ path: text }, { required: ["path"] }),
    ['inputSchema.required: was without "path", is with "path"'],
  ],
  ["a property no longer required", input({ path: text }, { required: ["path"] }), input({ path: text }), []],
  [
    "another type",
    input({ path: text }),
    input({ path: { type: "integer" } }),
    ['inputSchema.properties.path.type: was "string", is "integer"'],
  ],
  [
    "a narrower type",
    input({ size: { type: ["number", "null"] } }),
    input({ size: { type: "integer" } }),
    ['inputSchema.properties.size.type: was ["number","null"], is "integer"'],
  ],
  ["a wider type", input({ size: { type: "integer" } }), input({ size: { type: ["number", "null"] } }), []],
  [
    "a type where there was none",
    input({ x: {} }),
    input({ x: text }),
    ['inputSchema.properties.x.type: was absent, is "string"'],
  ],
  ["a type that says what the values said", input({ x: { enum: ["a"] } }), input({ x: { ...text, enum: ["a"] } }), []],
  [
    "an enum value removed",
    input({ mode: { enum: ["read", "write"] } }),
    input({ mode: { enum: ["read"] } }),
    ['inputSchema.properties.mode.enum: was ["read","write"], is ["read"]'],
  ],
  ["an enum value more", input({ mode: { enum: ["read"] } }), input({ mode: { enum: ["read", "write"] } }), []],
  [
    "an enum where there was none",
    input({ mode: text }),
    input({ mode: { ...text, enum: ["read"] } }),
    ['inputSchema.properties.mode.enum: was absent, is ["read"]'],
  ],
  ["a constant for one of the values", input({ v: { const: 1 } }), input({ v: { enum: [1, 2] } }), []],
  [
    "a property removed where no others are allowed",
    input({ path: text }, { additionalProperties: false }),
    input({}, { additionalProperties: false }),
    ["inputSchema.properties.path: was {…}, is absent"],
  ],
  ["a property removed where others are allowed", input({ path: text }), input({}), []],
  [
    "others allowed no longer",
    input({ path: text }),
    input({ path: text }, { additionalProperties: false }),
    ["inputSchema.additionalProperties: was true, is false"],
  ],
  [
    "others of a narrower type",
    input({}, { additionalProperties: { type: ["string", "null"] } }),
    input({}, { additionalProperties: text }),
    ['inputSchema.additionalProperties.type: was ["string","null"], is "string"'],
  ],
  [
    "tighter bounds",
    input({ n: { type: "number", minimum: 0, maximum: 10 }, s: { type: "string" }, l: { type: "array" } }),
    input({
      n: { type: "number", minimum: 1, exclusiveMaximum: 10 },
      s: { type: "string", minLength: 1, maxLength: 5, pattern: "^a" },
      l: { type: "array", maxItems: 3, uniqueItems: true },
    }),
    [
      "inputSchema.properties.n.minimum: was 0, is 1",
      "inputSchema.properties.n.exclusiveMaximum: was absent, is 10",
      "inputSchema.properties.s.minLength: was absent, is 1",
      "inputSchema.properties.s.maxLength: was absent, is 5",
      'inputSchema.properties.s.pattern: was absent, is "^a"',
      "inputSchema.properties.l.maxItems: was absent, is 3",
      "inputSchema.properties.l.uniqueItems: was absent, is true",
    ],
  ],
  [
    "looser bounds",
    input({ n: { exclusiveMinimum: 0, maximum: 10 }, s: { minLength: 1, pattern: "^a" } }),
    input({ n: { minimum: 0, exclusiveMaximum: 11 }, s: { minLength: 0 } }),
    [],
  ],
  [
    "a change deep within",
    input({ filters: { type: "array", items: { type: "object", properties: { age: { type: "number" } } } } }),
    input({ filters: { type: "array", items: { type: "object", properties: { age: text } } } }),
    ['inputSchema.properties.filters.items.properties.age.type: was "number", is "string"'],
  ],
  [
    "a change behind a reference",
    input({ filter: { $ref: "#/$defs/Filter" } }, { $defs: { Filter: { properties: { age: { type: "number" } } } } }),
    input({ filter: { $ref: "#/$defs/Filter" } }, { $defs: { Filter: { properties: { age: text } } } }),
    ['inputSchema.properties.filter.properties.age.type: was "number", is "string"'],
  ],
  [
    "a reference instead of what it stands for",
    input({ filter: { properties: { age: text } } }),
    input({ filter: { allOf: [{ $ref: "#/$defs/Filter" }] } }, { $defs: { Filter: { properties: { age: text } } } }),
    [],
  ],
  ["an argument that may now be null", input({ path: text }), input({ path: optional(text) }), []],
  ["the same, as a list of types before", input({ p: { type: ["string", "null"] } }), input({ p: optional(text) }), []],
  [
    "an argument that may no longer be null",
    input({ path: optional(text) }),
    input({ path: text }),
    ['inputSchema.properties.path.anyOf: was ["string","null"], is "string"'],
  ],
  [
    "a name that is no name",
    input({ "a.b": text }),
    input({ "a.b": { type: "null" } }),
    ['inputSchema.properties["a.b"].type: was "string", is "null"'],
  ],
  ["a property called constructor", input({ constructor: text }), input({}), []],
  ["the root's type said for the first time", { inputSchema: {} }, { inputSchema: { type: "object" } }, []],

  [
    "an answer's member no longer promised",
    output({ id: text }, { required: ["id"] }),
    output({ id: text }),
    ['outputSchema.required: was with "id", is without "id"'],
  ],
  ["an answer's member newly promised", output({ id: text }), output({ id: text }, { required: ["id"] }), []],
  ["a member of the answer more", output({ id: text }), output({ id: text, at: text }), []],
  [
    "a member of the answer more, where no others were allowed",
    output({ id: text }, { additionalProperties: false }),
    output({ id: text, at: text }, { additionalProperties: false }),
    ["outputSchema.properties.at: was absent, is {…}"],
  ],
  [
    "an answer of a wider type",
    output({ id: text }),
    output({ id: { type: ["string", "null"] } }),
    ['outputSchema.properties.id.type: was "string", is ["string","null"]'],
  ],
  ["an answer of a narrower type", output({ id: { type: "number" } }), output({ id: { type: "integer" } }), []],
  [
    "an answer with a value more",
    output({ state: { enum: ["on"] } }),
    output({ state: { enum: ["on", "off"] } }),
    ['outputSchema.properties.state.enum: was ["on"], is ["on","off"]'],
  ],
  ["the schema of answers removed", output({ id: text }), input({}), ["outputSchema: was {…}, is absent"]],
  ["the schema of answers added", input({}), output({ id: text }, { required: ["id"] }), []],

  ["nothing", undefined, input({}), []],
  ["no definition", input({ path: text }), "search", []],
  ["a definition without a schema", input({ path: text }), { name: "search" }, []],
])("%s", (_, before, after, expected) => {
  test(expected.length === 0 ? "breaks nobody" : "breaks callers, and says where", () => {
    expect(incompatibilities(before, after)).toEqual(expected);
  });
});

/** A tree whose members are trees: it has no end. */
const tree = (leaf: object) =>
  input(
    { root: { $ref: "#/$defs/Node" } },
    {
      $defs: {
        Node: { properties: { leaf, left: { $ref: "#/$defs/Node" }, right: optional({ $ref: "#/$defs/Node" }) } },
      },
    },
  );

test("a schema that contains itself comes to an end", () => {
  expect(incompatibilities(tree(text), tree(text))).toEqual([]);
  expect(incompatibilities(tree(text), tree({ type: "null" }))).toContain(
    'inputSchema.properties.root.properties.leaf.type: was "string", is "null"',
  );
  const turning = input({ x: { $ref: "#/$defs/X" } }, { $defs: { X: { $ref: "#/$defs/X" } } });
  expect(incompatibilities(turning, turning)).toEqual([]);
});

test("a definition that was made to be slow is not", () => {
  const wide = (type: string, depth: number): object =>
    depth === 0 ? { type } : { anyOf: Array.from({ length: 8 }, () => wide(type, depth - 1)) };
  const started = performance.now();
  incompatibilities(input({ x: wide("string", 4) }), input({ x: wide("number", 4) }));
  const many = (type: string) =>
    input(Object.fromEntries(Array.from({ length: 5000 }, (__, n) => [`p${n}`, { type }])));
  expect(incompatibilities(many("string"), many("null"))).toHaveLength(100);
  expect(performance.now() - started).toBeLessThan(2000);
});

test("garbage breaks nothing and throws nothing", () => {
  const keywords = [
    "type",
    "properties",
    "required",
    "items",
    "anyOf",
    "allOf",
    "enum",
    "const",
    "minimum",
    "$ref",
    "pattern",
    "additionalProperties",
  ];
  const { schema } = fc.letrec((tie) => ({
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.anything(),
      fc.dictionary(fc.constantFrom(...keywords, "a"), tie("schema")),
      fc.array(tie("schema"), { maxLength: 3 }),
      fc.constantFrom("string", "object", "#/properties/a", "#"),
    ),
  }));
  fc.assert(
    fc.property(schema, schema, (before, after) => {
      const found = incompatibilities(
        { inputSchema: before, outputSchema: after },
        { inputSchema: after, outputSchema: before },
      );
      expect(found.every((line) => typeof line === "string")).toBe(true);
      expect(incompatibilities(before, after)).toBeInstanceOf(Array);
    }),
    { numRuns: 300 },
  );
});

test("what is compared with itself breaks nothing", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.constantFrom(text, optional(text), { type: "array", items: text })),
      (properties) => {
        const definition = { ...input(properties), outputSchema: { properties, additionalProperties: false } };
        expect(incompatibilities(definition, structuredClone(definition))).toEqual([]);
      },
    ),
  );
});
