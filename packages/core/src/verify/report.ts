import type { VerifiedState } from "./state.ts";

/** What is wrong, in one word. `failure`s make a log unsound. */
export type FailureCode =
  | "checkpoint"
  | "key_changed"
  | "cosignatures"
  | "rollback"
  | "fork"
  | "object"
  | "versions"
  | "leaf"
  | "batch"
  | "batch_twice"
  | "chain"
  | "seal"
  | "ledger_missing"
  | "ledger_differs"
  | "index"
  | "backdated"
  | "future"
  | "not_in_log"
  | "listing";

export interface Failure {
  readonly code: FailureCode;
  readonly detail: string;
  /** The leaf's number, and the id of the record in it, where it is about one. */
  readonly leaf?: number;
  readonly record?: string;
  /** The object's name, where it is about one. */
  readonly object?: string;
}

/** Something to know that is no proof of anybody's touching the log: a missing number, a late arrival. */
export interface Notice {
  readonly code: "gap" | "late" | "waiting" | "ahead" | "new_key" | "first_use";
  readonly detail: string;
}

export interface Report {
  readonly sound: boolean;
  readonly origin?: string;
  readonly size: number;
  /** base64. */
  readonly root?: string;
  /** The first leaf that was checked: 0, or the size that was gone on from. */
  readonly from: number;
  readonly checked: {
    readonly leaves: number;
    readonly batches: number;
    readonly emitters: number;
    readonly ledgerBatches: number;
    readonly objects: number;
    readonly cosignatures: number;
  };
  /** The first hundred, first leaf first; `failureCount` counts them all. */
  readonly failures: readonly Failure[];
  readonly failureCount: number;
  readonly notices: readonly Notice[];
  readonly noticeCount: number;
  /** What was not checked, and why. */
  readonly unchecked: readonly string[];
  /** What to pin, where all is sound: the checkpoint's text. */
  readonly checkpoint?: string;
  /** What to keep beside it, to go on from another time, where all is sound. Not for printing. */
  readonly state?: VerifiedState;
  /** The log's keys (vkeys) that were trusted. */
  readonly keys: readonly string[];
}

const maxListed = 100;

/** Collects findings: bounded, however much is wrong. */
export class Findings {
  readonly failures: Failure[] = [];
  readonly notices: Notice[] = [];
  failureCount = 0;
  noticeCount = 0;

  fail(code: FailureCode, detail: string, where: Omit<Failure, "code" | "detail"> = {}): void {
    this.failureCount += 1;
    if (this.failures.length < maxListed) this.failures.push({ code, detail, ...where });
  }

  note(code: Notice["code"], detail: string): void {
    this.noticeCount += 1;
    if (this.notices.length < maxListed) this.notices.push({ code, detail });
  }
}

/** Also where somebody wrote a time that no calendar has. */
export const timeOf = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`);
