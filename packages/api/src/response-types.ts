import type { ResponseDocument, ResponseKind } from "@tooltrail/core/response/response";
import type { UnreadableResponse } from "@tooltrail/core/response/store";
import type { Stored } from "@tooltrail/core/versioned";

export type { ResponseDocument, ResponseKind };

/** What there is, without its text. `builtIn`: nobody has written it; it has no version, no source and no time then. `title`: what it is about, in a few words. */
export interface ResponseEntry {
  readonly kind: ResponseKind;
  readonly name: string;
  readonly title: string;
  readonly builtIn?: true;
  readonly version?: number;
  readonly source?: Stored["source"];
  readonly appliedAt?: number;
}

/** By kind and name. `unreadable`: documents that this version does not understand. */
export interface ResponsePage {
  readonly documents: readonly ResponseEntry[];
  readonly unreadable: readonly UnreadableResponse[];
}

/** Versions, the latest first. `document` as it was applied. */
export type ResponseAnswer = Omit<ResponseEntry, "title"> & {
  readonly document: NonNullable<Stored["document"]> | ResponseDocument;
  readonly versions: readonly Omit<Stored, "document">[];
};

/** Versions of servers, seen in the last 30 days, that no runbook says how to go back from. */
export type { SeenVersion, UnguidedVersions as MissingRunbooks } from "@tooltrail/core/response/unguided";
