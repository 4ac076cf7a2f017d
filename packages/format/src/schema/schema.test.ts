import { globSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { checkSeal, type Envelope, open } from "../index.ts";
import { envelope, pipelineEvent, plainEvent, plainScore, record, responseDocument } from "./index.ts";
import { jsonSchemas, schemaText } from "./publish.ts";

const folder = new URL("../../", import.meta.url).pathname;
const read = (path: string): string => readFileSync(folder + path, "utf8");

const kinds = [
  { name: "record", check: record, file: "record.schema.json" },
  { name: "batch", check: envelope, file: "batch.schema.json" },
  { name: "pipeline-event", check: pipelineEvent, file: "pipeline-event.schema.json" },
  { name: "plain-event", check: plainEvent, file: "plain-event.schema.json" },
  { name: "plain-score", check: plainScore, file: "plain-score.schema.json" },
  { name: "response", check: responseDocument, file: "response-document.schema.json" },
] as const;

describe.each(kinds)("$name", ({ name, check, file }) => {
  const published = JSON.parse(read(`schema/${file}`));
  const validate = new Ajv2020({ strict: false, formats: { "date-time": true } }).compile(published);
  const examples = globSync(`examples/${name}*.json`, { cwd: folder });

  test("the published schema is the one that is checked (else: npm run schemas)", () => {
    expect(read(`schema/${file}`)).toBe(schemaText(jsonSchemas[file] ?? {}));
  });

  test("has examples", () => expect(examples.length).toBeGreaterThan(0));

  test.each(examples)("%s is valid for both", (example) => {
    const value = JSON.parse(read(example));
    expect(check.safeParse(value).error?.issues ?? []).toEqual([]);
    expect(validate(value), JSON.stringify(validate.errors)).toBe(true);
  });

  test.each(examples)("%s with a member more, less or of another type is invalid for both", (example) => {
    const value = JSON.parse(read(example));
    const required: string[] = published.required ?? published.oneOf?.[0]?.required ?? published.anyOf?.[0]?.required;
    const first = required[0] ?? "";
    const { [first]: _, ...less } = value;
    for (const wrong of [{ ...value, surprise: 1 }, less, { ...value, [first]: 1.5 }, [], null, "text"]) {
      expect(check.safeParse(wrong).success).toBe(false);
      expect(validate(wrong)).toBe(false);
    }
  });
});

test("the example batch is sealed, and holds the example records", () => {
  const batch = JSON.parse(read("examples/batch.json")) as Envelope;
  expect(checkSeal(batch)).toBeUndefined();
  const opened = open(batch.headers, batch.body);
  const named = ["definition", "intent", "call", "lifecycle"].map((kind) =>
    JSON.parse(read(`examples/record-${kind}.json`)),
  );
  expect(opened).toMatchObject({ records: named });
});
