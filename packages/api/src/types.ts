import type { RecordPage, RecordView } from "@tooltrail/core/query";
import type { RecordKind } from "@tooltrail/format";

/** What the HTTP API answers, as JSON. */
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

/** `stored` or `duplicate`: it has left the quarantine. `quarantined`: it is still there, for this reason. */
export interface ReplayAnswer {
  readonly id: string;
  readonly outcome: "stored" | "duplicate" | "quarantined";
  readonly reason?: string;
}

export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string };
}
