import { isSame, type NamedDocument, type Stored } from "./versioned.ts";

/** A file of a folder; its name is what faults begin with. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** What was read of a file. `faults` are lines for a person: file, line, column, field, and what is wrong. */
export interface FolderFile {
  readonly file: string;
  readonly documents: readonly NamedDocument[];
  readonly faults: readonly string[];
}

/** What has to change so that what a folder says is what is kept. */
export interface FolderPlan {
  readonly applying: readonly (NamedDocument & { readonly file: string })[];
  readonly removing: readonly string[];
  /** Lines for a person: file, line, column, field, and what is wrong. */
  readonly faults: readonly string[];
}

/**
 * Compares a folder with what is kept. A file with a fault is left out whole, and as long as there is one, nothing is removed: who knows what it was to hold. What did not come from the folder stays.
 *
 * @param field in which a document says its name.
 */
export function compareFolder(files: readonly FolderFile[], stored: readonly Stored[], field: string): FolderPlan {
  const faults: string[] = [];
  const wanted = new Map<string, FolderPlan["applying"][number]>();
  for (const { file, documents, faults: own } of files) {
    faults.push(...own);
    if (own.length > 0) continue;
    for (const { name, document } of documents) {
      const other = wanted.get(name);
      if (other) faults.push(`${file}: ${field}: "${name}" is defined in ${other.file}, too. That one counts.`);
      else wanted.set(name, { name, document, file });
    }
  }
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
