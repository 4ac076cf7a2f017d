/**
 * Every failure that somebody outside can meet, with what follows from it. One table, so that a Lambda, the HTTP API and the command
 * line agree.
 */
export const errorCodes = {
  invalid: { http: 400, retryable: false },
  unauthorized: { http: 401, retryable: false },
  forbidden: { http: 403, retryable: false },
  not_found: { http: 404, retryable: false },
  conflict: { http: 409, retryable: false },
  /** The log is not what it must be. It stands still until a person has looked; what waits for it is kept, and trying again changes nothing. */
  halted: { http: 500, retryable: false },
  storage_full: { http: 507, retryable: true },
  unavailable: { http: 503, retryable: true },
  internal: { http: 500, retryable: true },
} as const;
export type ErrorCode = keyof typeof errorCodes;

/** For writes: whether the write may be there all the same. */
export type WriteOutcome = "not-applied" | "unknown";

export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly outcome: WriteOutcome | undefined;

  constructor(code: ErrorCode, message: string, more: { cause?: unknown; outcome?: WriteOutcome } = {}) {
    super(message, { cause: more.cause });
    this.code = code;
    this.retryable = errorCodes[code].retryable;
    this.outcome = more.outcome;
  }
}
