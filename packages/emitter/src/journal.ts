import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  type AuditRecord,
  type CallRecord,
  maxBatchSpanMs,
  maxPackedBytes,
  type PrincipalName,
  recordLine,
  type ServerRef,
  type Sides,
} from "@tooltrail/format";

/**
 * A journal is the open end of an emitter's history: `<seq>.journal`, which becomes `<seq>.batch` when it is sealed.
 *
 * One JSON line each: `{"s":server,"p":sides,"t":time}` first and whenever they change, `{"n":[ref,name]}` for a name before the first line that
 * needs it, `{"b":call}` for a call begun, `{"r":record}` for a record. Its head names every call that was open when it was begun, and it
 * appears under its name only when that head is whole, so the newest journal alone tells which calls are open, and whose they are.
 */

/** A call as it is known while the server works on it: its record, less how it ends. */
export type BegunCall = Omit<CallRecord, "outcome" | "final" | "durationUs" | "result" | "dataAgeMs">;

const maxJournalRecords = 100;

export interface JournalState {
  server: ServerRef;
  /** Names that every batch carries. */
  sides: Sides;
  /** Names that this journal knows besides, by pseudonym. */
  names: Map<string, PrincipalName>;
  /** Calls begun and not ended, by call id, in order. */
  open: Map<string, BegunCall>;
  /** The newest time in it: the last moment at which its emitter is known to have lived. */
  lastAt: number;
}

/** A pseudonym and what it stands for. */
export type Named = readonly [ref: string, name: PrincipalName];

/** A line of a record, with what is needed to pack it. */
export interface Line {
  readonly text: string;
  readonly at: number;
  /** Whose record it is, where the batch does not say so anyway. */
  readonly named?: Named;
}

export interface ReadJournal extends JournalState {
  lines: Line[];
  stopped: boolean;
}

/** A batch in the making: records, and the names that they need. Bytes of both, in one sum: a batch has room for so much. */
export interface Draft {
  readonly lines: Line[];
  readonly names: Map<string, PrincipalName>;
  bytes: number;
}

export function draftOf(lines: readonly Line[] = []): Draft {
  const draft: Draft = { lines: [], names: new Map(), bytes: 0 };
  for (const line of lines) addLine(draft, line);
  return draft;
}

export function addLine(draft: Draft, line: Line): void {
  draft.bytes += weightOf(draft, line);
  draft.lines.push(line);
  if (line.named) draft.names.set(...line.named);
}

/** Whether one more record goes into the batch that these make. An empty batch takes any record. */
export function fits(draft: Draft, line: Line): boolean {
  const first = draft.lines[0];
  if (first === undefined) return true;
  return (
    draft.lines.length < maxJournalRecords &&
    draft.bytes + weightOf(draft, line) <= maxPackedBytes &&
    Math.abs(line.at - first.at) < maxBatchSpanMs / 2
  );
}

const weightOf = ({ names }: Draft, { text, named }: Line): number =>
  Buffer.byteLength(text) + 1 + (named && !names.has(named[0]) ? Buffer.byteLength(nameLine(named)) : 0);

/** What the batch of these records says beside them: nobody is named who is not in it, but for whom the emitter always names. */
export const sidesOf = (always: Sides, { names }: Draft): Sides =>
  names.size === 0 ? always : { principals: { ...always.principals, ...Object.fromEntries(names) } };

export const journalName = (seq: number): string => `${seq}.journal`;

export const stateLine = ({ server, sides, lastAt }: Pick<JournalState, "server" | "sides" | "lastAt">): string =>
  `${JSON.stringify({ s: server, p: sides, t: lastAt })}\n`;
export const nameLine = (named: Named): string => `${JSON.stringify({ n: named })}\n`;
export const begunLine = (call: BegunCall): string => `${JSON.stringify({ b: call })}\n`;
export const recordEntry = (line: string): string => `{"r":${line}}\n`;

