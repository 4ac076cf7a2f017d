import {
  type AuditRecord,
  bodyLines,
  maxBatchSpanMs,
  type Principal,
  parseRecordId,
  pseudonym,
  type RecordKind,
  recordId,
  upcast,
} from "@tooltrail/format";
import { AppError } from "./errors.ts";
import { type Postings, type Term, traceOf } from "./follow/postings.ts";
import { countFitting } from "./page.ts";
import type { BatchPosition, Ledger, Ports, Principals, StoredBatch, Surroundings } from "./ports.ts";

/** What a query reads. Without postings every search goes through the ledger. */
export type QueryPorts = Pick<Ports, "ledger" | "principals" | "surroundings"> & { readonly postings?: Postings };

/** Which records. Times in milliseconds: `sinceMs` included, `untilMs` not. */
export interface RecordFilter {
  readonly kind: RecordKind;
  readonly server?: string;
  readonly tool?: string;
  /** Pseudonyms. An empty list matches nothing. */
  readonly principals?: readonly string[];
  /** A class or a reason. */
  readonly outcome?: string;
  /** A W3C trace id, 32 hex digits. */
  readonly trace?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** A record with its place, its server and the name behind it: what a reader sees. */
export type RecordView = AuditRecord & {
  readonly id: string;
  readonly server: StoredBatch["headers"]["server"];
  /** Signed by its emitter; false for a plain event, for which only the bus vouches. */
  readonly sealed: boolean;
  /** Signed by a key that this pipeline knows. Where it is false, `principal.verified` is too: nobody vouches for the boundary. */
  readonly enrolled: boolean;
  readonly receivedAt: number;
  readonly account: string;
  /** With the name, where it has not been forgotten. */
  readonly principal?: Principal & { readonly subject?: string };
};

export interface RecordPage {
  readonly records: RecordView[];
  /** Give it to the next call. Null when nothing is left. A page may be short, even empty, and still have a next one. */
  readonly next: string | null;
  /**
   * The page was found by postings, which know of batches that arrived up to here (milliseconds) and are in the log. A batch that came later, or that the log does not have
   * yet, is missing from the page where it is older than the 256 batches that the search went through in the ledger. Absent: the page holds what the ledger holds.
   */
  readonly asOf?: number;
}

/**
 * A page reads at most so many batches: a search for what is rare answers in bounded time, with a cursor to go on from. Where postings know of what is searched for,
 * it reads so many in the ledger, and then as many of those that they name.
 */
const maxBatchesPerPage = 256;
const batchesPerRead = 16;
const readsPerPage = maxBatchesPerPage / batchesPerRead;

/**
 * Postings that end further behind the newest batch that a search has met are no answer: the log stands still, or they are being made for the first time.
 * What arrived in the last moments they do not have either, which is why a search begins in the ledger.
 */
const maxBehindMs = 60_000;

/**
 * Records, newest first by (`at`, emitter, seq, index).
 *
 * Batches come newest first by their last time; a record is given out once every batch still unread ends before it, and waits until then.
 * The cursor names the last record given out and the newest batch that still had one waiting, so pages neither repeat nor skip, whatever
 * arrives in between. Postings list batches in the ledger's order, so a search goes on by them at any place, and a cursor says that it does.
 *
 * @throws AppError `invalid` where the cursor is none of ours.
 */
export async function queryRecords(
  { ledger, principals, surroundings, postings }: QueryPorts,
  filter: RecordFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<RecordPage> {
  const resumed = page.cursor === undefined ? undefined : parseCursor(page.cursor);
  const given: Placed[] = [];
  let waiting: Placed[] = [];
  let from = resumed?.from ?? startOf(filter);
  let left = true;

  const term = postings && termOf(filter);
  let newestArrival = resumed?.arrived ?? 0;
  const knownUpTo = async (): Promise<number | undefined> => {
    const latest = await postings?.latestArrival();
    return latest !== undefined && latest >= newestArrival - maxBehindMs ? latest : undefined;
  };
  // Read before the postings are: what they say of later arrivals is more than was promised.
  let asOf = term && resumed?.by === "postings" ? await knownUpTo() : undefined;
  let postedFrom: BatchPosition | undefined;
  let reads = 0;
  const mayRead = async (): Promise<boolean> => {
    if (reads < readsPerPage) return true;
    if (term && asOf === undefined && reads === readsPerPage) {
      asOf = await knownUpTo();
      if (asOf !== undefined) {
        reads = 0;
        postedFrom = from;
        return true;
      }
    }
    // Beyond the bound it goes on only while it has found something that it may not give out yet: else it would begin there again for ever.
    return given.length === 0 && waiting.length > 0;
  };
  while (left && given.length < page.limit && (await mayRead())) {
    reads += 1;
    const query = { ...(from && { from }), limit: batchesPerRead + 1 };
    const batches =
      term && asOf !== undefined
        ? await readAll(ledger, await postings.newest(term, query))
        : await ledger.newestFirst({ ...server(filter), ...query });
    const next = batches[batchesPerRead];
    for (const batch of batches.slice(0, batchesPerRead)) {
      newestArrival = Math.max(newestArrival, batch.receivedAtMs);
      waiting.push(...matching(batch, filter, resumed?.after));
    }
    left = next !== undefined && (filter.sinceMs === undefined || next.headers.lastAt >= filter.sinceMs);
    from = next && positionOf(next);
    waiting.sort(newestFirst);
    const unread = left ? from : undefined;
    const ready = waiting
      .filter((placed) => unread === undefined || isNewer(placed, unread))
      .slice(0, page.limit - given.length);
    given.push(...ready);
    waiting = waiting.slice(ready.length);
  }

  const views = await named(
    principals,
    given.map((placed) => viewOf(placed, surroundings)),
  );
  const records = views.slice(0, countFitting(views));
  waiting.push(...given.splice(records.length));
  const goOn = newestPosition(waiting) ?? (left ? from : undefined);
  const after = given.at(-1) ?? resumed?.after;
  // What the ledger gave and still waits may be too new for the postings: then the next page begins in the ledger again.
  const by = asOf !== undefined && (!goOn || !postedFrom || byNewest(postedFrom, goOn) <= 0);
  const search = term && { arrived: newestArrival, ...(by && { by: "postings" as const }) };
  return {
    records,
    next: goOn ? cursorText({ from: goOn, ...(after && { after: orderOf(after) }), ...search }) : null,
    ...(asOf !== undefined && { asOf }),
  };
}

/** One record by its id. @returns undefined where there is none. */
export async function readRecord(
  { ledger, principals, surroundings }: QueryPorts,
  id: string,
): Promise<RecordView | undefined> {
  const place = parseRecordId(id);
  const batch = place && (await ledger.read(place.emitter, place.seq));
  const line = batch && bodyLines(batch.body)?.[place?.index ?? -1];
  if (place === undefined || batch === undefined || line === undefined) return undefined;
  const record = upcast(JSON.parse(line));
  const [view] = await named(principals, [viewOf({ at: record.at, ...place, record, batch }, surroundings)]);
  return view;
}

/**
 * The pseudonyms that a reader means by a pseudonym or a subject: those that are known by that name, and the one that a plain event's
 * bare name gets, which can be told even when the name has been forgotten.
 */
export async function principalRefs({ principals, surroundings }: QueryPorts, said: string): Promise<string[]> {
  if (/^p_[a-z2-7]{26}$/.test(said)) return [said];
  const keys = [surroundings.digestKey, ...surroundings.formerDigestKeys];
  return [...new Set([...(await principals.refsOf(said)), ...keys.map((key) => pseudonym(key, "", said))])];
}

interface Order {
  readonly at: number;
  readonly emitter: string;
  readonly seq: number;
  readonly index: number;
}

interface Placed extends Order {
  readonly record: AuditRecord;
  readonly batch: StoredBatch;
}

/**
 * What postings are asked for: of several words the one that the fewest batches hold, by rule of thumb. One server's tools and outcomes are sought in that
 * server's own batches.
 */
function termOf({ server, tool, trace, outcome }: RecordFilter): Term | undefined {
  if (trace !== undefined) return { trace };
  if (server !== undefined) return undefined;
  if (tool !== undefined) return { tool };
  return outcome === undefined || outcome === "ok" ? undefined : { outcome };
}

function readAll(ledger: Pick<Ledger, "read">, positions: readonly BatchPosition[]): Promise<StoredBatch[]> {
  return Promise.all(
    positions.map(async ({ emitter, seq }) => {
      const batch = await ledger.read(emitter, seq);
      // A short answer would pass for the end.
      if (batch === undefined)
        throw new AppError("unavailable", `The postings name batch ${seq} of ${emitter}, and it is not in the ledger.`);
      return batch;
    }),
  );
}

const server = (filter: RecordFilter): { server?: string } =>
  filter.server === undefined ? {} : { server: filter.server };

/** A batch spans at most `maxBatchSpanMs`, so one that ends later than that holds nothing from before `untilMs`. */
const startOf = ({ untilMs }: RecordFilter): BatchPosition | undefined =>
  untilMs === undefined ? undefined : { lastAt: untilMs + maxBatchSpanMs, emitter: "~", seq: Number.MAX_SAFE_INTEGER };

const positionOf = ({ headers: { lastAt, emitter, seq } }: StoredBatch): BatchPosition => ({ lastAt, emitter, seq });
const orderOf = ({ at, emitter, seq, index }: Order): Order => ({ at, emitter, seq, index });

const compare = <T extends number | string>(a: T, b: T): number => (a < b ? 1 : a > b ? -1 : 0);
const newestFirst = (a: Order, b: Order): number =>
  compare(a.at, b.at) || compare(a.emitter, b.emitter) || compare(a.seq, b.seq) || compare(a.index, b.index);

const byNewest = (a: BatchPosition, b: BatchPosition): number =>
  compare(a.lastAt, b.lastAt) || compare(a.emitter, b.emitter) || compare(a.seq, b.seq);

/** A record stands before everything that an unread batch can hold: those come by position, and at equal times so do their records. */
const isNewer = ({ at, emitter, seq }: Order, unread: BatchPosition): boolean =>
  (compare(at, unread.lastAt) || compare(emitter, unread.emitter) || compare(seq, unread.seq)) < 0;

function newestPosition(waiting: readonly Placed[]): BatchPosition | undefined {
  const positions = waiting.map(({ batch }) => positionOf(batch));
  return positions.sort(byNewest)[0];
}

function* matching(batch: StoredBatch, filter: RecordFilter, after: Order | undefined): Iterable<Placed> {
  const { emitter, seq } = batch.headers;
  if (filter.server !== undefined && batch.headers.server.id !== filter.server) return;
  const needles = needlesOf(filter);
  for (const [index, line] of (bodyLines(batch.body) ?? []).entries()) {
    if (!needles.every((some) => some.some((needle) => line.includes(needle)))) continue;
    const record = upcast(JSON.parse(line));
    const placed = { at: record.at, emitter, seq, index, record, batch };
    if (matches(record, filter) && (after === undefined || newestFirst(after, placed) < 0)) yield placed;
  }
}

/**
 * Of each list, a line that matches has at least one. Lines are canonical, so what a record must say is a fixed piece of text, and most
 * lines are passed over without being parsed.
 */
const needlesOf = ({ kind, tool, principals, outcome, trace }: RecordFilter): string[][] => [
  [`"kind":"${kind}"`],
  ...(tool === undefined ? [] : [[`"tool":${JSON.stringify(tool)}`]]),
  ...(principals === undefined ? [] : [principals.map((ref) => `"ref":"${ref}"`)]),
  ...(outcome === undefined ? [] : [[`"class":"${outcome}"`, `"reason":"${outcome}"`]]),
  ...(trace === undefined ? [] : [[`-${trace}-`]]),
];

function matches(record: AuditRecord, filter: RecordFilter): boolean {
  const { tool, principals, outcome, trace, sinceMs, untilMs } = filter;
  return (
    record.kind === filter.kind &&
    (sinceMs === undefined || record.at >= sinceMs) &&
    (untilMs === undefined || record.at < untilMs) &&
    (tool === undefined || ("tool" in record && record.tool === tool)) &&
    (trace === undefined || traceOf(record) === trace) &&
    (principals === undefined || ("principal" in record && principals.includes(record.principal.ref))) &&
    (outcome === undefined ||
      ("outcome" in record && (record.outcome.class === outcome || record.outcome.reason === outcome)))
  );
}

function viewOf({ record, batch, ...place }: Placed, { enrolledKeys }: Surroundings): RecordView {
  const enrolled = "key" in batch.headers && enrolledKeys.has(batch.headers.key);
  const principal = "principal" in record ? record.principal : undefined;
  return {
    id: recordId(place),
    ...record,
    ...(principal && { principal: { ...principal, verified: principal.verified && enrolled } }),
    server: batch.headers.server,
    sealed: batch.sig !== undefined,
    enrolled,
    receivedAt: batch.receivedAtMs,
    account: batch.account,
  } as RecordView;
}

/** Puts the names back, where they have not been forgotten. */
async function named(principals: Principals, views: readonly RecordView[]): Promise<RecordView[]> {
  const refs = new Set(views.flatMap(({ principal }) => (principal ? [principal.ref] : [])));
  const names = refs.size === 0 ? new Map() : await principals.names([...refs]);
  return views.map((view) => {
    const name = view.principal && names.get(view.principal.ref);
    return name && view.principal ? { ...view, principal: { ...view.principal, subject: name.subject } } : view;
  });
}

interface Cursor {
  readonly from: BatchPosition;
  readonly after?: Order;
  /** When the newest batch arrived that the search has met, which tells whether postings are behind. */
  readonly arrived?: number;
  /** It goes on by postings; absent: through the ledger. */
  readonly by?: "postings";
}

const cursorText = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString("base64url");

function parseCursor(text: string): Cursor {
  try {
    const cursor = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Cursor;
    const ours = isPosition(cursor.from) && (cursor.after === undefined || isOrder(cursor.after));
    if (ours && (cursor.arrived === undefined || Number.isSafeInteger(cursor.arrived))) return cursor;
  } catch {
    // said below
  }
  throw new AppError("invalid", "cursor: not one that this server gave out.");
}

const isPosition = (p: BatchPosition): boolean =>
  Number.isSafeInteger(p?.lastAt) && typeof p.emitter === "string" && Number.isSafeInteger(p.seq);
const isOrder = (o: Order): boolean =>
  Number.isSafeInteger(o.at) &&
  typeof o.emitter === "string" &&
  Number.isSafeInteger(o.seq) &&
  Number.isSafeInteger(o.index);
