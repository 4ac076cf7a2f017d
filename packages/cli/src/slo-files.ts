import { type FileDefinition, parseDefinitionFile } from "@tooltrail/core/slo/definition-file";
import { readFiles } from "./files.ts";

/** What is in files: definitions with their file, and lines about what is wrong with others (`faults`) or may not be what was meant (`notes`). */
export interface FilesRead {
  readonly definitions: readonly (FileDefinition & { readonly file: string })[];
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Definitions of files, and of all `*.yaml` and `*.yml` right in folders.
 *
 * @throws Refused (400) for what cannot be read, and for a folder that has none.
 */
export function readDefinitionFiles(places: readonly string[]): FilesRead {
  const definitions: (FileDefinition & { readonly file: string })[] = [];
  const faults: string[] = [];
  const notes: string[] = [];
  for (const { name: file, text } of readFiles(places)) {
    const read = parseDefinitionFile(text, file);
    faults.push(...read.faults);
    notes.push(...read.notes);
    for (const one of read.definitions) {
      const there = definitions.find(({ slo }) => slo.name === one.slo.name);
      if (there) faults.push(`${file}: "${one.slo.name}" is in ${there.file} as well. Write another metadata.name.`);
      else definitions.push({ ...one, file });
    }
  }
  return { definitions, faults, notes };
}
