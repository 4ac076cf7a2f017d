import { type CallRecord, type DefinitionRecord, recordId, type ServerRef } from "@tooltrail/format";
import { ownServer } from "../own-server.ts";
import { blameOf, isMisfit, isRefusal, wasAnswered } from "../slo/blame.ts";
import { bucketOf, scoreBucketOf } from "../slo/buckets.ts";
import type { Cell } from "../slo/cell.ts";
import { addFailure, type FailuresRow, failureLevels, failuresKey, spanOfFailures } from "../slo/failures.ts";
import { type FailedRow, lookBack } from "../slo/retries.ts";
import { addTo, type ListedSeries, levelsOf, listKey, rowKeysAt, type Series, type SpanRow } from "../slo/series.ts";
import { dayMs, minuteOf } from "../slo/time.ts";
import type { Projections, RowKey } from "./ports.ts";
import type { LogLeaf, Projection, RowValue } from "./projection.ts";
import { rowId } from "./row-id.ts";

/** How many calls went badly in any way, ever: where it has grown, there is something to evaluate. */
const badTotal: RowKey = { collection: "bad", id: "total" };
type BadTotal = { readonly bad: number };

/** 0 before anything was counted. */
export async function readBadTotal(projections: Pick<Projections, "cursor" | "read">): Promise<number> {
  const generation = (await projections.cursor(counters.name))?.current.number ?? 1;
  const [row] = await projections.read(counters.name, generation, [badTotal]);
  return (row?.value as BadTotal | undefined)?.bad ?? 0;
}

/** A definition of a tool that is another than the one served before. `record` and `before` are ids of the records that carry the two. */
export type DefinitionChange = {
  readonly environment: string;
  readonly server: string;
  readonly tool: string;
  readonly record: string;
  readonly before: string;
  readonly at: number;
};
/** The last changes, oldest first. */
export const definitionChanges: RowKey = { collection: "definitions", id: "changes" };
export type DefinitionChanges = { readonly changes: readonly DefinitionChange[] };
const maxChanges = 32;

/** Definitions that a tool has been served with, oldest first, and the record that carried each first. */
type DefinitionRow = { readonly known: readonly { readonly digest: string; readonly record: string }[] };
const maxKnown = 8;

/** What arrives, and how long it was on its way to the ledger, as a tool of tooltrail's own. */
export const arrivalSeries: Series = { environment: "", server: ownServer, tool: "bus-to-ledger" };
/** What comes later was not on its way: its emitter was away. */
const maxOnTheWayMs = 3_600_000;

/**
 * What happened, by minute, hour and day, of each server, version and tool: what error budgets and detectors are computed from.
 *
 * A record counts at its own time, however late it comes; a logical call once, by its final record. Rows are rings (`slo/time.ts`), so what is kept is bounded; what comes later than a
 * level keeps counts at the levels that still keep it.
 */
export const counters: Projection = {
  name: "counters",
  version: 1,
  rowsOf: (leaf) => joined(partsOf(leaf)).keys,
  fold: (rows, leaf) => joined(partsOf(leaf)).apply(rows),
};

type Rows = readonly (RowValue | undefined)[];

/** Rows that a leaf touches together, and what becomes of them, in the same order. */
interface Part {
  readonly keys: readonly RowKey[];
  apply(rows: Rows): Rows;
}

const partsOf = (leaf: LogLeaf): Part[] => [...partsOfRecord(leaf), ...partsOfArrival(leaf)];

function partsOfRecord(leaf: LogLeaf): Part[] {
  const { server, record } = leaf;
  // It has figures of its own, which nobody may add to.
  if (server.id === ownServer) return [];
  switch (record.kind) {
    case "call":
      return [callPart(leaf, record)];
    case "score": {
      const score = record.scorePermille;
      const scores = { [scoreBucketOf(score)]: 1 };
      return countingParts(seriesOf(server, record.tool), occasionOf(leaf), {
        scores,
        scoreSum: score,
        scoreSquares: score * score,
      });
    }
    case "definition":
      return [definitionPart(leaf, record)];
    case "lifecycle":
      return record.event === "lost" && record.count !== undefined
        ? countingParts(seriesOf(server, undefined), occasionOf(leaf), { lost: record.count })
        : [];
    case "intent":
    case "control":
      return [];
  }
}

