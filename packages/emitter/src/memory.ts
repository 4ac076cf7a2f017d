import type { Annotations, CallRecord, Client, Outcome, PrincipalName, ServerRef } from "@tooltrail/format";
import type { BegunCall } from "./journal.ts";

/**
 * What the trackers of one emitter know together. A stateless server's sessions are one request long: its tools were listed in another one,
 * and a call's next round of input comes in another one.
 */
export interface Memory {
  readonly definitions: Map<string, Definition>;
  readonly published: Set<string>;
  /** Logical calls that wait for the client's next round, by what that round repeats. */
  readonly waiting: Map<string, Waiting>;
  server: ServerRef | undefined;
  /** The newest time given to a record. */
  lastAt: number;
}

export const createMemory = (): Memory => ({
  definitions: new Map(),
  published: new Set(),
  waiting: new Map(),
  server: undefined,
  lastAt: 0,
});

/**
 * What the two ends of a session have said of themselves. It outlives a tracker: a session that goes on after its emitter was stopped has another one, and
 * introduces itself once.
 */
export interface Introductions {
  client: Client | undefined;
  protocol: string | undefined;
  server: unknown;
  /** As served to this session; others may be served others. */
  readonly definitions: Map<string, Definition>;
}

export const createIntroductions = (): Introductions => ({
  client: undefined,
  protocol: undefined,
  server: undefined,
  definitions: new Map(),
});

export interface OpenCall {
  readonly begun: BegunCall;
  readonly name?: PrincipalName;
  readonly beganUs: number;
}

export interface Waiting extends OpenCall {
  /** The session that asked, while it lasts. */
  readonly session: symbol;
  /** When it ended, where another may bring the next round. */
  readonly leftAt?: number;
}

export interface Definition {
  readonly digest: string;
  readonly inputSchema: unknown;
  readonly annotations?: Annotations;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Microseconds from anywhere, never going back. */
  elapsedUs(): number;
}

/** What works on a memory from outside of any session. */
export interface Keeper {
  readonly sink: { end(record: CallRecord, name?: PrincipalName): boolean };
  readonly memory: Memory;
  readonly clock: Clock;
}

/** Ends all that waits for another round. */
export function endRounds(keeper: Keeper): void {
  for (const [round, call] of keeper.memory.waiting) abandon(keeper, round, call);
}

/** The client never came back with what the server asked for: the logical call ends here, once. */
export function abandon(keeper: Keeper, round: string, { begun, name }: OpenCall): void {
  keeper.memory.waiting.delete(round);
  const outcome: Outcome = { class: "cancelled", reason: "not_resumed" };
  keeper.sink.end({ ...begun, at: timeOf(keeper), final: true, outcome }, name);
}

/** Times within one emitter never go back, whatever the wall clock does. */
export function timeOf({ memory, clock }: Keeper): number {
  memory.lastAt = Math.max(memory.lastAt, clock.now());
  return memory.lastAt;
}
