import { AppError } from "../errors.ts";
import type { Projections } from "../follow/ports.ts";
import { sentence } from "../slo/document.ts";
import type { Keeping } from "../slo/memory.ts";
import {
  type Applied,
  applyDocuments,
  type NamedDocument,
  readCurrent,
  readStored,
  readVersions,
  type Source,
  type Stored,
  type Stores,
} from "../versioned.ts";
import { parseResponseDocument } from "./document.ts";
import { checkReferences } from "./references.ts";
import {
  type Destination,
  nameOf,
  type Playbook,
  type ResponseDocument,
  type ResponseKind,
  type ResponsePolicy,
  type Runbook,
} from "./response.ts";

const kept: Keeping = { name: "response-documents", generation: 1 };

/** What documents are kept under: `Runbook/billing-2`. Of one kind, each name is there once. */
export const keptName = (kind: ResponseKind, name: string): string => `${kind}/${name}`;
const keptNameOf = (document: ResponseDocument): string => keptName(document.kind, nameOf(document));

/** A document that is current, and how it came to be. */
export interface KeptResponse {
  readonly document: ResponseDocument;
  readonly stored: Stored;
}
/** A document that this version of the code cannot read, by the name that it is kept under. */
export interface UnreadableResponse {
  readonly name: string;
  readonly why: string;
}

/** How a team responds, now; without what is built in. */
export interface Response {
  readonly playbooks: readonly Playbook[];
  readonly runbooks: readonly Runbook[];
  readonly destinations: readonly Destination[];
  readonly policies: readonly ResponsePolicy[];
  readonly unreadable: readonly UnreadableResponse[];
}

export async function readResponse(projections: Pick<Projections, "list">): Promise<Response> {
  const { documents, unreadable } = await listResponse(projections);
  const of = <Kind extends ResponseKind>(kind: Kind) =>
    documents
      .map(({ document }) => document)
      .filter((document): document is Extract<ResponseDocument, { kind: Kind }> => document.kind === kind);
  return {
    playbooks: of("Playbook"),
    runbooks: of("Runbook"),
    destinations: of("Destination"),
    policies: of("ResponsePolicy"),
    unreadable,
  };
}

/** Everything that is current, by kind and name. */
export async function listResponse(
  projections: Pick<Projections, "list">,
): Promise<{ readonly documents: readonly KeptResponse[]; readonly unreadable: readonly UnreadableResponse[] }> {
  const documents: KeptResponse[] = [];
  const unreadable: UnreadableResponse[] = [];
  for (const stored of await readStoredResponse(projections)) {
    const parsed = parseResponseDocument(stored.document);
    if ("document" in parsed) documents.push({ document: parsed.document, stored });
    else unreadable.push({ name: stored.name, why: parsed.faults.map(sentence).join("; ") });
  }
  return { documents, unreadable };
}

/** As it was applied, whether or not it can be read. */
export const readStoredResponse = (projections: Pick<Projections, "list">): Promise<Stored[]> =>
  readStored(projections, kept);

/** Undefined where there is none of that name, or it was removed. */
export const readResponseDocument = (
  projections: Pick<Projections, "read">,
  kind: ResponseKind,
  name: string,
): Promise<Stored | undefined> => readCurrent(projections, kept, keptName(kind, name));

/** Every version of a name, the latest first, at most 100. */
export const readResponseVersions = (
  projections: Pick<Projections, "list">,
  kind: ResponseKind,
  name: string,
): Promise<Stored[]> => readVersions(projections, kept, keptName(kind, name));

/**
 * Documents that are to be applied together.
 *
 * @throws AppError `invalid` with all faults of all of them, at most 50; nothing is to be applied then.
 */
export function checkResponse(values: readonly unknown[]): ResponseDocument[] {
  const faults: string[] = [];
  const checked = values.flatMap((value, i) => {
    const parsed = parseResponseDocument(value);
    if ("document" in parsed) return [parsed.document];
    faults.push(...parsed.faults.map((fault) => `document ${i + 1}: ${sentence(fault)}`));
    return [];
  });
  const names = new Set<string>();
  for (const name of checked.map(keptNameOf)) {
    if (names.has(name)) faults.push(`${name} is there twice.`);
    names.add(name);
  }
  for (const { policy, faults: wrong } of checkReferences(checked))
    faults.push(...wrong.map((fault) => `${keptNameOf(policy)}: ${sentence(fault)}`));
  if (faults.length > 0) throw new AppError("invalid", faults.slice(0, 50).join("\n"), { outcome: "not-applied" });
  return checked;
}

/** Documents with the names that they are kept under. */
export const namedResponse = (documents: readonly ResponseDocument[]): NamedDocument[] =>
  documents.map((document) => ({ name: keptNameOf(document), document }));

/**
 * Makes documents the current ones, each in a new version unless it is what is there already, word for word. Doing it again changes nothing.
 *
 * @param documents have been checked. @param removing names that they are kept under.
 * @throws AppError `unavailable` where others keep on being faster.
 */
export const applyResponse = (
  projections: Stores,
  documents: readonly NamedDocument[],
  change: { readonly removing?: readonly string[]; readonly source: Source; readonly nowMs: number },
): Promise<Applied[]> => applyDocuments(projections, kept, documents, change);