/** What a call adds to its series depends on what came before it, which the row of what has failed tells. */
function callPart(leaf: LogLeaf, call: CallRecord): Part {
  const { server } = leaf;
  const cell = cellOf(call);
  const environment = server.environment ?? "";
  // A tool that does not exist is whatever a caller makes up: it gets no series of its own.
  const series = seriesOf(server, call.outcome.reason === "unknown_tool" ? undefined : call.tool);
  const others = [
    ...(cell.failed ? [failurePart(server, call)] : []),
    ...(cell.failed || cell.misfits || cell.refused || cell.drifted ? [badPart] : []),
  ];
  const failed = { collection: "failed", id: rowId(environment, server.id) };
  const counting = (added: Cell): Part => joined([...countingParts(series, occasionOf(leaf), added), ...others]);
  return {
    keys: [failed, ...counting(cell).keys],
    apply([before, ...rest]) {
      const { retry, refusedAgain, row } = lookBack(before as FailedRow | undefined, call);
      const { refused, refusedBy, ...others } = cell;
      const first = refused !== undefined && !refusedAgain ? { refused, ...(refusedBy && { refusedBy }) } : {};
      return [row, ...counting({ ...others, ...first, ...(retry && { retries: 1 }) }).apply(rest)];
    },
  };
}

function joined(parts: readonly Part[]): Part {
  return {
    keys: parts.flatMap(({ keys }) => keys),
    apply(rows) {
      let from = 0;
      return parts.flatMap(({ keys, apply }) => {
        from += keys.length;
        return apply(rows.slice(from - keys.length, from));
      });
    },
  };
}

function cellOf({ final, principal, outcome, decision, durationUs, dataAgeMs }: CallRecord): Cell {
  const blame = blameOf(outcome);
  const executed = outcome.class !== "denied";
  const drifted = executed && decision !== undefined && decision.effect !== "allow";
  const attempt = { attempts: 1, ...(blame === "server" && { rejected: 1 }), ...(drifted && { drifted: 1 }) };
  if (!final) return attempt;
  const good = outcome.class === "ok";
  return {
    ...attempt,
    ...((blame === "nobody" || blame === "server") && { valid: 1 }),
    ...(blame === "server" && { failed: 1 }),
    ...(blame === "not known" && { unknown: 1 }),
    ...(wasAnswered(outcome.class) && { answered: 1 }),
    ...(isMisfit(outcome) && { misfits: 1 }),
    ...(isRefusal(outcome) && { refused: 1, refusedBy: [principal.ref] }),
    ...(good && durationUs !== undefined && { latency: { [bucketOf(durationUs)]: 1 } }),
    ...(good && dataAgeMs !== undefined && { ages: { [bucketOf(dataAgeMs)]: 1 } }),
  };
}

/** Whose calls a record counts among: the server's, and the tool's. */
const seriesOf = ({ environment = "", id }: ServerRef, tool: string | undefined): Series[] => {
  const server = { environment, server: id };
  return tool === undefined ? [server] : [server, { ...server, tool }];
};

/** When something happened, when it came, and in which version of its server. */
interface Occasion {
  readonly version: string | undefined;
  readonly atMs: number;
  readonly arrivedMs: number;
}

const occasionOf = ({ server, record, receivedAtMs }: LogLeaf): Occasion => ({
  version: server.version,
  atMs: record.at,
  arrivedMs: receivedAtMs,
});

