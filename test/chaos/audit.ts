import { readFileSync } from "node:fs";
import { firstPrev, keyedDigest } from "@tooltrail/format";
import { loadKeys } from "@tooltrail/format/keys";
import type { Book, Call } from "./book.ts";
import { type Found, type FoundBatch, readTables } from "./ledger.ts";
import type { ChaosPlace } from "./place.ts";
import type { Problems } from "./problems.ts";

/** What was found, to be held against what was promised. Counts of final records of calls and plain events. */
export interface Audit {
  readonly batches: number;
  readonly emitters: number;
  readonly records: number;
  /** Calls that their clients saw answered, whose record says `unknown`. */
  readonly answeredUnknown: number;
  readonly unknown: number;
  readonly lost: number;
  readonly doubled: number;
  /** By kind, the ids of all records. */
  readonly ids: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Holds the ledger against the book. The pipeline must have stopped. */
export function auditLedger(place: ChaosPlace, book: Book, problems: Problems): Audit {
  const index = indexLedger(place, problems);
  const { digestKey } = loadKeys(place.spool, undefined);
  const callOf = new Map([...book.calls.values()].map((call) => [keyedDigest(digestKey, call.arguments).digest, call]));
  const counts = { unknown: 0, answeredUnknown: 0, lost: 0, doubled: 0 };

  for (const [digest, call] of callOf) {
    const finals = index.finalsByArgs.get(digest) ?? [];
    if (finals.length > 1) {
      counts.doubled += 1;
      problems.add("a call has more than one final record", `${describe(call)}: ${ids(finals)}`);
    }
    if (finals.length === 0 && call.answered) {
      counts.lost += 1;
      problems.add(`an answered call has no final record${unrecorded(book, call)}`, describe(call));
    }
    const [record] = finals;
    if (record?.class === "unknown") counts.unknown += 1;
    if (!call.answered || record === undefined) continue;
    if (record.class === "unknown") counts.answeredUnknown += 1;
    else if (record.class !== (call.arguments.fails ? "tool_error" : "ok"))
      problems.add(
        "an answered call has another outcome",
        `${describe(call)}: ${record.class} ${record.reason} ${record.id}`,
      );
  }
  for (const [digest, finals] of index.finalsByArgs)
    if (!callOf.has(digest)) problems.add("a record of a call that nobody made", ids(finals));
  for (const [callId, finals] of index.finalsByCall) {
    if (finals.length > 1) problems.add("a callId has more than one final record", `${callId}: ${ids(finals)}`);
  }

  for (const { n, id, attempts, acknowledged } of book.events.values()) {
    const finals = index.finalsByEvent.get(`plain-${n}`) ?? [];
    const said = `plain-${n} id ${id ?? "none"}, sent ${attempts}, acknowledged ${acknowledged}: ${ids(finals)}`;
    if (finals.length > 1) {
      counts.doubled += 1;
      problems.add("a plain event has more than one record", said);
    }
    if (finals.length === 0 && acknowledged > 0) {
      counts.lost += 1;
      problems.add("an acknowledged plain event has no record", said);
    }
  }

  for (const n of seenByServers(place.seen)) {
    const call = book.calls.get(n);
    if (call?.tool !== "wipe") continue;
    const { digest } = keyedDigest(digestKey, call.arguments);
    const intents = index.intentsByArgs.get(digest) ?? 0;
    if (intents === 0)
      problems.add(`a destructive call reached its server without an intent${unrecorded(book, call)}`, describe(call));
    if (intents > 1) problems.add("a call has more than one intent", describe(call));
    if (intents > 0 && !index.finalsByArgs.has(digest)) problems.add("an intent has no final record", describe(call));
  }
  return { ...index.totals, ...counts, ids: index.ids };
}

const describe = ({ tool, arguments: { n, delayMs }, proxy, answered }: Call): string =>
  `call ${n} ${tool}, delay ${delayMs}, proxy ${proxy}, ${answered ? "answered" : "not answered"}`;
/** Lost all the same, but for a reason that is known. */
const unrecorded = (book: Book, { proxy }: Call): string =>
  book.deaf.has(proxy) ? ", its proxy having said that it does not record" : "";
const ids = (found: readonly Found[]): string => found.map(({ id }) => id).join(" ") || "nothing";

/** Every number that any server wrote down; a server killed while it wrote may have left half a line. */
function seenByServers(file: string): Set<number> {
  const lines = readFileSync(file, "utf8").split("\n");
  return new Set(
    lines
      .map((line) => /^(\d+) \d+$/.exec(line)?.[1])
      .filter((n) => n !== undefined)
      .map(Number),
  );
}

/** One pass over the ledger, which also holds each batch against the one before. */
function indexLedger(place: ChaosPlace, problems: Problems) {
  const finalsByArgs = new Map<string, Found[]>();
  const finalsByCall = new Map<string, Found[]>();
  const finalsByEvent = new Map<string, Found[]>();
  const intentsByArgs = new Map<string, number>();
  const ids = new Map<string, Set<string>>();
  const totals = { batches: 0, emitters: 0, records: 0 };

  const file = (record: Found, signed: boolean): void => {
    totals.records += 1;
    ids.set(record.kind, (ids.get(record.kind) ?? new Set()).add(record.id));
    if (record.kind === "intent" && record.args !== undefined)
      intentsByArgs.set(record.args, (intentsByArgs.get(record.args) ?? 0) + 1);
    if (record.event === "lost" || record.event === "unparsed")
      problems.add(`an emitter says that it has ${record.event} something`, record.id);
    if (record.kind !== "call" || record.callId === undefined) return;
    if (record.final !== true) problems.add("a call record is not final, though nothing asked for input", record.id);
    push(finalsByCall, record.callId, record);
    if (signed) push(finalsByArgs, record.args ?? "none", record);
    else push(finalsByEvent, record.requestId ?? "none", record);
  };

  readTables(place.database, ({ batches, quarantined, queued }) => {
    for (const { reason, detail } of quarantined) problems.add("something is in quarantine", `${reason}: ${detail}`);
    if (queued > 0) problems.add("the queue is not empty", String(queued));
    let before: FoundBatch | undefined;
    for (const batch of batches) {
      totals.batches += 1;
      if (batch.emitter !== before?.emitter) {
        totals.emitters += 1;
        checkEnd(before, problems);
        before = undefined;
      }
      checkChain(batch, before, problems);
      for (const record of batch.records) file(record, batch.signed);
      before = batch;
    }
    checkEnd(before, problems);
  });
  return { finalsByArgs, finalsByCall, finalsByEvent, intentsByArgs, ids, totals };
}

function push(map: Map<string, Found[]>, key: string, found: Found): void {
  const there = map.get(key);
  if (there) there.push(found);
  else map.set(key, [found]);
}

function checkChain(batch: FoundBatch, before: FoundBatch | undefined, problems: Problems): void {
  const place = `${batch.emitter} ${batch.seq}`;
  const expected = before === undefined ? 0 : before.seq + 1;
  if (batch.seq !== expected) problems.add("an emitter's numbers have a gap", `${place}, expected ${expected}`);
  if (batch.count !== batch.records.length) problems.add("a batch has another number of records than it says", place);
  if (!batch.signed) return;
  if (batch.prev !== (before?.hash ?? firstPrev)) problems.add("a batch does not name the one before", place);
  const early = before?.records.find(({ event }) => event === "stopped");
  if (early) problems.add("an emitter goes on after it has stopped", `${place}, after ${early.id}`);
}

/** Whoever ended, by itself or adopted, has said so last, and once, with the number of that batch. */
function checkEnd(last: FoundBatch | undefined, problems: Problems): void {
  const isEmitter = last?.signed && last.records.every(({ kind }) => kind !== "control");
  if (last === undefined || !isEmitter) return;
  const ends = last.records.filter(({ event }) => event === "stopped");
  const end = last.records.at(-1);
  if (ends.length !== 1 || end?.event !== "stopped")
    problems.add("an emitter's last record is not that it has stopped", `${last.emitter} ${last.seq}`);
  else if (end.lastSeq !== last.seq)
    problems.add("an emitter names another number as its last", `${last.emitter} ${last.seq}: ${end.lastSeq}`);
}
