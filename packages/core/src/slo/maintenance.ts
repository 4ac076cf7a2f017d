import { fits } from "./selection.ts";
import type { Selector } from "./slo.ts";

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
 * The window that something is under maintenance by. What a window names, it must be about: what is about more than that is not under maintenance, since the rest is to alert.
 *
 * @returns undefined where there is none; of several, the one that lasts longest.
 */
export const windowOf = (
  { indicator: { selector } }: { readonly indicator: { readonly selector: Selector } },
  windows: readonly Maintenance[],
  nowMs: number,
): Maintenance | undefined =>
  windows
    .filter(({ from, until }) => from <= nowMs && nowMs < until)
    .filter((window) =>
      (["environment", "server", "tool"] as const).every((name) => {
        const [wanted, about] = [window[name], selector[name]];
        return wanted === undefined || (about !== undefined && fits(wanted, about));
      }),
    )
    .reduce<Maintenance | undefined>((a, b) => (a !== undefined && a.until >= b.until ? a : b), undefined);
