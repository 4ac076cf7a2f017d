import { AppError } from "../errors.ts";
import { maxRowsPerCommit, type Projections, type Row, type RowKey } from "../follow/ports.ts";
import { given } from "../given.ts";
import { after, type Keeping, listKept } from "../slo/memory.ts";
import { causeKey } from "./cause.ts";
import { type Effect, effectOf } from "./effects.ts";
import { evolve } from "./evolve.ts";
import type { Cause, Incident, IncidentEvent, Timers } from "./incident.ts";

/** What incidents keep, as rows beside those of projections. All of it moves by compare-and-set on one cursor, so what is written together is there together. */
export const incidentsKept: Keeping = { name: "incidents", generation: 1 };

export type IncidentRows = Pick<Projections, "cursor" | "commit" | "read" | "list">;

export const collections = {
  /** Snapshots by id: what their events add up to. */
  incidents: "incidents",
  /** Which incident a cause's alerts belong to. */
  causes: "causes",
  /** Incidents with a timer, by when the first is due. */
  due: "due",
  /** Effects that are to be done, in order. */
  outbox: "outbox",
  /** Effects that were given up. */
  dead: "dead",
  /** Circuit breakers of destinations that have failed. */
  breakers: "breakers",
  /** Commands that were answered, by their idempotency key. */
  answered: "answered",
  postmortems: "postmortems",
  /** Versions of servers that have no runbook, as they were said. */
  unguided: "unguided",
} as const;
export const eventsOf = (incident: string): string => `events#${incident}`;
export const revisionsOf = (incident: string): string => `revisions#${incident}`;

/** The incident that a cause's alerts belong to, and when it ended. */
export type CauseRow = {
  readonly cause: Cause;
  readonly incident: string;
  readonly endedAt?: number;
};

/**
 * Reading and writing as one: what is read through it is as of one moment, and what is put is written all together or not at all.
 *
 * The body of a transaction runs again where somebody else was faster, so it does nothing but read, decide, and put.
 */
export interface Transaction {
  incident(id: string): Promise<Incident | undefined>;
  read(collection: string, id: string): Promise<Row["value"] | undefined>;
  /** As it was before this transaction put anything. */
  list(collection: string): Promise<Row[]>;
  /** Events of an incident, and what follows from them. @returns the incident as it is then. */
  append(incident: Incident | undefined, events: readonly IncidentEvent[]): Incident;
  put(collection: string, id: string, value: object | undefined): void;
  /** How many rows would be written by now: a commit takes `maxRowsPerCommit`. */
  size(): number;
}

/** Each but one of those who are at it at the same time goes again; so many never are. */
const maxAttempts = 200;

/**
 * @throws AppError `unavailable`, `not-applied`, where others keep on being faster; `invalid` where there is more than a commit takes; what the port throws: of outcome "unknown" it may be
 *   written, and going again is safe for whatever a transaction decides by what it reads.
 */
export async function transact<T>(
  projections: IncidentRows,
  body: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const { name, generation } = incidentsKept;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const from = await projections.cursor(name);
    const { transaction, rows } = open(projections);
    const result = await body(transaction);
    const written = rows();
    if (written.length === 0) return result;
    if (await projections.commit(name, { from, to: after(from), generation, rows: written })) return result;
  }
  throw new AppError("unavailable", `Incidents were changed by others ${maxAttempts} times meanwhile. Try again.`, {
    outcome: "not-applied",
  });
}

type Change = RowKey & { readonly value: Row["value"] | undefined };

function open(projections: IncidentRows): { readonly transaction: Transaction; rows(): Change[] } {
  const changes = new Map<string, Change>();
  const put = (collection: string, id: string, value: object | undefined): void =>
    void changes.set(`${collection} ${id}`, { collection, id, value: value as Row["value"] | undefined });
  const read = async (collection: string, id: string): Promise<Row["value"] | undefined> => {
    const put = changes.get(`${collection} ${id}`);
    return put ? put.value : readRow(projections, collection, id);
  };
  return {
    rows: () => [...changes.values()],
    transaction: {
      put,
      size: () => changes.size,
      read,
      incident: async (id) => (await read(collections.incidents, id)) as Incident | undefined,
      list: (collection) => listKept(projections, incidentsKept, collection),
      append(incident, events) {
        const before = incident;
        let now = incident;
        for (const one of events) {
          // Clocks differ, and go back; events of one incident do not.
          const event = { ...one, at: Math.max(one.at, now?.at ?? 0) };
          now = evolve(now, event);
          put(eventsOf(now.id), versionId(now.version), event);
          const effect = effectOf(now, event);
          put(collections.outbox, effectId(effect), effect);
        }
        if (now === undefined) throw new TypeError("An incident begins with an event.");
        put(collections.incidents, now.id, now);
        const { cause, id, endedAt } = now;
        if (before === undefined || before.endedAt !== endedAt)
          put(collections.causes, causeKey(cause), { cause, incident: id, ...given({ endedAt }) } satisfies CauseRow);
        const [was, is] = [before && dueAt(before.timers), dueAt(now.timers)];
        if (was !== is) {
          if (was !== undefined) put(collections.due, dueId(was, now.id), undefined);
          if (is !== undefined) put(collections.due, dueId(is, now.id), { incident: now.id });
        }
        return now;
      },
    },
  };
}

