/**
 * What the world outside saw and did, kept in this process, which is never killed: the audit holds the ledger against it.
 */
export interface Book {
  /** Calls by their number, which is in their arguments, so no two have the same arguments. */
  readonly calls: Map<number, Call>;
  /** Plain events by their number, which is their `requestId`. */
  readonly events: Map<number, PlainEventSent>;
  /** What a process said or did that it should not have, and how often. */
  readonly troubles: Map<string, number>;
  /** The pids of proxies that said that they record nothing. */
  readonly deaf: Set<number>;
  trouble(what: string): void;
}

export type Tool = "look" | "wipe";

export interface Arguments {
  readonly n: number;
  readonly delayMs: number;
  readonly fails: boolean;
}

export interface Call {
  readonly tool: Tool;
  readonly arguments: Arguments;
  /** The pid of the proxy that it went to. */
  readonly proxy: number;
  answered: boolean;
}

export interface PlainEventSent {
  readonly n: number;
  readonly id?: string;
  /** The same text whenever it is sent. */
  readonly detail: string;
  attempts: number;
  acknowledged: number;
}

export function openBook(): Book {
  const troubles = new Map<string, number>();
  return {
    calls: new Map(),
    events: new Map(),
    troubles,
    deaf: new Set(),
    trouble: (what) => void troubles.set(what, (troubles.get(what) ?? 0) + 1),
  };
}
