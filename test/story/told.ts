import type { Listeners } from "./listeners.ts";

/** What each destination knows in the end. */
export interface Told {
  readonly pager: readonly Page[];
  readonly managers: readonly Page[];
  readonly chat: readonly string[];
  /** Types of events, by the key under which each was taken. */
  readonly timeline: ReadonlyMap<string, string>;
  readonly executor: ReadonlyMap<string, string>;
  readonly issues: readonly { readonly title: string; readonly body: string }[];
}

export interface Page {
  readonly dedupKey: string;
  readonly state: string;
  readonly actions: readonly string[];
}

export function toldBy({ pager, manager, chat, timeline, executor, issues }: Listeners): Told {
  const byKey = ({ deliveries }: Listeners["timeline"]): Map<string, string> =>
    new Map(deliveries().map(({ id, type }) => [id, type]));
  return {
    pager: pager.incidents(),
    managers: manager.incidents(),
    chat: chat.messages(),
    timeline: byKey(timeline),
    executor: byKey(executor),
    issues: issues.issues(),
  };
}
