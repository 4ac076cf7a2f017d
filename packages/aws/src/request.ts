import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@tooltrail/core/errors";

/** Waits before the next attempt; `attempt` counts from 1. */
export type Pause = (attempt: number) => Promise<void>;

/** Full jitter: at most 50, 100, 200 ms, so that those who failed together do not come back together. */
export const jitter: Pause = async (attempt) => {
  await sleep(Math.random() * 25 * 2 ** attempt);
};

/** With `timeouts` no call lasts longer than about 13 s, which leaves every function time to say what failed. */
export const maxAttempts = 4;

/**
 * For every AWS client of ours. The client itself does not retry: `request` does, because only who sees each attempt can say afterwards
 * whether a write may be there.
 */
export const clientOptions = (requestTimeoutMs = 2_000) => ({
  maxAttempts: 1,
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: requestTimeoutMs,
    throwOnRequestTimeout: true,
    // An answer that began and stands still.
    socketTimeout: requestTimeoutMs,
  },
});

/**
 * Sends, and sends again what may succeed then, up to four times.
 *
 * An answer about the data (a condition that does not hold) is thrown as it came, for the caller to read.
 *
 * @throws AppError `unavailable`, outcome `not-applied` where every attempt was throttled, `unknown` where one of them may have been applied;
 *   `internal`, where the service refuses the request: a permission, a table that is not there, an item that is too large.
 */
export async function request<T>(service: string, pause: Pause, send: () => Promise<T>): Promise<T> {
  let doubtful = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const failure = failureOf(error as ServiceError);
      if (failure === "answer") throw error;
      if (failure === "unknown") doubtful = true;
      if (failure === "refused" || attempt === maxAttempts)
        throw translated(service, error as Error, failure, doubtful);
    }
    await pause(attempt);
  }
}

/** As far as the clients' errors have these in common. */
interface ServiceError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly CancellationReasons?: readonly { readonly Code?: string }[];
}

/** `throttled`: not applied, and worth another try. `refused`: not applied, and never will be as it is. */
type Failure = "answer" | "throttled" | "refused" | "unknown";

const throttled = new Set([
  "ProvisionedThroughputExceededException",
  "ProvisionedThroughputExceeded",
  "RequestLimitExceeded",
  "RequestThrottledException",
  "ThrottlingException",
  "ThrottlingError",
  "Throttling",
  "ThrottledException",
  "TooManyRequestsException",
  "LimitExceededException",
  "TransactionConflict",
  "TransactionConflictException",
  "TransactionInProgressException",
  // S3's. The second: another put under the same name was under way, and which one would count could not be told.
  "SlowDown",
  "ConditionalRequestConflict",
]);

/** About the data: a condition of DynamoDB or of S3 that does not hold, an object that is not there. */
const answers = new Set(["ConditionalCheckFailedException", "PreconditionFailed", "NoSuchKey"]);

function failureOf({ name, $metadata, CancellationReasons }: ServiceError): Failure {
  if (answers.has(name)) return "answer";
  if (name === "TransactionCanceledException") {
    const codes = (CancellationReasons ?? []).map(({ Code = "" }) => Code);
    if (codes.includes("ConditionalCheckFailed")) return "answer";
    return codes.some((code) => throttled.has(code)) ? "throttled" : "refused";
  }
  if (throttled.has(name)) return "throttled";
  if (name === "CredentialsProviderError") return "refused";
  const status = $metadata?.httpStatusCode ?? 0;
  return status >= 400 && status < 500 && status !== 408 ? "refused" : "unknown";
}

/** The service's own words stay in `cause`, for the log: they name accounts and tables, which an answer must not. */
function translated(service: string, cause: Error, failure: Failure, doubtful: boolean): AppError {
  const outcome = doubtful ? "unknown" : "not-applied";
  return failure === "refused"
    ? new AppError("internal", `${service} refuses a request of tooltrail's: ${cause.name}.`, { cause, outcome })
    : new AppError("unavailable", `${service} could not be reached, ${maxAttempts} times: ${cause.name}.`, {
        cause,
        outcome,
      });
}
