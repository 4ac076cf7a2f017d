import type { NamedText } from "../folder.ts";
import { shown } from "../slo/document.ts";
import { readYamlFile, type YamlDocument, type YamlFile } from "../yaml-file.ts";
import { parseResponseDocument } from "./document.ts";
import { checkReferences, type Reference } from "./references.ts";
import { nameOf, type ResponseDocument } from "./response.ts";

/** What a file holds. Faults and notes are lines: `response/billing.yaml:14:9 levels[0].waitMinutes: …`, in the order of the file, and at most a hundred of each. */
export interface ResponseFile {
  readonly documents: readonly ResponseDocument[];
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

/**
 * A file of response documents, in YAML 1.2 without tags of its own.
 *
 * @param name as lines are to begin with.
 * @returns the documents that are sound, also where others are not.
 * @throws never.
 */
export function parseResponseFile(text: string, name: string): ResponseFile {
  const [file] = parseResponseFiles([{ name, text }]);
  return file ?? { documents: [], faults: [], notes: [] };
}

/** Files that are to be applied together: each name is in one of them, and policies mean the destinations of all. In the order of the files. @throws never. */
export function parseResponseFiles(texts: readonly NamedText[]): ResponseFile[] {
  const places = new Map<string, string>();
  const read = texts.map(({ name, text }) => {
    const file = readYamlFile(text, name);
    return { file, name, found: file.documents.flatMap((yaml) => parsedIn(file, name, yaml, places)) };
  });
  const all = read.flatMap(({ found }) => found.map(({ document }) => document));
  const references = new Map(checkReferences(all).map((one): [ResponseDocument, Reference] => [one.policy, one]));
  return read.map(({ file, found }) => {
    for (const { yaml, document } of found) {
      const said = references.get(document);
      if (said === undefined) continue;
      file.fault(yaml, said.faults);
      file.note(yaml, said.notes);
    }
    if (found.length === 0 && file.said().faults.length === 0) file.noteFile("There is no document in it.");
    return { documents: found.map(({ document }) => document), ...file.said() };
  });
}

interface Parsed {
  readonly yaml: YamlDocument;
  readonly document: ResponseDocument;
}

/** @param places of the names that came before, by kind and name. */
function parsedIn(file: YamlFile, fileName: string, yaml: YamlDocument, places: Map<string, string>): Parsed[] {
  const parsed = parseResponseDocument(yaml.value);
  if ("faults" in parsed) {
    file.fault(yaml, parsed.faults);
    return [];
  }
  const { document, notes } = parsed;
  file.note(yaml, notes);
  const path = [document.kind === "Playbook" ? "id" : "name"];
  const key = `${document.kind}/${nameOf(document)}`;
  const before = places.get(key);
  if (before !== undefined) {
    const message = `${shown(nameOf(document))} is the ${document.kind} at ${before} as well. Write another one.`;
    file.fault(yaml, [{ path, message }]);
    return [];
  }
  places.set(key, `${fileName}:${file.placeOf(yaml, path)}`);
  return [{ yaml, document }];
}
