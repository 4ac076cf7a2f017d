import { arrivalSeries, counters } from "../follow/counters.ts";
import type { Projections, RowKey } from "../follow/ports.ts";
import type { BatchIndex } from "../log/ports.ts";
import { ownServer } from "../own-server.ts";
import type { Ledger, Quarantine } from "../ports.ts";
import { type Cell, countOf } from "./cell.ts";
import { readSelection } from "./counting.ts";
import { openMemory } from "./memory.ts";
import { type measured, ownFigures } from "./read-spans.ts";
import { addTo, rowKeysAt, type Series, type SpanRow } from "./series.ts";
import { cellIn } from "./spans.ts";
import { levels, minuteMs, minuteOf } from "./time.ts";

export interface MeasurePorts {
  readonly projections: Projections;
  readonly ledger: Pick<Ledger, "newestFirst">;
  readonly index: Pick<BatchIndex, "firstLeaves">;
  readonly quarantine: Pick<Quarantine, "count">;
}

/** What was measured last; and where counters were behind the log, when that was, in milliseconds, and how many leaves there were: until all of those are counted, they are behind since then. */
type Last = { readonly minute: number; readonly behind?: { readonly sinceMs: number; readonly size: number } };
const lastKey: RowKey = { collection: "measured", id: "last" };

/** What is in the ledger is in the log by then, and what is in the log is counted. */
const promisedMs = 60_000;
/** So long after a minute what arrived in it has been counted, on any good day. */
const settledMinutes = 2;
/** Of a pause, so many minutes are looked at again. */
const maxMinutes = 60;

const own = (tool: (typeof measured)[number]): Series => ({ environment: "", server: ownServer, tool });

/**
 * Measures tooltrail itself, once a minute: whether the ledger is in the log, and the log in the counters, and how much of what arrived went into quarantine. The figures lie in rows as those that are counted
 * from the log, and SLOs are computed from them in the same way.
 *
 * @param size how many leaves are signed; undefined where nothing is.
 * @returns since when the counters have been behind the log, in milliseconds; undefined where they are not.
 * @throws AppError unavailable where another one was faster; what a port throws.
 */
export async function measure(
  ports: MeasurePorts,
  size: number | undefined,
  nowMs: number,
): Promise<number | undefined> {
  const { projections } = ports;
  const minute = minuteOf(nowMs);
  const memory = await openMemory(projections, ownFigures);
  const [row] = await projections.read(ownFigures.name, ownFigures.generation, [lastKey]);
  const last = row?.value as Last | undefined;
  const cursor = await projections.cursor(counters.name);
  const behind = behindNow(last, cursor?.current.leaf ?? 0, size ?? 0, nowMs);
  if (last === undefined || last.minute < minute) {
    const added: { readonly series: Series; readonly minute: number; readonly cell: Cell }[] = [];
    const late = await isLedgerLate(ports, size, nowMs);
    if (late !== undefined) added.push({ series: own("ledger-to-log"), minute, cell: looked(late) });
    const isBehind = behind !== undefined && nowMs - behind.sinceMs >= promisedMs;
    if (size !== undefined) added.push({ series: own("log-to-counters"), minute, cell: looked(isBehind) });
    const from = Math.max(last?.minute ?? minute - 1, minute - maxMinutes) + 1;
    for (let one = from; one <= minute; one += 1) {
      const cell = await arrivedIn(ports, cursor?.current.number ?? 1, one - settledMinutes);
      if (cell.valid) added.push({ series: own("quarantine"), minute: one - settledMinutes, cell });
    }
    await write(projections, memory, added);
    await memory.put(lastKey, last, { minute, ...(behind && { behind }) } satisfies Last);
  } else await memory.put(lastKey, last, { minute: last.minute, ...(behind && { behind }) } satisfies Last);
  await memory.flush();
  return behind?.sinceMs;
}

/** Whoever is always a moment behind has counted by now what there was at the look before. */
function behindNow(last: Last | undefined, leaf: number, size: number, nowMs: number): Last["behind"] {
  if (leaf >= size) return undefined;
  return last?.behind !== undefined && leaf < last.behind.size ? last.behind : { sinceMs: nowMs, size };
}

const looked = (bad: boolean): Cell => ({ valid: 1, ...(bad && { failed: 1 }) });

/** Whether a batch that has been in the ledger for a while is not under a checkpoint. @returns undefined where there is none to tell by. */
async function isLedgerLate(
  { ledger, index }: MeasurePorts,
  size: number | undefined,
  nowMs: number,
): Promise<boolean | undefined> {
  const from = { lastAt: nowMs - 2 * promisedMs, emitter: "~", seq: Number.MAX_SAFE_INTEGER };
  const [batch] = await ledger.newestFirst({ from, limit: 1 });
  const waitedMs = batch === undefined ? 0 : nowMs - batch.receivedAtMs;
  // One that came late has not waited yet; and what is old was looked at before.
  if (batch === undefined || waitedMs < promisedMs || waitedMs > maxMinutes * minuteMs) return undefined;
  const { emitter, seq, count } = batch.headers;
  const [first] = await index.firstLeaves([{ emitter, seq }]);
  return first === undefined || first + count > (size ?? 0);
}

/** What arrived in a minute: batches, and what could not become one. */
async function arrivedIn({ projections, quarantine }: MeasurePorts, generation: number, minute: number): Promise<Cell> {
  const span = { from: minute, to: minute + 1 };
  const selection = { series: [arrivalSeries] };
  const rows = await readSelection(projections, generation, selection, [span]);
  const batches = countOf({ sli: "availability" }, cellIn(rows, selection, span)).total;
  const failed = await quarantine.count({ sinceMs: minute * minuteMs, untilMs: (minute + 1) * minuteMs });
  return { valid: batches + failed, ...(failed > 0 && { failed }) };
}

async function write(
  projections: Projections,
  memory: Awaited<ReturnType<typeof openMemory>>,
  added: readonly { readonly series: Series; readonly minute: number; readonly cell: Cell }[],
): Promise<void> {
  const touched = added.flatMap(({ series, minute, cell }) =>
    rowKeysAt(series, minute).map((key, i) => ({ key, level: levels[i] ?? levels[0], minute, cell })),
  );
  const textOf = ({ collection, id }: RowKey): string => `${collection}\n${id}`;
  const keys = new Map(touched.map(({ key }) => [textOf(key), key]));
  const found = await projections.read(ownFigures.name, ownFigures.generation, [...keys.values()]);
  const before = new Map([...keys.keys()].map((text, i) => [text, found[i]?.value as SpanRow | undefined]));
  const now = new Map(before);
  for (const { key, level, minute, cell } of touched)
    now.set(textOf(key), addTo(now.get(textOf(key)), level, minute, "", cell));
  for (const [text, key] of keys) await memory.put(key, before.get(text), now.get(text));
}
