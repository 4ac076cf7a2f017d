import { advance } from "./advance.ts";
import { type Delivered, deliver, type OutboxPorts } from "./outbox.ts";
import { sweepIncidents } from "./sweep.ts";

export interface RespondPorts extends OutboxPorts {
  /** When the pipeline began to take what emitters send, in milliseconds; 0 where it never stops. */
  readonly startedAtMs: number;
}

/** `due`: incidents whose time had come. */
export interface Responded extends Omit<Delivered, "more"> {
  readonly due: number;
}

const nothing: Delivered = { done: 0, failed: 0, givenUp: 0, more: false };

/**
 * One look at all incidents: what the clock has to say, and whatever is to be told or done because of what befell them, by turns while there is more; then what is not needed any more. Each has its turn, whatever becomes of the others.
 *
 * @param hasTime asked before each step; what is left is for the next look. @param sweeps whether this look does the last part, too: once a minute is enough.
 * @throws what a port throws, at the end.
 */
export async function respond(ports: RespondPorts, hasTime: () => boolean, sweeps: boolean): Promise<Responded> {
  const failed: unknown[] = [];
  const attempt = async <T>(run: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      failed.push(error);
      return otherwise;
    }
  };
  const sums = { due: 0, done: 0, failed: 0, givenUp: 0 };
  for (let more = true; more; ) {
    sums.due += await attempt(
      () => advance(ports.projections, { nowMs: ports.now(), startedAtMs: ports.startedAtMs }, hasTime),
      0,
    );
    const delivered = await attempt(() => deliver(ports, hasTime), nothing);
    for (const name of ["done", "failed", "givenUp"] as const) sums[name] += delivered[name];
    more = delivered.more && hasTime();
  }
  if (sweeps) await attempt(() => sweepIncidents(ports, ports.now()), undefined);
  if (failed.length > 0) throw failed[0];
  return sums;
}
