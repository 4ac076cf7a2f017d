import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  type AuditRecord,
  type CallRecord,
  maxBatchSpanMs,
  maxPackedBytes,
  recordLine,
  type ServerRef,
  type Sides,
} from "@tooltrail/format";

/**
 * A journal is the open end of an emitter's history: `<seq>.journal`, which becomes `<seq>.batch` when it is sealed.
 *
 * One JSON line each: `{"s":server,"p":sides,"t":time}` first and whenever they change, `{"b":call}` for a call begun, `{"r":record}` for a
 * record. Its head names every call that was open when it was begun, and it appears under its name only when that head is whole, so the
 * newest journal alone tells which calls are open.
 */

/** A call as it is known while the server works on it: its record, less how it ends. */
export type BegunCall = Omit<CallRecord, "outcome" | "final" | "durationUs" | "result" | "dataAgeMs">;

const maxJournalRecords = 100;

export interface JournalState {
  server: ServerRef;
  sides: Sides;
  /** Calls begun and not ended, by call id, in order. */
  open: Map<string, BegunCall>;
  /** The newest time in it: the last moment at which its emitter is known to have lived. */
  lastAt: number;
}

/** A line of a record, with what is needed to pack it. */
export interface Line {
  readonly text: string;
  readonly at: number;
}

export interface ReadJournal extends JournalState {
  lines: Line[];
  stopped: boolean;
}

/** Whether one more record goes into the batch that these make. An empty batch takes any record. */
export function fits(lines: readonly Line[], bytes: number, line: Line): boolean {
  const first = lines[0];
  if (first === undefined) return true;
  return (
    lines.length < maxJournalRecords &&
    bytes + lineBytes(line) <= maxPackedBytes &&
    Math.abs(line.at - first.at) < maxBatchSpanMs / 2
  );
}

export const lineBytes = (line: Line): number => Buffer.byteLength(line.text) + 1;

export const journalName = (seq: number): string => `${seq}.journal`;

export const stateLine = ({ server, sides, lastAt }: Omit<JournalState, "open">): string =>
  `${JSON.stringify({ s: server, p: sides, t: lastAt })}\n`;
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
    else if ("b" in entry) {
      journal.open.set(entry.b.callId, entry.b);
      journal.lastAt = Math.max(journal.lastAt, entry.b.at);
    } else {
      settle(journal.open, entry.r);
      journal.lines.push({ text: recordLine(entry.r), at: entry.r.at });
      journal.lastAt = Math.max(journal.lastAt, entry.r.at);
      journal.stopped ||= entry.r.kind === "lifecycle" && entry.r.event === "stopped";
    }
  }
  return journal;
}

type Entry = { s: ServerRef; p: Sides; t: number } | { b: BegunCall } | { r: AuditRecord };

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
