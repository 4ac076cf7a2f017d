import fc from "fast-check";
import { expect, test } from "vitest";
import { shapeOf } from "./shape.ts";

const schema = {
  type: "object",
  properties: {
    path: { type: "string" },
    depth: { type: "integer" },
    tags: { type: "array", items: { type: "string" } },
    where: { $ref: "#/$defs/where" },
    either: { anyOf: [{ properties: { left: {} } }, { properties: { right: {} } }] },
  },
  $defs: { where: { type: "object", properties: { inner: {}, again: { $ref: "#/$defs/where" } } } },
};

test.each([
  ["declared keys are named with their types", { path: "/secret", depth: 3 }, { path: "string", depth: "integer" }],
  [
    "undeclared keys are only counted",
    { path: "x", "alice@example.com": 1, "4111 1111": 2 },
    { path: "string", "*": 2 },
  ],
  ["an array is its distinct elements", { tags: ["a", "b", null] }, { tags: ["string", "null"] }],
  [
    "local references are followed, loops included",
    { where: { again: { again: { inner: 1.5 } } } },
    { where: { again: { again: { inner: "number" } } } },
  ],
  [
    "every alternative declares",
    { either: { left: 1, right: true, up: 0 } },
    { either: { left: "integer", right: "boolean", "*": 1 } },
  ],
])("%s", (_, value, shape) => {
  expect(shapeOf(value, schema)).toEqual(shape);
});

test("without a schema nothing is named", () => {
  expect(shapeOf({ a: 1, b: { c: 2 } }, undefined)).toEqual({ "*": 2 });
});

test("no string value and no undeclared key is ever in a shape, and it is bounded", () => {
  const words = new Set([
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "array",
    "object",
    "*",
    ...Object.keys(schema.properties),
    "inner",
    "again",
    "left",
    "right",
  ]);
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom("path", "tags", "where", "either", "evil"), fc.jsonValue()), (value) => {
      const texts: string[] = [];
      JSON.stringify(shapeOf(value, schema), (key, inner) => {
        if (key !== "" && !/^\d+$/.test(key)) texts.push(key);
        if (typeof inner === "string") texts.push(inner);
        return inner;
      });
      expect(texts.filter((text) => !words.has(text))).toEqual([]);
    }),
  );
});
