import { AppError } from "../errors.ts";
import type { Projections, Row, RowKey } from "../follow/ports.ts";
import { keyPart } from "../follow/row-id.ts";
import { parseDefinition } from "./definition.ts";
import { sentence } from "./document.ts";
import type { Maintenance } from "./maintenance.ts";
import { after, type Keeping, listKept } from "./memory.ts";
import type { Slo } from "./slo.ts";

/**
 * A definition as it was applied: an OpenSLO document, whole. Versions of a name count from 1; one that was removed has a version of its own. `source`: who keeps it, a folder or a person's command. Times in
 * milliseconds.
 */
export type StoredDefinition = {
  readonly name: string;
  readonly version: number;
  readonly appliedAt: number;
  readonly source: DefinitionSource;
  readonly document?: { readonly [member: string]: unknown };
  readonly removed?: true;
};
export type DefinitionSource = "folder" | "command";

/** What came of applying one. */
export interface Applied {
  readonly name: string;
  readonly version: number;
  readonly outcome: "applied" | "unchanged" | "removed";
}

type Stores = Pick<Projections, "cursor" | "commit" | "read" | "list">;

const store: Keeping = { name: "slo-definitions", generation: 1 };
const current = "current";
const maintenances = "maintenance";
const versionsOf = (name: string): string => `versions#${keyPart(name)}`;
const versionId = (version: number): string => String(version).padStart(9, "0");

/** Each is two rows, the current one and its version. */
const definitionsPerCommit = 40;
/** So that a commit of them holds what it must (`row-limits`). */
const maxDocumentBytes = 32 * 1024;
export const maxDefinitions = 2_000;
const maxMaintenances = 200;
const maxAttempts = 10;

/** All that is defined, and what of it this version of the code cannot read. */
export interface Definitions {
  readonly defined: readonly { readonly slo: Slo; readonly stored: StoredDefinition }[];
  readonly unreadable: readonly { readonly name: string; readonly why: string }[];
}

export async function readDefinitions(projections: Pick<Projections, "list">): Promise<Definitions> {
  const defined: { slo: Slo; stored: StoredDefinition }[] = [];
  const unreadable: { name: string; why: string }[] = [];
  for (const one of await readStored(projections)) {
    const parsed = parseDefinition(one.document);
    if ("slo" in parsed) defined.push({ slo: parsed.slo, stored: one });
    else unreadable.push({ name: one.name, why: parsed.faults.map(sentence).join("; ") });
  }
  return { defined, unreadable };
}

/** The current version of a name; undefined where there is none, or it was removed. */
export async function readDefinition(
  projections: Pick<Projections, "read">,
  name: string,
): Promise<StoredDefinition | undefined> {
  const [row] = await projections.read(store.name, store.generation, [currentKey(name)]);
  const stored = row?.value as StoredDefinition | undefined;
  return stored?.removed ? undefined : stored;
}

/** What is defined now, as it was applied. */
export async function readStored(projections: Pick<Projections, "list">): Promise<StoredDefinition[]> {
  const rows = await listKept(projections, store, current);
  return rows.map(({ value }) => value as StoredDefinition).filter(({ removed }) => !removed);
}

/** Every version of a name, the latest first, at most 100. */
export async function readVersions(projections: Pick<Projections, "list">, name: string): Promise<StoredDefinition[]> {
  const rows = await projections.list(store.name, store.generation, {
    collection: versionsOf(name),
    newestFirst: true,
    limit: 100,
  });
  return rows.map(({ value }) => value as StoredDefinition);
}

/** @returns what is wrong with the size of a document; undefined where nothing is. */
export function tooLarge(document: unknown): string | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(document)).length;
  return bytes > maxDocumentBytes ? `${bytes} bytes of JSON, and it may have ${maxDocumentBytes}.` : undefined;
}

/** @throws AppError `invalid` with all faults of all of them; nothing is applied then. */
export function checkDocuments(documents: readonly unknown[]): { readonly name: string; readonly document: object }[] {
  const faults: string[] = [];
  const checked = documents.flatMap((document, i) => {
    const parsed = parseDefinition(document);
    if ("faults" in parsed) {
      faults.push(...parsed.faults.map((fault) => `definition ${i + 1}: ${sentence(fault)}`));
      return [];
    }
    const large = tooLarge(document);
    if (large !== undefined) faults.push(`definition ${i + 1}: ${large}`);
    return [{ name: parsed.slo.name, document: document as object }];
  });
  const names = checked.map(({ name }) => name);
  for (const name of new Set(names.filter((one, i) => names.indexOf(one) !== i)))
    faults.push(`"${name}" is there twice.`);
  if (faults.length > 0) throw new AppError("invalid", faults.slice(0, 50).join("\n"), { outcome: "not-applied" });
  return checked;
}

