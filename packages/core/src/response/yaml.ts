import { stringify } from "yaml";
import { parseResponseDocument } from "./document.ts";
import type { ResponseDocument } from "./response.ts";

const format = { version: "1.2", schema: "core", lineWidth: 110 } as const;
const unseen = /[^\P{C}\n]/gu;

/** A document as a file that may be edited and applied: read again, it is the same. Its fields stand in the order of the schema; nothing in it steers a terminal. */
export function yamlOf(document: ResponseDocument): string {
  const parsed = parseResponseDocument(document);
  const ordered = "document" in parsed ? parsed.document : document;
  const text = stringify(ordered, format);
  if (text.search(unseen) === -1) return text;
  // Only quoted text can have what is not seen written out.
  return stringify(ordered, { ...format, lineWidth: 0, defaultStringType: "QUOTE_DOUBLE" }).replace(
    unseen,
    (character) => `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`,
  );
}
