import { AppError } from "../errors.ts";
import type { Projections } from "../follow/ports.ts";
import {
  type Applied,
  applyDocuments,
  change,
  readStored as readAllStored,
  readVersions as readAllVersions,
  readCurrent,
  type Source,
  type Stored,
  type Stores,
  tooLarge,
} from "../versioned.ts";
import { parseDefinition } from "./definition.ts";
import { sentence } from "./document.ts";
import type { Maintenance } from "./maintenance.ts";
import { type Keeping, listKept } from "./memory.ts";
import type { Slo } from "./slo.ts";

/** A definition as it was applied: an OpenSLO document, whole. */
export type StoredDefinition = Stored;
export type DefinitionSource = Source;
export { isSame, tooLarge } from "../versioned.ts";
export type { Applied };

const store: Keeping = { name: "slo-definitions", generation: 1 };
const maintenances = "maintenance";
const maxMaintenances = 200;

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
export const readDefinition = (
  projections: Pick<Projections, "read">,
  name: string,
): Promise<StoredDefinition | undefined> => readCurrent(projections, store, name);

/** What is defined now, as it was applied. */
export const readStored = (projections: Pick<Projections, "list">): Promise<StoredDefinition[]> =>
  readAllStored(projections, store);

/** Every version of a name, the latest first, at most 100. */
export const readVersions = (projections: Pick<Projections, "list">, name: string): Promise<StoredDefinition[]> =>
  readAllVersions(projections, store, name);

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
 * @throws AppError `unavailable` where others keep on being faster.
 */
export const applyDefinitions = (
  projections: Stores,
  documents: readonly { readonly name: string; readonly document: object }[],
  change: { readonly removing?: readonly string[]; readonly source: DefinitionSource; readonly nowMs: number },
): Promise<Applied[]> => applyDocuments(projections, store, documents, change);

export async function readMaintenances(projections: Pick<Projections, "list">): Promise<Maintenance[]> {
  return (await listKept(projections, store, maintenances)).map(({ value }) => value as Maintenance);
}

/** @throws AppError `invalid` where there are too many. Those that are over make room. */
export async function addMaintenance(projections: Stores, window: Maintenance, nowMs: number): Promise<void> {
  await change(projections, store, async () => {
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
  change(projections, store, async () => {
    const there = (await readMaintenances(projections)).some((window) => window.id === id);
    return { rows: there ? [{ collection: maintenances, id, value: undefined }] : [], result: there };
  });
