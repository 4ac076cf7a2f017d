import type { Projections } from "@tooltrail/core/follow/ports";
import { lastChangeAt } from "@tooltrail/core/incidents/last-change";
import { sqliteProjections } from "@tooltrail/local/sqlite-projections";
import type { Triager } from "./incident-parts.ts";
import { once } from "./once.ts";
import { ownDestinations } from "./own-destinations.ts";
import { database, events, ports } from "./ports-local.ts";

const now = Date.now;

export const incidentRows = once((): Projections => sqliteProjections(database()));

export const triager = async (): Promise<Triager> => ({
  projections: incidentRows(),
  tickets: ownDestinations(),
  changedAt: (nowMs) => lastChangeAt(ports().ledger, nowMs),
  events: events(),
  now,
});
