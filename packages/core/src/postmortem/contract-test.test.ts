import { canonical, shapeOf } from "@tooltrail/format";
import { Ajv } from "ajv";
import { transformSync } from "esbuild";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { argumentsLike } from "./arguments.ts";
import { contractTest } from "./contract-test.ts";
import { literal } from "./literal.ts";
import { markerWord } from "./postmortem.ts";

const read = (literalText: string): unknown => new Function(`return ${literalText};`)();
const sourceOf = (server: string, tool: string, definition: object = { name: tool, inputSchema: { type: "object" } }) =>
  contractTest({ server, tool, definition: canonical(definition), shape: {} })?.source ?? "";
/** What is code and no data. */
const skeletonOf = (source: string): string => source.replace(/"(?:[^"\\\n]|\\.)*"/g, '""');

describe("arguments are made up", () => {
  test.each([
    ["as the schema itself gives them", { const: 7 }, 7],
    ["as its default says", { type: "string", default: "main" }, "main"],
    ["as its example says", { type: "string", examples: ["README.md"] }, "README.md"],
    ["from what is allowed", { enum: ["asc", "desc"] }, "asc"],
    ["in the format", { type: "string", format: "date" }, "2026-01-31"],
    ["of the length", { type: "string", minLength: 9, maxLength: 9 }, "examplexx"],
    ["of one class of characters", { type: "string", pattern: "^[a-f0-9]{8}$" }, "aaaaaaaa"],
    ["between its bounds", { type: "integer", minimum: 10, exclusiveMaximum: 20 }, 10],
    ["above a bound", { type: "number", exclusiveMinimum: 3 }, 4],
    ["in steps", { type: "integer", multipleOf: 5, minimum: 7 }, 10],
    ["by the alternative that fits", { anyOf: [{ type: "array" }, { type: "string" }] }, "example"],
  ])("%s", (_, schema, value) => {
    const root = { type: "object", properties: { it: schema } };
    const shape = shapeOf({ it: value }, root);
    expect(argumentsLike(root, shape)).toEqual({ value: { it: value }, toFillIn: [] });
  });

  test("through references, in objects and lists, with the recorded members alone", () => {
    const schema = {
      type: "object",
      $defs: { filter: { type: "object", properties: { query: { type: "string" }, limit: { type: "integer" } } } },
      properties: {
        filters: { type: "array", minItems: 2, items: { $ref: "#/$defs/filter" } },
        never: { type: "string" },
      },
    };
    const shape = shapeOf({ filters: [{ query: "a secret" }], "no such member": 1 }, schema);
    expect(argumentsLike(schema, shape)).toEqual({
      value: { filters: [{ query: "example" }, { query: "example" }] },
      toFillIn: [],
    });
  });

  test("and what nobody can make up is left to be filled in", () => {
    const schema = {
      type: "object",
      properties: { sku: { type: "string", pattern: "^(AB|CD)-\\d{4}(?!0)$" }, size: { type: "integer" } },
    };
    expect(argumentsLike(schema, { sku: "string", size: "integer" })).toEqual({
      value: { size: 1 },
      toFillIn: ["sku"],
    });
  });

  test("such that a validator takes them, where nothing is left to be filled in", () => {
    const leaf = fc.oneof(
      fc.record({ type: fc.constant("string"), minLength: fc.nat(20) }),
      fc.record({ type: fc.constant("integer"), minimum: fc.integer({ min: -50, max: 50 }) }),
      fc.record({
        type: fc.constant("integer"),
        maximum: fc.integer({ min: -50, max: 50 }),
        multipleOf: fc.nat(6).map((n) => n + 1),
      }),
      fc.record({ enum: fc.uniqueArray(fc.oneof(fc.string(), fc.integer()), { minLength: 1 }) }),
      fc.record({ type: fc.constant("boolean") }),
    );
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.record({ type: fc.constant("array"), items: tie("schema"), minItems: fc.nat(3) }),
        tie("object"),
      ),
      object: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("schema")).map((properties) => ({
        type: "object",
        properties,
        required: Object.keys(properties),
        additionalProperties: false,
      })),
    }));
    const root = fc.dictionary(fc.constantFrom("x", "y"), schema).map((properties) => ({
      type: "object",
      properties,
      required: Object.keys(properties),
    }));
    fc.assert(
      fc.property(root, (one) => {
        const { value, toFillIn } = argumentsLike(one, "object");
        const validate = new Ajv({ strict: false }).compile(one);
        if (toFillIn.length === 0) expect([validate(value), validate.errors]).toEqual([true, null]);
      }),
    );
  });

  test("in no time from a schema that contains itself", () => {
    const self = { $ref: "#" };
    const schema = {
      type: "object",
      anyOf: Array(30).fill(self),
      properties: { a: self, b: self },
      required: ["a", "b"],
    };
    expect(argumentsLike(schema, "object")).toBeDefined();
  });
});

describe("a file holds what a server says as data", () => {
  test("whatever JSON it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(read(literal(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    const tricky = JSON.parse('{"__proto__":{"a":1},"constructor":"\u2028\u202e*/"}') as unknown;
    expect(read(literal(tricky))).toEqual(tricky);
    expect(Object.hasOwn(read(literal(tricky)) as object, "__proto__")).toBe(true);
  });

  test("and its names and texts never become code", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        '"; process.exit(0); "',
        "*/ throw 1 /*",
        "\u2028throw 1//",
        "`$" + "{exit()}`",
        "\\",
        '\\"',
        "\n'",
        "</script>",
      ),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, (server, tool, description) => {
        const properties = { [description]: { type: "string", default: description } };
        const definition = { name: tool, description, inputSchema: { type: "object", properties } };
        const source = sourceOf(
          server.toWellFormed(),
          tool.toWellFormed(),
          JSON.parse(canonical(JSON.parse(JSON.stringify(definition).toWellFormed()))),
        );
        expect(skeletonOf(source)).toBe(skeletonOf(sourceOf("files", "read")));
        expect(source).not.toMatch(/[^\P{C}\n]/u);
        transformSync(source, { loader: "js", format: "esm" });
      }),
    );
  });

  test("and never a marker of a ticket", () => {
    expect(sourceOf("files", `${markerWord}: inc_1`)).not.toContain(markerWord);
  });
});

test("files have plain names, another for each tool", () => {
  const nameOf = (server: string, tool: string) =>
    contractTest({ server, tool, definition: "{}", shape: {} })?.fileName;
  expect(nameOf("files", "read_file")).toBe("files.read_file.test.mjs");
  expect(nameOf("../../etc", "Read File")).toMatch(/^etc\.read-file\.[0-9a-f]{8}\.test\.mjs$/);
  expect(nameOf("files", "read.file")).not.toBe(nameOf("files", "read-file"));
});

test.each([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["too deep", "[".repeat(9_000) + "]".repeat(9_000)],
])("of a definition that is %s there is no test", (_, definition) => {
  expect(contractTest({ server: "files", tool: "read", definition, shape: {} })).toBeUndefined();
});
