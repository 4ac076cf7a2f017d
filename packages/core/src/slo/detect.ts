import { bodyLines, type PipelineEvent, parseRecordId, upcast } from "@tooltrail/format";
import { counters, type DefinitionChange, type DefinitionChanges, definitionChanges } from "../follow/counters.ts";
import type { Projections, RowKey } from "../follow/ports.ts";
import type { Events, Ledger } from "../ports.ts";
import { type Cell, countOf } from "./cell.ts";
import { readSelection } from "./counting.ts";
import { readMaintenances } from "./definitions.ts";
import { detectors } from "./detectors/all.ts";
import { incompatibilities } from "./detectors/definition-diff.ts";
import { type About, type DetectorState, type Finding, recentMinutes } from "./detectors/detector.ts";
import { aboutSchemaBreakage, schemaBreakage } from "./detectors/schema-breakage.ts";
import { windowOf } from "./maintenance.ts";
import { alertsKept, listKept, openMemory } from "./memory.ts";
import type { Selection } from "./selection.ts";
import { idOf, type ListedSeries, type Series } from "./series.ts";
import type { Count } from "./slo.ts";
import type { Known } from "./slos.ts";
import { cellIn, lastMinutes, type Span } from "./spans.ts";
import { minuteOf, minutesPerDay, minutesPerHour } from "./time.ts";

export interface DetectPorts {
  readonly projections: Projections;
  readonly events: Events;
  readonly ledger: Pick<Ledger, "read">;
}

/** Whose calls a finding is about. */
type Place = Series & { readonly version?: string };

/** What is remembered of a server, by detector. */
type ServerState = { readonly detectors: { readonly [name: string]: DetectorState } };
const serverStates = "detectors";

/** The version of a server whose payloads were said not to fit, and the last minute in which they did not. */
type BrokenState = { readonly version: string; readonly minute: number };
const brokenVersions = "broken";

interface Broken {
  readonly version: string;
  readonly finding: Finding;
}

/** The last change of a definition that was looked at, by its new record. */
type Looked = { readonly record: string };
const lookedKey: RowKey = { collection: "definitions", id: "looked" };

const serversPerStep = 100;
const baselineDays = 7;

/**
 * Runs every detector on every server that gives a reason to, up to the last complete minute, and says what it finds: `detector.fired`, once an episode; what begins under maintenance is not said at all. Said
 * first, remembered after.
 *
 * @returns how many events were said.
 * @throws AppError unavailable where another evaluation was faster; what a port throws.
 */
export async function detect(
  { projections, events, ledger }: DetectPorts,
  known: Known,
  nowMs: number,
): Promise<number> {
  const minute = minuteOf(nowMs) - 1;
  const memory = await openMemory(projections, alertsKept);
  const remembered = new Map(
    (await listKept(projections, alertsKept, serverStates)).map(({ id, value }) => [id, value as ServerState]),
  );
  const windows = await readMaintenances(projections);
  let said = 0;
  const say = async (series: Place, about: About, finding: Finding): Promise<void> => {
    // What nobody allowed is no part of any maintenance.
    const isQuiet = windowOf({ indicator: { selector: series } }, windows, nowMs) !== undefined;
    if (isQuiet && about.name !== "policy_drift") return;
    await events.publish(eventOf(series, about, finding, nowMs));
    said += 1;
  };

  /** A version that does not fit is said again after a day in which it did, or nobody called it. */
  const sayBroken = async (server: Series, broken: Broken | undefined): Promise<void> => {
    if (broken === undefined) return;
    const key = { collection: brokenVersions, id: idOf(server) };
    const [row] = await projections.read(alertsKept.name, alertsKept.generation, [key]);
    const before = row?.value as BrokenState | undefined;
    if (before?.version !== broken.version || minute - before.minute > minutesPerDay)
      await say({ ...server, version: broken.version }, aboutSchemaBreakage, broken.finding);
    await memory.put(key, before, { version: broken.version, minute } satisfies BrokenState);
  };

  const servers = await known.catalogue.servers();
  for (let from = 0; from < servers.length; from += serversPerStep) {
    const some = servers.slice(from, from + serversPerStep);
    const recent = lastMinutes(minute, recentMinutes);
    const lately = await readSelection(projections, known.generation, { series: some }, [recent]);
    for (const listed of some) {
      const server: Series = { environment: listed.environment, server: listed.server };
      const only: Selection = { series: [listed] };
      const before = remembered.get(idOf(server));
      const ten = cellIn(lately, only, recent);
      if (before === undefined && !isOfInterest(ten)) continue;
      const cells = Array.from({ length: recentMinutes }, (_, i) =>
        cellIn(lately, only, { from: recent.from + i, to: recent.from + i + 1 }),
      );
      const baseline = await baselineOf(projections, known.generation, listed, minute);
      const states: { [name: string]: DetectorState } = {};
      for (const detector of detectors) {
        const { state, finding } = detector.step(before?.detectors[detector.name], { minute, recent: cells, baseline });
        if (state) states[detector.name] = state;
        if (finding) await say(server, detector, finding);
      }
      await memory.put(
        { collection: serverStates, id: idOf(server) },
        before,
        Object.keys(states).length > 0 ? { detectors: states } : undefined,
      );
      if (ten.misfits) await sayBroken(server, await brokenVersion(projections, known.generation, listed, minute));
    }
  }
  const changes = await newChanges(projections, known.generation);
  for (const change of changes) {
    const finding = await incompatibleChange(ledger, change);
    const { environment, server, tool } = change;
    if (finding) await say({ environment, server, tool }, aboutSchemaBreakage, finding);
  }
  const last = changes.at(-1);
  if (last) await memory.put(lookedKey, undefined, { record: last.record } satisfies Looked);
  await memory.flush();
  return said;
}

