import { writeFileSync } from "node:fs";
import * as z from "zod";
import { envelope, pipelineEvent, plainEvent, plainScore, record, responseDocument } from "./index.ts";

/** The JSON Schemas (2020-12) that others validate against. `npm run schemas` writes them; a test tells when that was forgotten. */
export const jsonSchemas: { readonly [file: string]: object } = {
  "record.schema.json": z.toJSONSchema(record),
  "batch.schema.json": z.toJSONSchema(envelope),
  "plain-event.schema.json": z.toJSONSchema(plainEvent),
  "plain-score.schema.json": z.toJSONSchema(plainScore),
  "pipeline-event.schema.json": z.toJSONSchema(pipelineEvent),
  "response-document.schema.json": z.toJSONSchema(responseDocument),
};

export const schemaText = (schema: object): string => `${JSON.stringify(schema, undefined, 2)}\n`;

if (import.meta.main) {
  for (const [file, schema] of Object.entries(jsonSchemas)) {
    writeFileSync(new URL(`../../schema/${file}`, import.meta.url), schemaText(schema));
  }
}
