import type { CallRecord } from "@tooltrail/format";
import { isFailure, isRefusal } from "./blame.ts";

/** What has failed of late at a server: when, by who asked what; and who was refused, whatever was asked. */
export type FailedRow = { readonly failedAt: { readonly [call: string]: number } };

/** A caller that asks the same again within it, after a failure, tries again. */
const withinMs = 60_000;
/** A storm is of few callers that repeat themselves; of more of them, those are remembered that failed last. */
const maxRemembered = 64;

export interface Looked {
  /** The call is another try of one that failed. */
  readonly retry: boolean;
  /** Its caller has been refused (401, 403) within the last minute: once more says nothing new. */
  readonly refusedAgain: boolean;
  /** As it shall be; the same where it need not change. */
  readonly row: FailedRow | undefined;
}

/**
 * What came before a call. A client says nothing of trying again: it calls again, with the same arguments, whose digests are equal. A producer of plain events sends no digests, but may number its
 * attempts.
 */
export function lookBack(row: FailedRow | undefined, call: CallRecord): Looked {
  const { principal, tool, args, outcome, attempt, at } = call;
  const caller = principal.ref.slice(2, 14);
  const isLate = (name: string): boolean => {
    const failedAt = row?.failedAt[name];
    return failedAt !== undefined && Math.abs(at - failedAt) <= withinMs;
  };
  const refused = isRefusal(outcome);
  const refusedAgain = refused && isLate(caller);
  const seen = refused && !refusedAgain ? { failedAt: remembered(row, caller, at) } : row;
  // What has a digest was tracked by us, and there a further attempt is a round of input: no retry, since nothing has failed.
  if (args === undefined) return { retry: attempt > 1, refusedAgain, row: seen };
  const asked = `${caller}.${args.digest.slice(-16)}.${tool}`;
  const retry = isLate(asked);
  if (isFailure(outcome)) return { retry, refusedAgain, row: { failedAt: remembered(seen, asked, at) } };
  if (seen?.failedAt[asked] === undefined || outcome.class === "input_required")
    return { retry, refusedAgain, row: seen };
  const { [asked]: _, ...others } = seen.failedAt;
  return { retry, refusedAgain, row: Object.keys(others).length === 0 ? undefined : { failedAt: others } };
}

function remembered(row: FailedRow | undefined, name: string, at: number): FailedRow["failedAt"] {
  const all = { ...row?.failedAt, [name]: at };
  const names = Object.keys(all);
  if (names.length <= maxRemembered) return all;
  const oldest = names.reduce((a, b) => ((all[b] ?? 0) < (all[a] ?? 0) ? b : a));
  const { [oldest]: _, ...others } = all;
  return others;
}