/** What a record does to the calls that are open: its last attempt closes it, an earlier one leaves the next to come. */
export function settle(open: Map<string, BegunCall>, record: AuditRecord): void {
  if (record.kind !== "call") return;
  if (record.final) open.delete(record.callId);
  else {
    const begun = open.get(record.callId);
    if (begun) open.set(record.callId, { ...begun, attempt: record.attempt + 1 });
  }
}

/** The names that open calls and these records need: what a journal that begins now must know. */
export function namesNeeded({ names, open }: JournalState, lines: readonly Line[]): Map<string, PrincipalName> {
  const needed = new Map(lines.flatMap(({ named }) => (named ? [named] : [])));
  for (const { principal } of open.values()) {
    const name = names.get(principal.ref);
    if (name) needed.set(principal.ref, name);
  }
  return needed;
}

/** Creates `<seq>.journal` with its head and the given records, at once, and returns it open for appending. @throws as `fs` does */
export function createJournal(
  dir: string,
  seq: number,
  state: JournalState,
  lines: readonly Line[] = [],
  fsync = false,
): { fd: number; size: number } {
  const head = [
    stateLine(state),
    ...[...namesNeeded(state, lines)].map(nameLine),
    ...[...state.open.values()].map(begunLine),
    ...lines.map((line) => recordEntry(line.text)),
  ];
  const temporary = join(dir, `${seq}.journal.tmp`);
  const fd = openSync(temporary, "w", 0o600);
  try {
    const size = writeAt(fd, head.join(""), 0);
    if (fsync) fsyncSync(fd);
    renameSync(temporary, join(dir, journalName(seq)));
    return { fd, size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Writes all of it: the kernel may take less than was offered when the disk is nearly full. @returns the position after it. */
export function writeAt(fd: number, text: string, position: number): number {
  const bytes = Buffer.from(text);
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  return position + bytes.length;
}

export const journalSeqs = (dir: string): number[] => numbersOf(dir, /^(\d+)\.journal$/);

/** The numbers that a folder's file names carry, ascending. */
export function numbersOf(dir: string, pattern: RegExp): number[] {
  return readdirSync(dir)
    .map((name) => pattern.exec(name)?.[1])
    .filter((text) => text !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads a journal back. A torn last line (its writer was killed, the disk was full) was never whole, so it is passed over. */
export function readJournal(dir: string, seq: number): ReadJournal {
  const journal: ReadJournal = {
    server: { id: "unknown" },
    sides: { principals: {} },
    names: new Map(),
    open: new Map(),
    lines: [],
    lastAt: 0,
    stopped: false,
  };
  for (const text of readFileSync(join(dir, journalName(seq)), "utf8").split("\n")) {
    const entry = parseEntry(text);
    if (entry === undefined) continue;
    if ("s" in entry)
      Object.assign(journal, { server: entry.s, sides: entry.p, lastAt: Math.max(journal.lastAt, entry.t) });
    else if ("n" in entry) journal.names.set(...entry.n);
    else if ("b" in entry) {
      journal.open.set(entry.b.callId, entry.b);
      journal.lastAt = Math.max(journal.lastAt, entry.b.at);
    } else {
      settle(journal.open, entry.r);
      journal.lines.push(lineOf(entry.r, journal.names));
      journal.lastAt = Math.max(journal.lastAt, entry.r.at);
      journal.stopped ||= entry.r.kind === "lifecycle" && entry.r.event === "stopped";
    }
  }
  return journal;
}

/** A record's line, with its principal's name where that is among these. */
export function lineOf(record: AuditRecord, names: ReadonlyMap<string, PrincipalName>): Line {
  const ref = "principal" in record ? record.principal.ref : "";
  const name = names.get(ref);
  return { text: recordLine(record), at: record.at, ...(name && { named: [ref, name] }) };
}

type Entry = { s: ServerRef; p: Sides; t: number } | { n: Named } | { b: BegunCall } | { r: AuditRecord };

/** Our own file, 0600 in a 0700 folder: its lines are whole or torn, so whatever parses is what we wrote. */
function parseEntry(text: string): Entry | undefined {
  try {
    return JSON.parse(text) as Entry;
  } catch {
    return undefined;
  }
}

export const makeFolder = (dir: string): void => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
};
