import { compareFolder, type FolderFile, type FolderPlan, type NamedText } from "../folder.ts";
import type { Projections } from "../follow/ports.ts";
import { parseDefinitionFile } from "./definition-file.ts";
import { readStored, tooLarge } from "./definitions.ts";

/** Compares a folder of OpenSLO files with what is defined. A file that defines something too large has a fault, as well. */
export async function planFolder(
  projections: Pick<Projections, "list">,
  files: readonly NamedText[],
): Promise<FolderPlan> {
  return compareFolder(files.map(readFile), await readStored(projections), "metadata.name");
}

function readFile({ name: file, text }: NamedText): FolderFile {
  const { definitions, faults } = parseDefinitionFile(text, file);
  const large = definitions.flatMap(({ slo, document }) => {
    const wrong = tooLarge(document);
    return wrong === undefined ? [] : [`${file}: "${slo.name}" has ${wrong}`];
  });
  const documents = definitions.map(({ slo: { name }, document }) => ({ name, document }));
  return { file, documents, faults: [...faults, ...large] };
}
