import { fits } from "./selection.ts";
import type { Slo } from "./slo.ts";

/** A time in which alerts of some servers do not open. `until` is not part of it; times in milliseconds. `by`: a pseudonym. */
export type Maintenance = {
  readonly id: string;
  readonly from: number;
  readonly until: number;
  readonly environment?: string;
  readonly server?: string;
  readonly tool?: string;
  readonly reason: string;
  readonly by: string;
};

/**
 * Whether an SLO is under maintenance. What a window names, an SLO must be about: one that is about more than that is not, since the rest is to alert.
 */
export const isUnderMaintenance = (
  { indicator: { selector } }: Slo,
  windows: readonly Maintenance[],
  nowMs: number,
): boolean =>
  windows.some(
    (window) =>
      window.from <= nowMs &&
      nowMs < window.until &&
      (["environment", "server", "tool"] as const).every((name) => {
        const [wanted, about] = [window[name], selector[name]];
        return wanted === undefined || (about !== undefined && fits(wanted, about));
      }),
  );
