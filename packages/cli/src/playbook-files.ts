import { parseResponseFiles } from "@tooltrail/core/response/file";
import type { ResponseDocument } from "@tooltrail/core/response/response";
import { readFiles } from "./files.ts";

/** What is in files: documents with their file, and lines about what is wrong with others (`faults`) or may not be what was meant (`notes`). */
export interface ResponseRead {
  readonly documents: readonly { readonly file: string; readonly document: ResponseDocument }[];
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

/** Response documents of files, and of all `*.yaml` and `*.yml` right in folders, as they are to be applied together. @throws Refused (400) for what cannot be read. */
export function readResponseFiles(places: readonly string[]): ResponseRead {
  const texts = readFiles(places);
  const files = parseResponseFiles(texts);
  return {
    documents: files.flatMap(({ documents }, i) => {
      const file = texts[i]?.name ?? "";
      return documents.map((document) => ({ file, document }));
    }),
    faults: files.flatMap(({ faults }) => faults),
    notes: files.flatMap(({ notes }) => notes),
  };
}
