import type { PipelineEvent } from "@tooltrail/format";
import type { Events, Ledger } from "../ports.ts";
import { continuity, type EmitterRow, emitters, gapsOf, isQuiet, missesAny, watched } from "./continuity.ts";
import { type Cursor, maxRowsPerCommit, type Projections, type Row, type RowKey } from "./ports.ts";
import { type Range, without } from "./ranges.ts";

export interface SweepPorts {
  readonly projections: Projections;
  readonly events: Events;
  readonly ledger: Pick<Ledger, "read">;
}

/** How many gaps are open, how many emitters have fallen silent since the last sweep, and how many events this one has said. */
export interface Swept {
  readonly gaps: number;
  readonly silent: number;
  readonly said: number;
}

/** What has been said is kept apart from the rows of the log: those can be made anew, and nothing is said twice for it. */
const saidName = "continuity-said";
/** Collections, by emitter: its gaps that were said to be open, and the last arrival (`atMs`) before the silence that was said. */
const openGaps = "gaps";
const silences = "silence";
type OpenGaps = { readonly gaps: readonly Range[] };
type Silence = { readonly atMs: number };
type Change = RowKey & { readonly value: Row["value"] | undefined };

/** What is marked of them is one commit: two rows each. */
const emittersPerStep = Math.floor(maxRowsPerCommit / 2);

/**
 * Says what follows from time passing without leaves: gaps that open or close, and emitters that are silent. Each at least once: said first, marked after.
 *
 * Nothing is said of what the ledger has and the log does not have yet: then the log is behind, and no emitter is at fault.
 *
 * It looks at the watched, and at those with gaps that were said to be open. Of whom silence has been said, and who misses nothing, is watched no more until its next
 * leaf: a sweep costs nothing for the dead.
 */
export async function sweep({ projections, events, ledger }: SweepPorts, nowMs: number): Promise<Swept> {
  let swept: Swept = { gaps: 0, silent: 0, said: 0 };
  const generation = (await projections.cursor(continuity.name))?.current.number;
  if (generation === undefined) return swept;
  const marked = await allIds(projections, continuity.name, generation, watched);
  const ids = [...new Set([...marked, ...(await allIds(projections, saidName, 1, openGaps))])];

  for (let from = 0; from < ids.length; from += emittersPerStep) {
    const step = ids.slice(from, from + emittersPerStep);
    // Both cursors before the rows: what anybody changes after this makes the commits below fail.
    const cursor = await projections.cursor(continuity.name);
    const saidCursor = await projections.cursor(saidName);
    if (cursor === undefined) break;
    const looked = await look(projections, cursor.current.number, step);
    const marks: Change[] = [];
    const settled: Change[] = [];
    for (const { row, told } of looked) {
      const due = await dueOf(ledger, row, told, nowMs);
      for (const event of due.events) await events.publish(event);
      const fellSilent = due.silence !== undefined && due.silence !== told.silence;
      swept = {
        gaps: swept.gaps + due.gaps.length,
        silent: swept.silent + (fellSilent ? 1 : 0),
        said: swept.said + due.events.length,
      };
      if (JSON.stringify(due.gaps) !== JSON.stringify(told.gaps))
        marks.push({ ...keyOf(openGaps, row), value: due.gaps.length === 0 ? undefined : { gaps: due.gaps } });
      if (due.silence !== told.silence)
        marks.push({ ...keyOf(silences, row), value: due.silence === undefined ? undefined : { atMs: due.silence } });
      if (due.silence !== undefined && !missesAny(row)) settled.push({ ...keyOf(watched, row), value: undefined });
    }
    // Lost to another sweep: what both have said is marked by it, and what is not will be said again.
    if (marks.length > 0 && !(await mark(projections, saidCursor, marks))) continue;
    // Lost to a follower: one of them may have been heard of, and the next sweep looks again.
    if (settled.length > 0) await unwatch(projections, cursor, settled);
  }
  return swept;
}

const keyOf = (collection: string, { emitter: id }: Pick<EmitterRow, "emitter">): RowKey => ({ collection, id });

/** What has been said of an emitter and is not taken back. `silence` is the last arrival that nothing came after. */
interface Told {
  readonly gaps: readonly Range[];
  readonly silence: number | undefined;
}

async function look(
  projections: Projections,
  generation: number,
  step: readonly string[],
): Promise<{ readonly row: EmitterRow; readonly told: Told }[]> {
  const keysIn = (collection: string): RowKey[] => step.map((emitter) => keyOf(collection, { emitter }));
  const rows = await projections.read(continuity.name, generation, keysIn(emitters));
  const said = await projections.read(saidName, 1, [...keysIn(openGaps), ...keysIn(silences)]);
  return rows.flatMap((found, i) => {
    // A row that is not there is one of a generation that was dropped just now: the next sweep looks at the new one.
    if (found === undefined) return [];
    const gaps = (said[i]?.value as OpenGaps | undefined)?.gaps ?? [];
    const silence = (said[step.length + i]?.value as Silence | undefined)?.atMs;
    return [{ row: found.value as EmitterRow, told: { gaps, silence } }];
  });
}

function mark(projections: Projections, from: Cursor | undefined, rows: readonly Change[]): Promise<boolean> {
  const to: Cursor = { current: { number: 1, version: 1, leaf: (from?.current.leaf ?? 0) + 1 } };
  return projections.commit(saidName, { from, to, generation: 1, rows });
}

function unwatch(projections: Projections, from: Cursor, rows: readonly Change[]): Promise<boolean> {
  const to: Cursor = { ...from, edits: (from.edits ?? 0) + 1 };
  return projections.commit(continuity.name, { from, to, generation: from.current.number, rows });
}

async function dueOf(
  ledger: Pick<Ledger, "read">,
  row: EmitterRow,
  told: Told,
  nowMs: number,
): Promise<Told & { readonly events: PipelineEvent[] }> {
  const { emitter, server, lastReceivedAt, next } = row;
  const events: PipelineEvent[] = [];
  // What a row has no room to list is not known to have come.
  const stillMissing = [...row.missing, ...(row.unlisted ? [row.unlisted] : [])];
  const closed = without(told.gaps, stillMissing);
  const opened: Range[] = [];
  for (const { from, to } of without(gapsOf(row, nowMs), told.gaps))
    if ((await ledger.read(emitter, from)) === undefined) opened.push({ from, to });
  for (const { from, to } of closed) events.push({ type: "emitter.gap", state: "closed", emitter, server, from, to });
  for (const { from, to } of opened) events.push({ type: "emitter.gap", state: "open", emitter, server, from, to });
  const gaps = [...without(told.gaps, closed), ...opened].sort((a, b) => a.from - b.from);
  if (!row.announced || !isQuiet(row, nowMs)) return { events, gaps, silence: undefined };
  if (told.silence !== lastReceivedAt) {
    if ((await ledger.read(emitter, next)) !== undefined) return { events, gaps, silence: undefined };
    events.push({ type: "emitter.silent", emitter, server, lastSeq: next - 1, lastReceivedAt });
  }
  return { events, gaps, silence: lastReceivedAt };
}

const idsPerRead = 500;

async function allIds(
  projections: Projections,
  name: string,
  generation: number,
  collection: string,
): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const after = ids.at(-1);
    const rows = await projections.list(name, generation, {
      collection,
      limit: idsPerRead,
      ...(after !== undefined && { after }),
    });
    ids.push(...rows.map(({ id }) => id));
    if (rows.length < idsPerRead) return ids;
  }
}
