import type { Projections } from "../follow/ports.ts";
import { rowId } from "../follow/row-id.ts";
import type { Events } from "../ports.ts";
import { unguidedVersions } from "../response/unguided.ts";
import { listKept } from "../slo/memory.ts";
import type { Answered } from "./command.ts";
import { type CauseRow, collections, type Dead, incidentsKept, transact } from "./store.ts";

/** Longer than any alert's window: what fired before an end may cease after it. */
const causeKeptMs = 7 * 86_400_000;
const answerKeptMs = 86_400_000;
/** What could not be told in a month is of no use to anybody. */
const deadKeptMs = 30 * 86_400_000;
const rowsPerSweep = 50;

/** Takes away what nobody will ask for any more, and says of versions that are new whether anybody has written how to go back from them. */
export async function sweepIncidents(
  { projections, events }: { readonly projections: Projections; readonly events: Events },
  nowMs: number,
): Promise<void> {
  const isOld = (at: number | undefined, keptMs: number): boolean => at !== undefined && nowMs - at > keptMs;
  const causes = (await listKept(projections, incidentsKept, collections.causes)).filter(({ value }) =>
    isOld((value as CauseRow).endedAt, causeKeptMs),
  );
  const answers = (await listKept(projections, incidentsKept, collections.answered)).filter(({ value }) =>
    isOld((value as Answered).at, answerKeptMs),
  );
  const dead = (await listKept(projections, incidentsKept, collections.dead)).filter(({ value }) =>
    isOld((value as Dead).at, deadKeptMs),
  );
  await transact(projections, async ({ read, put }) => {
    for (const { collection, id, value } of [...causes, ...answers, ...dead].slice(0, rowsPerSweep))
      if (JSON.stringify(await read(collection, id)) === JSON.stringify(value)) put(collection, id, undefined);
  });
  await sayUnguided(projections, events, nowMs);
}

/** Said when a version is first seen, not in the night in which it has to go; once, and again where a runbook that was there is gone, or where nobody had called it for a month. */
async function sayUnguided(projections: Projections, events: Events, nowMs: number): Promise<void> {
  const { missing } = await unguidedVersions(projections, nowMs);
  const unguided = missing.map(({ environment, server, version }) => ({ environment, server, version }));
  const known = new Set((await listKept(projections, incidentsKept, collections.unguided)).map(({ id }) => id));
  const idOf = ({ environment, server, version }: (typeof unguided)[number]): string =>
    rowId(environment, server, version);
  const fresh = unguided.filter((one) => !known.has(idOf(one))).slice(0, rowsPerSweep);
  const gone = [...known]
    .filter((id) => !unguided.some((one) => idOf(one) === id))
    .slice(0, rowsPerSweep - fresh.length);
  for (const one of fresh) await events.publish({ type: "runbook.missing", ...one });
  await transact(projections, async ({ put }) => {
    for (const one of fresh) put(collections.unguided, idOf(one), one);
    for (const id of gone) put(collections.unguided, id, undefined);
  });
}