export async function readRow(
  projections: Pick<Projections, "read">,
  collection: string,
  id: string,
): Promise<Row["value"] | undefined> {
  const [row] = await projections.read(incidentsKept.name, incidentsKept.generation, [{ collection, id }]);
  return row?.value;
}

export const readIncident = async (projections: Pick<Projections, "read">, id: string): Promise<Incident | undefined> =>
  (await readRow(projections, collections.incidents, id)) as Incident | undefined;

/** All events of an incident, in order. */
export const readEvents = async (projections: Pick<Projections, "list">, id: string): Promise<IncidentEvent[]> =>
  (await listKept(projections, incidentsKept, eventsOf(id))).map(({ value }) => value as unknown as IncidentEvent);

/** One of them, by the version that the incident had after it. */
export const readEvent = async (
  projections: Pick<Projections, "read">,
  id: string,
  version: number,
): Promise<IncidentEvent | undefined> =>
  (await readRow(projections, eventsOf(id), versionId(version))) as unknown as IncidentEvent | undefined;

/** The latest first, from `before` (an id, excluded) on. */
export async function listIncidents(
  projections: Pick<Projections, "list">,
  { before, limit }: { readonly before?: string; readonly limit: number },
): Promise<Incident[]> {
  const rows = await projections.list(incidentsKept.name, incidentsKept.generation, {
    collection: collections.incidents,
    newestFirst: true,
    // What comes last is what was asked from: one more, to leave it out.
    limit: before === undefined ? limit : limit + 1,
    ...(before !== undefined && { upTo: before }),
  });
  return rows
    .filter(({ id }) => id !== before)
    .slice(0, limit)
    .map(({ value }) => value as unknown as Incident);
}

/** Those that have not ended, the latest first; of more than a thousand the latest. */
export async function listLive(projections: Pick<Projections, "list" | "read">): Promise<Incident[]> {
  const rows = await listKept(projections, incidentsKept, collections.causes);
  const live = rows.map(({ value }) => value as CauseRow).filter(({ endedAt }) => endedAt === undefined);
  const ids = live
    .map(({ incident }) => incident)
    .sort()
    .reverse()
    .slice(0, 1_000);
  const found: Incident[] = [];
  for (let from = 0; from < ids.length; from += maxRowsPerCommit) {
    const keys = ids.slice(from, from + maxRowsPerCommit).map((id) => ({ collection: collections.incidents, id }));
    const read = await projections.read(incidentsKept.name, incidentsKept.generation, keys);
    found.push(...read.flatMap((row) => (row === undefined ? [] : [row.value as unknown as Incident])));
  }
  return found;
}

/** What was due by a time, the longest first: ids of incidents, each once. */
export async function listDue(projections: Pick<Projections, "list">, nowMs: number, limit: number): Promise<string[]> {
  const rows = await projections.list(incidentsKept.name, incidentsKept.generation, {
    collection: collections.due,
    newestFirst: false,
    limit,
  });
  const due = rows.filter(({ id }) => id <= `${timeId(nowMs)}0`); // "0" comes after "/"
  return [...new Set(due.map(({ value }) => (value as { incident: string }).incident))];
}

const effectsPerRead = 500;

/** Effects in the order in which they came, the first so many. */
export async function listOutbox(projections: Pick<Projections, "list">, limit: number): Promise<Effect[]> {
  const effects: Effect[] = [];
  for (let after: string | undefined; effects.length < limit; ) {
    const rows = await projections.list(incidentsKept.name, incidentsKept.generation, {
      collection: collections.outbox,
      limit: Math.min(effectsPerRead, limit - effects.length),
      ...(after !== undefined && { after }),
    });
    effects.push(...rows.map(({ value }) => value as unknown as Effect));
    after = rows.at(-1)?.id;
    if (rows.length < effectsPerRead) break;
  }
  return effects;
}

/** What was given up: with its last failure. */
export type Dead = { readonly effect: Effect; readonly why: string; readonly at: number };

export async function listUndelivered(
  projections: Pick<Projections, "list">,
): Promise<(Dead & { readonly id: string })[]> {
  const rows = await listKept(projections, incidentsKept, collections.dead);
  return rows.map(({ id, value }) => ({ ...(value as Dead), id }));
}

/** Of 15 digits, times and versions stand in the order of texts. */
const timeId = (ms: number): string => String(ms).padStart(15, "0");
export const versionId = (version: number): string => String(version).padStart(6, "0");
const dueId = (at: number, incident: string): string => `${timeId(at)}/${incident}`;
export const effectId = ({ at, incident, version }: Effect): string =>
  `${timeId(at)}/${incident}/${versionId(version)}`;

function dueAt(timers: Timers): number | undefined {
  const times = Object.values(timers).filter((at): at is number => at !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}
