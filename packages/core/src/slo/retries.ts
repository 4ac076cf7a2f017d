import type { CallRecord } from "@tooltrail/format";
import { isFailure } from "./blame.ts";

/** What has failed of late at a server: when, by who asked what. */
export type FailedRow = { readonly failedAt: { readonly [call: string]: number } };

/** A caller that asks the same again within it, after a failure, tries again. */
const withinMs = 60_000;
/** A storm is of few callers that repeat themselves; of more of them, those are remembered that failed last. */
const maxRemembered = 64;

/**
 * Whether a call is another try of one that failed. A client says nothing of it: it calls again, with the same arguments, whose digests are equal.
 * A producer of plain events sends no digests, but may number its attempts.
 *
 * @returns the row as it shall be, the same where it need not change.
 */
export function lookForRetry(
  row: FailedRow | undefined,
  { principal, tool, args, outcome, attempt, at }: CallRecord,
): { readonly retry: boolean; readonly row: FailedRow | undefined } {
  // What has a digest was tracked by us, and there a further attempt is a round of input: no retry, since nothing has failed.
  if (args === undefined) return { retry: attempt > 1, row };
  const call = `${principal.ref.slice(2, 14)}.${args.digest.slice(-16)}.${tool}`;
  const failedAt = row?.failedAt[call];
  const retry = failedAt !== undefined && Math.abs(at - failedAt) <= withinMs;
  if (isFailure(outcome)) return { retry, row: { failedAt: remembered(row, call, at) } };
  if (failedAt === undefined || outcome.class === "input_required") return { retry, row };
  const { [call]: _, ...others } = row?.failedAt ?? {};
  return { retry, row: Object.keys(others).length === 0 ? undefined : { failedAt: others } };
}

function remembered(row: FailedRow | undefined, call: string, at: number): FailedRow["failedAt"] {
  const all = { ...row?.failedAt, [call]: at };
  const names = Object.keys(all);
  if (names.length <= maxRemembered) return all;
  const oldest = names.reduce((a, b) => ((all[b] ?? 0) < (all[a] ?? 0) ? b : a));
  const { [oldest]: _, ...others } = all;
  return others;
}
