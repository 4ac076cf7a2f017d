import { AppError } from "./errors.ts";
import type { Projections, Row, RowKey } from "./follow/ports.ts";
import { keyPart } from "./follow/row-id.ts";
import { after, type Keeping, listKept } from "./slo/memory.ts";

/**
 * A document as it was applied, whole. Versions of a name count from 1; one that was removed has a version of its own. `source`: who keeps it, a folder or a person's command. Times in
 * milliseconds.
 */
export type Stored = {
  readonly name: string;
  readonly version: number;
  readonly appliedAt: number;
  readonly source: Source;
  readonly document?: { readonly [member: string]: unknown };
  readonly removed?: true;
};
export type Source = "folder" | "command";

/** What came of applying one. */
export interface Applied {
  readonly name: string;
  readonly version: number;
  readonly outcome: "applied" | "unchanged" | "removed";
}

/** A document that has been checked, and the name that it is kept under. */
export interface NamedDocument {
  readonly name: string;
  readonly document: object;
}

export type Stores = Pick<Projections, "cursor" | "commit" | "read" | "list">;

const current = "current";
const versionsOf = (name: string): string => `versions#${keyPart(name)}`;
const versionId = (version: number): string => String(version).padStart(9, "0");

/** Each is two rows, the current one and its version. */
const documentsPerCommit = 40;
/** So that a commit of them holds what it must (`row-limits`). */
const maxDocumentBytes = 32 * 1024;
const maxAttempts = 10;
const maxVersions = 100;

/** The current version of a name; undefined where there is none, or it was removed. */
export async function readCurrent(
  projections: Pick<Projections, "read">,
  { name: kept, generation }: Keeping,
  name: string,
): Promise<Stored | undefined> {
  const [row] = await projections.read(kept, generation, [currentKey(name)]);
  const stored = row?.value as Stored | undefined;
  return stored?.removed ? undefined : stored;
}

/** Every name's current version, by name. */
export async function readStored(projections: Pick<Projections, "list">, kept: Keeping): Promise<Stored[]> {
  const rows = await listKept(projections, kept, current);
  return rows.map(({ value }) => value as Stored).filter(({ removed }) => !removed);
}

/** Every version of a name, the latest first, at most 100. */
export async function readVersions(
  projections: Pick<Projections, "list">,
  { name: kept, generation }: Keeping,
  name: string,
): Promise<Stored[]> {
  const collection = versionsOf(name);
  const rows = await projections.list(kept, generation, { collection, newestFirst: true, limit: maxVersions });
  return rows.map(({ value }) => value as Stored);
}

/** @returns what is wrong with the size of a document; undefined where nothing is. */
export function tooLarge(document: unknown): string | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(document)).length;
  return bytes > maxDocumentBytes ? `${bytes} bytes of JSON, and it may have ${maxDocumentBytes}.` : undefined;
}

/**
 * Makes documents the current ones, each in a new version unless it is what is there already. Doing it again changes nothing.
 *
 * @param documents have been checked. @param removing names that are to go.
 * @throws AppError `unavailable` where others keep on being faster.
 */
export async function applyDocuments(
  projections: Stores,
  kept: Keeping,
  documents: readonly NamedDocument[],
  {
    removing = [],
    source,
    nowMs,
  }: { readonly removing?: readonly string[]; readonly source: Source; readonly nowMs: number },
): Promise<Applied[]> {
  const wanted = [
    ...documents.map(({ name, document }) => ({ name, document: document as Stored["document"] })),
    ...removing.map((name) => ({ name, document: undefined })),
  ];
  const applied: Applied[] = [];
  for (let from = 0; from < wanted.length; from += documentsPerCommit)
    applied.push(
      ...(await change(projections, kept, async () => {
        const some = wanted.slice(from, from + documentsPerCommit);
        const there = await projections.read(
          kept.name,
          kept.generation,
          some.map(({ name }) => currentKey(name)),
        );
        const changes = some.map(({ name, document }, i) =>
          changeOf(name, document, source, there[i]?.value as Stored | undefined),
        );
        const rows = changes.flatMap(({ stored }) =>
          stored === undefined
            ? []
            : [stored, stored].map((value, i) => ({
                ...(i === 0 ? currentKey(value.name) : versionKey(value)),
                value: { ...value, source, appliedAt: nowMs },
              })),
        );
        return { rows, result: changes.map(({ applied: one }) => one) };
      })),
    );
  return applied;
}

interface DocumentChange {
  readonly applied: Applied;
  readonly stored?: Omit<Stored, "source" | "appliedAt">;
}

function changeOf(
  name: string,
  document: Stored["document"],
  source: Source,
  before: Stored | undefined,
): DocumentChange {
  const version = (before?.version ?? 0) + 1;
  if (document === undefined) {
    if (before === undefined || before.removed)
      return { applied: { name, version: before?.version ?? 0, outcome: "unchanged" } };
    return { applied: { name, version, outcome: "removed" }, stored: { name, version, removed: true } };
  }
  if (before?.document !== undefined && isSame(before, document, source))
    return { applied: { name, version: before.version, outcome: "unchanged" } };
  return { applied: { name, version, outcome: "applied" }, stored: { name, version, document } };
}

/** Word for word, and kept by the same. */
export const isSame = (stored: Stored, document: object, source: Source): boolean =>
  stored.source === source && JSON.stringify(stored.document) === JSON.stringify(document);

interface StoreChange<Result> {
  readonly rows: readonly (RowKey & { readonly value: Row["value"] | undefined })[];
  readonly result: Result;
}

/** Decides on what is there, and writes it unless something else was written meanwhile: then it is decided anew. @throws AppError `unavailable` where others keep on being faster. */
export async function change<Result>(
  projections: Stores,
  { name, generation }: Keeping,
  decide: () => Promise<StoreChange<Result>>,
): Promise<Result> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const from = await projections.cursor(name);
    const { rows, result } = await decide();
    if (rows.length === 0) return result;
    if (await projections.commit(name, { from, to: after(from), generation, rows })) return result;
  }
  throw new AppError("unavailable", `Definitions were changed by others ${maxAttempts} times meanwhile. Try again.`, {
    outcome: "not-applied",
  });
}

const currentKey = (name: string): RowKey => ({ collection: current, id: keyPart(name) });
const versionKey = ({ name, version }: Pick<Stored, "name" | "version">): RowKey => ({
  collection: versionsOf(name),
  id: versionId(version),
});
