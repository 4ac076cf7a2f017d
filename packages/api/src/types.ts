import type { EmitterRow, EmitterState, Missing } from "@tooltrail/core/follow/continuity";
import type { DefinitionRow, InventoryList, PrincipalRow, ServerRow, ToolRow } from "@tooltrail/core/follow/inventory";
import type { RecordPage, RecordView } from "@tooltrail/core/query";
import type { Burner, Burners } from "@tooltrail/core/slo/burners";
import type { Applied, StoredDefinition } from "@tooltrail/core/slo/definitions";
import type { Maintenance } from "@tooltrail/core/slo/maintenance";
import type { RuleView, SloView } from "@tooltrail/core/slo/status";
import type { RecordKind } from "@tooltrail/format";

/** What the HTTP API answers, as JSON. */
export type { Asked } from "./incident-parameters.ts";
export type {
  CommandType,
  Incident,
  IncidentAnswer,
  IncidentEvent,
  IncidentEventsAnswer,
  IncidentSummary,
  IncidentsPage,
  Postmortem,
  PostmortemAnswer,
  RetryAnswer,
  UndeliveredAnswer,
} from "./incident-types.ts";
export type { BatchesPage, PositionsPage } from "./log-types.ts";
export type { MissingRunbooks, ResponseAnswer, ResponseEntry, ResponsePage, SeenVersion } from "./response-types.ts";
export type { RecordKind, RecordPage, RecordView };

export interface QuarantinePage {
  readonly entries: QuarantineView[];
  readonly next: string | null;
}

/** `body` is the event as it arrived. */
export interface QuarantineView {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
  readonly receivedAt: number;
  readonly body: string;
}

/** `stored` or `duplicate`, and of an alert `said`: it has left the quarantine. `quarantined`: it is still there, for this reason. */
export interface ReplayAnswer {
  readonly id: string;
  readonly outcome: "stored" | "duplicate" | "said" | "quarantined";
  readonly reason?: string;
}

/** One list of the inventory. `next` is null at the end. */
export interface InventoryPage<Entry = InventoryEntry> {
  readonly entries: Entry[];
  readonly next: string | null;
}

export type InventoryEntry = ServerRow | ToolRow | DefinitionRow | PrincipalView;
/** With the name, where it has not been forgotten. */
export type PrincipalView = PrincipalRow & { readonly subject?: string };
export type { DefinitionRow, InventoryList, ServerRow, ToolRow };

/** A page may be short, even empty, and still have a next one. */
export interface EmittersPage {
  readonly emitters: EmitterView[];
  readonly next: string | null;
}

/** An emitter as it is now. `enrolled`: signed by a key that this pipeline knows. A missing range is a `gap` once it is late for 15 minutes. */
export type EmitterView = Omit<EmitterRow, "missing"> & {
  readonly state: EmitterState;
  readonly enrolled: boolean;
  readonly missing: readonly (Missing & { readonly gap: boolean })[];
};
export type { EmitterState };

/** The generation of a projection that is being built, and the leaf that it goes on from. */
export interface RebuildAnswer {
  readonly projection: string;
  readonly generation: number;
  readonly leaf: number;
}

/** By name. A page may be short, even empty, and still have a next one. `unreadable`: definitions that this version does not understand. */
export interface SlosPage {
  readonly slos: SloView[];
  readonly unreadable: { readonly name: string; readonly why: string }[];
  readonly next: string | null;
}
export type { Maintenance, RuleView, SloView };

/** `definition`: the OpenSLO document; null where nobody has defined it. Versions, the latest first. Principals with their names, where they have not been forgotten. */
export type SloAnswer = Omit<SloView, "burners"> & {
  readonly burners: Omit<Burners, "principals"> & {
    readonly principals: readonly (Burner & { readonly subject?: string })[];
  };
  readonly definition: StoredDefinition["document"] | null;
  readonly versions: readonly Omit<StoredDefinition, "document">[];
};

/** Minutes that have calls, ascending: number of the minute since the epoch, how many count, and how many of them are bad. From `from` on, before `to`. */
export interface SeriesAnswer {
  readonly slo: string;
  readonly from: number;
  readonly to: number;
  readonly minutes: readonly (readonly [minute: number, total: number, bad: number])[];
}

export interface AppliedAnswer {
  readonly applied: readonly Applied[];
}

export interface MaintenancePage {
  readonly windows: readonly Maintenance[];
}

export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string };
}
