import { AppError } from "../errors.ts";
import { counters } from "../follow/counters.ts";
import type { Projections } from "../follow/ports.ts";
import { defaultSlos, ownSlos } from "./defaults.ts";
import { readDefinitions, type StoredDefinition } from "./definitions.ts";
import { type Catalogue, openCatalogue } from "./selection.ts";
import type { Slo } from "./slo.ts";
import { dayMs } from "./time.ts";

/** Where an SLO comes from: somebody defined it, or nobody, or it is tooltrail's own. */
export type SloOrigin = "defined" | "default" | "own";

export interface KnownSlo {
  readonly slo: Slo;
  readonly origin: SloOrigin;
  readonly stored?: StoredDefinition;
}

/** All that there is to look at, as of one generation of the counters. */
export interface Known {
  readonly generation: number;
  readonly catalogue: Catalogue;
  readonly slos: readonly KnownSlo[];
  readonly unreadable: readonly { readonly name: string; readonly why: string }[];
  /**
   * To be asked after rows were read: those of a generation that was replaced meanwhile may be gone, and would pass for no calls.
   *
   * @throws AppError unavailable where they may be.
   */
  mustBeCurrent(): Promise<void>;
}

/** A server that nobody has heard of for so long has no defaults any more: there is nothing left of it in their period. */
const defaultDays = 31;

/** Defined ones first, then the defaults of every server seen, then our own. Before anything was followed, generation 1 is empty. */
export async function readSlos(projections: Pick<Projections, "cursor" | "list">, nowMs: number): Promise<Known> {
  const current = async (): Promise<number> => (await projections.cursor(counters.name))?.current.number ?? 1;
  const generation = await current();
  const catalogue = openCatalogue(projections, generation);
  const { defined, unreadable } = await readDefinitions(projections);
  const since = Math.floor(nowMs / dayMs) - defaultDays;
  const servers = (await catalogue.servers()).filter(({ lastDay = 0 }) => lastDay >= since);
  const definitions = defined.map(({ slo }) => slo);
  return {
    generation,
    catalogue,
    unreadable,
    async mustBeCurrent() {
      if ((await current()) !== generation)
        throw new AppError("unavailable", "Counters were made anew meanwhile. Try again.");
    },
    slos: [
      ...defined.map(({ slo, stored }): KnownSlo => ({ slo, stored, origin: "defined" })),
      ...servers
        .flatMap((server) => defaultSlos(server, definitions))
        .map((slo): KnownSlo => ({ slo, origin: "default" })),
      ...ownSlos.map((slo): KnownSlo => ({ slo, origin: "own" })),
    ],
  };
}
