import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type FileDefinition, parseDefinitionFile } from "@tooltrail/core/slo/definition-file";
import { Refused } from "./client.ts";
import { unreadable } from "./text-input.ts";

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
  // A file may be named twice, as by a folder and by itself.
  const files = new Map(places.flatMap(filesOf).map((file) => [resolve(file), file]));
  for (const file of files.values()) {
    const read = parseDefinitionFile(
      readable(file, () => readFileSync(file, "utf8")),
      file,
    );
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

function filesOf(place: string): string[] {
  if (!readable(place, () => statSync(place)).isDirectory()) return [place];
  const files = readable(place, () => readdirSync(place)).filter((name) => /\.ya?ml$/.test(name));
  if (files.length === 0) throw new Refused(400, `${place}: no *.yaml and no *.yml is in this folder.`);
  return files.sort().map((name) => join(place, name));
}

function readable<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(place, error);
  }
}