/**
 * Makes definitions the current ones, each in a new version unless it is what is there already. Doing it again changes nothing.
 *
 * @param documents OpenSLO documents that have been checked. @param removing names that are to go.
 * @throws AppError `invalid` where there would be too many, `unavailable` where others keep on being faster.
 */
export async function applyDefinitions(
  projections: Stores,
  documents: readonly { readonly name: string; readonly document: object }[],
  {
    removing = [],
    source,
    nowMs,
  }: { readonly removing?: readonly string[]; readonly source: DefinitionSource; readonly nowMs: number },
): Promise<Applied[]> {
  const wanted = [
    ...documents.map(({ name, document }) => ({ name, document: document as StoredDefinition["document"] })),
    ...removing.map((name) => ({ name, document: undefined })),
  ];
  const applied: Applied[] = [];
  for (let from = 0; from < wanted.length; from += definitionsPerCommit)
    applied.push(
      ...(await change(projections, async () => {
        const some = wanted.slice(from, from + definitionsPerCommit);
        const there = await projections.read(
          store.name,
          store.generation,
          some.map(({ name }) => currentKey(name)),
        );
        const changes = some.map(({ name, document }, i) =>
          changeOf(name, document, source, there[i]?.value as StoredDefinition | undefined),
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

interface DefinitionChange {
  readonly applied: Applied;
  readonly stored?: Omit<StoredDefinition, "source" | "appliedAt">;
}

function changeOf(
  name: string,
  document: StoredDefinition["document"],
  source: DefinitionSource,
  before: StoredDefinition | undefined,
): DefinitionChange {
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
export const isSame = (stored: StoredDefinition, document: object, source: DefinitionSource): boolean =>
  stored.source === source && JSON.stringify(stored.document) === JSON.stringify(document);

export async function readMaintenances(projections: Pick<Projections, "list">): Promise<Maintenance[]> {
  return (await listKept(projections, store, maintenances)).map(({ value }) => value as Maintenance);
}

/** @throws AppError `invalid` where there are too many. Those that are over make room. */
export async function addMaintenance(projections: Stores, window: Maintenance, nowMs: number): Promise<void> {
  await change(projections, async () => {
    const all = await readMaintenances(projections);
    const over = all.filter(({ until }) => until <= nowMs).slice(0, 50);
    if (all.length - over.length >= maxMaintenances)
      throw new AppError("invalid", `There are ${maxMaintenances} maintenance windows already; end one first.`, {
        outcome: "not-applied",
      });
    return {
      rows: [
        ...over.map(({ id }) => ({ collection: maintenances, id, value: undefined })),
        { collection: maintenances, id: window.id, value: window },
      ],
      result: undefined,
    };
  });
}

/** @returns whether it was there. */
export const removeMaintenance = (projections: Stores, id: string): Promise<boolean> =>
  change(projections, async () => {
    const there = (await readMaintenances(projections)).some((window) => window.id === id);
    return { rows: there ? [{ collection: maintenances, id, value: undefined }] : [], result: there };
  });

interface StoreChange<Result> {
  readonly rows: readonly (RowKey & { readonly value: Row["value"] | undefined })[];
  readonly result: Result;
}

/** Decides on what is there, and writes it unless something else was written meanwhile: then it is decided anew. */
async function change<Result>(projections: Stores, decide: () => Promise<StoreChange<Result>>): Promise<Result> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const from = await projections.cursor(store.name);
    const { rows, result } = await decide();
    if (rows.length === 0) return result;
    if (await projections.commit(store.name, { from, to: after(from), generation: store.generation, rows }))
      return result;
  }
  throw new AppError("unavailable", `Definitions were changed by others ${maxAttempts} times meanwhile. Try again.`, {
    outcome: "not-applied",
  });
}

const currentKey = (name: string): RowKey => ({ collection: current, id: keyPart(name) });
const versionKey = ({ name, version }: Pick<StoredDefinition, "name" | "version">): RowKey => ({
  collection: versionsOf(name),
  id: versionId(version),
});