/** What any detector goes by. */
const isOfInterest = ({ refused, retries, rejected, drifted, scores, misfits }: Cell): boolean =>
  Boolean(refused || retries || rejected || drifted || scores || misfits);

/** The seven days before the last full hour. */
async function baselineOf(projections: Projections, generation: number, listed: ListedSeries, minute: number) {
  const to = Math.floor(minute / minutesPerHour) * minutesPerHour;
  const span: Span = { from: to - baselineDays * minutesPerDay, to };
  const only: Selection = { series: [listed] };
  const rows = await readSelection(projections, generation, only, [span]);
  return { cell: cellIn(rows, only, span), minutes: Math.max(0, to - Math.max(span.from, minuteOf(listed.firstAt))) };
}

/** The newest version of a server against all others, over a day. */
async function brokenVersion(
  projections: Projections,
  generation: number,
  listed: ListedSeries,
  minute: number,
): Promise<Broken | undefined> {
  const [newest, ...others] = Object.entries(listed.versions ?? {})
    .sort(([, a], [, b]) => b - a)
    .map(([version]) => version);
  if (newest === undefined || others.length === 0) return undefined;
  const day = lastMinutes(minute, minutesPerDay);
  const rows = await readSelection(projections, generation, { series: [listed] }, [day]);
  const count = (selection: Omit<Selection, "series">): Count =>
    countOf({ sli: "schema" }, cellIn(rows, { series: [listed], ...selection }, day));
  const [all, now] = [count({}), count({ version: newest })];
  const finding = schemaBreakage({ old: { total: all.total - now.total, bad: all.bad - now.bad }, new: now });
  return finding && { version: newest, finding };
}

/** Changes of definitions that came after the one that was looked at last. */
async function newChanges(projections: Projections, generation: number): Promise<readonly DefinitionChange[]> {
  const [row] = await projections.read(counters.name, generation, [definitionChanges]);
  const { changes = [] } = (row?.value as DefinitionChanges | undefined) ?? {};
  const [looked] = await projections.read(alertsKept.name, alertsKept.generation, [lookedKey]);
  const last = (looked?.value as Looked | undefined)?.record;
  return changes.slice(changes.findIndex(({ record }) => record === last) + 1);
}

/** Whether callers of the tool as it was may fail with the tool as it is. */
async function incompatibleChange(
  ledger: Pick<Ledger, "read">,
  { record, before }: DefinitionChange,
): Promise<Finding | undefined> {
  const [old, now] = [await definitionAt(ledger, before), await definitionAt(ledger, record)];
  if (old === undefined || now === undefined) return undefined;
  const breaks = incompatibilities(old, now);
  if (breaks.length === 0) return undefined;
  const more = breaks.length > 3 ? `, and ${breaks.length - 3} more` : "";
  return {
    observed: breaks.length,
    expected: 0,
    threshold: 0,
    sample: 1,
    detail: `The tool's definition has changed so that calls which were valid may fail: ${breaks.slice(0, 3).join("; ")}${more}.`,
  };
}

/** The definition that a record carries; undefined where it was too large to be carried, or is no JSON. */
async function definitionAt(ledger: Pick<Ledger, "read">, id: string): Promise<unknown> {
  const place = parseRecordId(id);
  const batch = place && (await ledger.read(place.emitter, place.seq));
  const line = batch && bodyLines(batch.body)?.[place.index];
  const record = line === undefined ? undefined : upcast(JSON.parse(line));
  if (record?.kind !== "definition" || record.text === undefined) return undefined;
  try {
    return JSON.parse(record.text);
  } catch {
    return undefined; // an emitter of somebody else's wrote it
  }
}

/** Characters of what a person is told. */
const maxDetail = 512;

const eventOf = (
  { environment, ...series }: Place,
  { name, severity }: About,
  finding: Finding,
  nowMs: number,
): PipelineEvent => ({
  type: "detector.fired",
  detector: name,
  severity,
  environment,
  ...series,
  at: nowMs,
  ...finding,
  detail: finding.detail.slice(0, maxDetail).toWellFormed(),
});