/** Each series is listed once, so that whoever asks for all of a scope finds it, and counts in its rows of minutes, hours and days. */
function countingParts(series: readonly Series[], { version, atMs, arrivedMs }: Occasion, added: Cell): Part[] {
  const minute = minuteOf(atMs);
  return series.map((one) => ({
    keys: [listKey(one), ...rowKeysAt(one, minute)],
    apply: ([listed, ...rows]) => [
      list(listed as ListedSeries | undefined, one, version, arrivedMs),
      ...levelsOf(one).map((level, i) => addTo(rows[i] as SpanRow | undefined, level, minute, version ?? "", added)),
    ],
  }));
}

/** Versions that are listed of a server: the last that were new. */
const maxListed = 50;

function list(row: ListedSeries | undefined, series: Series, version: string | undefined, atMs: number): ListedSeries {
  const known = row ?? { ...series, firstAt: atMs };
  if (series.tool !== undefined) return known;
  const day = Math.floor(atMs / dayMs);
  const listed = known.lastDay !== undefined && known.lastDay >= day ? known : { ...known, lastDay: day };
  const versions = listed.versions ?? {};
  if (version === undefined || Object.hasOwn(versions, version)) return listed;
  const all = Object.entries({ ...versions, [version]: atMs });
  const last = all.sort(([, a], [, b]) => a - b).slice(-maxListed);
  return { ...listed, versions: Object.fromEntries(last) };
}

/** Who fails: at the server, and at the tool. */
function failurePart(server: ServerRef, { tool, principal, at }: CallRecord): Part {
  const whole = { environment: server.environment ?? "", server: server.id };
  const places = [whole, { ...whole, tool }].flatMap((series) =>
    failureLevels.map((level) => ({ series, level, span: spanOfFailures(level, minuteOf(at)) })),
  );
  return {
    keys: places.map(({ series, level, span }) => failuresKey(series, level, span)),
    apply: (rows) => places.map(({ span }, i) => addFailure(rows[i] as FailuresRow | undefined, span, principal.ref)),
  };
}

const badPart: Part = { keys: [badTotal], apply: ([row]) => [more(row)] };

const more = (row: RowValue | undefined): BadTotal => ({ bad: ((row as BadTotal | undefined)?.bad ?? 0) + 1 });

/** Every emitter says what it was served, so only what is new to the tool is a change. */
function definitionPart(leaf: LogLeaf, { tool, digest, at }: DefinitionRecord): Part {
  const environment = leaf.server.environment ?? "";
  const server = leaf.server.id;
  return {
    keys: [{ collection: "definitions", id: rowId(environment, server, tool) }, definitionChanges, badTotal],
    apply([row, changes, bad]) {
      const known = (row as DefinitionRow | undefined)?.known ?? [];
      const last = known.at(-1);
      if (known.some((one) => one.digest === digest)) return [row, changes, bad];
      const record = recordId(leaf);
      const now: DefinitionRow = { known: [...known, { digest, record }].slice(-maxKnown) };
      if (last === undefined) return [now, changes, bad];
      const before = (changes as DefinitionChanges | undefined)?.changes ?? [];
      const change: DefinitionChange = { environment, server, tool, record, before: last.record, at };
      return [now, { changes: [...before, change].slice(-maxChanges) }, more(bad)];
    },
  };
}

/** Each batch arrives once. How long it was on its way is told of signed ones: when a plain event was sent nobody knows, since it may tell of calls of long ago. */
function partsOfArrival({ index, key, server, receivedAtMs, lastAt }: LogLeaf): Part[] {
  if (index !== 0 || server.id === ownServer) return [];
  const onTheWayMs = Math.max(0, receivedAtMs - lastAt);
  const isTold = key !== undefined && onTheWayMs <= maxOnTheWayMs;
  const occasion = { version: undefined, atMs: receivedAtMs, arrivedMs: receivedAtMs };
  return countingParts([arrivalSeries], occasion, {
    valid: 1,
    ...(isTold && { latency: { [bucketOf(onTheWayMs * 1_000)]: 1 } }),
  });
}
