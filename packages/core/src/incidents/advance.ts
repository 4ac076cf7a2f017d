import type { Projections } from "../follow/ports.ts";
import { runCommand } from "./command.ts";
import { dueCheck } from "./decide.ts";
import { measure } from "./measure.ts";
import { listDue } from "./store.ts";

const incidentsPerLook = 200;
/** While the pipeline was away emitters have kept what happened, and bring it when it is there again: until then a window looks emptier, or better, than it was. */
const arrivalMs = 120_000;

/**
 * Gives each incident whose time has come what the clock has to say, and measures the gates whose window is over. A timer is a part of its incident, so one that is no more meant is not there any more.
 *
 * @param startedAtMs when the pipeline began to take what emitters send; 0 where it never stops. @param hasTime asked before each.
 * @returns how many incidents were due.
 * @throws what a port throws, after all of them had their turn.
 */
export async function advance(
  projections: Projections,
  { nowMs, startedAtMs }: { readonly nowMs: number; readonly startedAtMs: number },
  hasTime: () => boolean,
): Promise<number> {
  const due = await listDue(projections, nowMs, incidentsPerLook);
  const failed: unknown[] = [];
  for (const id of due) {
    if (!hasTime()) break;
    try {
      const incident = await runCommand(projections, { incident: id, command: { type: "tick" }, nowMs });
      const window = nowMs - startedAtMs < arrivalMs ? undefined : dueCheck(incident, nowMs);
      if (window === undefined) continue;
      const { result, measured } = await measure(projections, incident, window, nowMs);
      await runCommand(projections, { incident: id, command: { type: "check", ...window, result, measured }, nowMs });
    } catch (error) {
      failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
  return due.length;
}
