import { compareFolder, type FolderPlan, type NamedText } from "../folder.ts";
import type { Projections } from "../follow/ports.ts";
import { parseResponseFiles } from "./file.ts";
import { namedResponse, readStoredResponse } from "./store.ts";

/** Compares a folder of response documents with what is kept. Its files count together: a policy in one names destinations of another. */
export async function planResponseFolder(
  projections: Pick<Projections, "list">,
  texts: readonly NamedText[],
): Promise<FolderPlan> {
  const files = parseResponseFiles(texts).map(({ documents, faults }, i) => ({
    file: texts[i]?.name ?? "",
    documents: namedResponse(documents),
    faults,
  }));
  return compareFolder(files, await readStoredResponse(projections), "name");
}
