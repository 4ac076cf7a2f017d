import type { Projections } from "../follow/ports.ts";
import { parseDefinitionFile } from "./definition-file.ts";
import { isSame, readStored, tooLarge } from "./definitions.ts";

/** A file of a folder; its name is what faults begin with. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** What has to change so that what a folder says is what is defined. */
export interface FolderPlan {
  readonly applying: readonly { readonly name: string; readonly document: object; readonly file: string }[];
  readonly removing: readonly string[];
  /** Lines for a person: file, line, column, field, and what is wrong. */
  readonly faults: readonly string[];
}

/**
 * Compares a folder with what is defined. A file with a fault is left out whole, and as long as there is one, nothing is removed: who knows what it was to define. Definitions that did not come from the
 * folder stay.
 */
export async function planFolder(
  projections: Pick<Projections, "list">,
  files: readonly NamedText[],
): Promise<FolderPlan> {
  const faults: string[] = [];
  const wanted = new Map<string, FolderPlan["applying"][number]>();
  for (const { name: file, text } of files) {
    const read = parseDefinitionFile(text, file);
    const large = read.definitions.flatMap(({ slo, document }) => {
      const wrong = tooLarge(document);
      return wrong === undefined ? [] : [`${file}: "${slo.name}" has ${wrong}`];
    });
    faults.push(...read.faults, ...large);
    if (read.faults.length + large.length > 0) continue;
    for (const { slo, document } of read.definitions) {
      const other = wanted.get(slo.name);
      if (other)
        faults.push(`${file}: metadata.name: "${slo.name}" is defined in ${other.file}, too. That one counts.`);
      else wanted.set(slo.name, { name: slo.name, document, file });
    }
  }
  const stored = await readStored(projections);
  const there = new Map(stored.map((one) => [one.name, one]));
  const isThere = (name: string, document: object): boolean => {
    const one = there.get(name);
    return one !== undefined && isSame(one, document, "folder");
  };
  const fromFolder = stored.filter(({ source }) => source === "folder").map(({ name }) => name);
  return {
    applying: [...wanted.values()].filter(({ name, document }) => !isThere(name, document)),
    removing: faults.length > 0 ? [] : fromFolder.filter((name) => !wanted.has(name)),
    faults,
  };
}
