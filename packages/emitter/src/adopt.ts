import { closeSync, existsSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type AuditRecord, type CallRecord, identityOf, recordSchema } from "@tooltrail/format";
import { newestSealed, sealBatch, unsentSeqs } from "./chain.ts";
import {
  addLine,
  type BegunCall,
  createJournal,
  draftOf,
  fits,
  journalName,
  journalSeqs,
  lineOf,
  makeFolder,
  type ReadJournal,
  readJournal,
  settle,
  sidesOf,
} from "./journal.ts";
import { isAlive } from "./liveness.ts";
import { ballastFile, identityFile } from "./spool.ts";

/**
 * What dead processes left behind. Their folders are taken by an atomic rename into the adopter's own, so exactly one adopter has each, and an
 * adopter that dies too is adopted with all that it had.
 */

const emitterFolder = /^[a-z2-7]{26}$/;
const unfinishedFolder = /^\.[a-z2-7]{26}$/;
const adoptedIn = (dir: string): string => join(dir, "adopted");

/** Takes the folders of the dead, and clears away those whose maker died before they had a name. @returns those that this process now owns, old ones included. */
export async function adopt(spoolDir: string, ownDir: string): Promise<string[]> {
  const home = adoptedIn(ownDir);
  for (const name of foldersIn(spoolDir)) {
    const dir = join(spoolDir, name);
    if (dir === ownDir || (await isAlive(dir))) continue;
    makeFolder(home);
    move(dir, join(home, name));
  }
  for (const dir of ownedIn(home)) bringUp(dir, home);
  for (const name of readdirSync(spoolDir).filter((name) => unfinishedFolder.test(name))) {
    const dir = join(spoolDir, name);
    const madeMs = statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - madeMs > 60_000 && !(await isAlive(dir))) await rm(dir, { recursive: true, force: true });
  }
  return ownedIn(home);
}

const ownedIn = (home: string): string[] => foldersIn(home).map((name) => join(home, name));

/** What the dead had adopted, at every level: whoever took a folder may have been killed before it took that folder's orphans. */
function bringUp(dir: string, home: string): void {
  for (const orphan of ownedIn(adoptedIn(dir))) {
    const own = join(home, basename(orphan));
    if (move(orphan, own)) bringUp(own, home);
  }
}

const foldersIn = (dir: string): string[] =>
  existsSync(dir) ? readdirSync(dir).filter((name) => emitterFolder.test(name)) : [];

/** @returns false where somebody else was first. */
function move(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Finishes a dead emitter's history under its own name: `unknown` for each call begun and not ended, then `stopped`. First these
 * are written into its journal, at once; then its journals are sealed like anybody's. So it may be interrupted anywhere and begun again.
 *
 * @throws as `fs` does (disk full), and where the folder was written under another installation key: it is left as it is.
 */
export async function recover(dir: string, installationPem: string, fsync: boolean): Promise<void> {
  const seqs = journalSeqs(dir);
  if (seqs.length === 0) return;
  const { key, nonce } = JSON.parse(readFileSync(join(dir, identityFile), "utf8")) as { key: string; nonce: string };
  const identity = identityOf(installationPem, Buffer.from(nonce, "base64url"));
  if (identity.key !== key)
    throw new Error(`${dir} was written under another installation key; only that key can seal it.`);

  await rm(join(dir, ballastFile), { force: true });
  finish(dir, seqs.at(-1) ?? 0, fsync);
  for (const seq of journalSeqs(dir)) {
    if (seq > newestSealed(dir)) {
      const { server, sides, lines } = readJournal(dir, seq);
      await sealBatch(dir, identity, { seq, server }, lines, sidesOf(sides, draftOf(lines)), fsync);
    }
    // The newest goes last: while it is there, it says that all is finished.
    await rm(join(dir, journalName(seq)), { force: true });
  }
}

/** Writes what is missing into the newest journal, and into further ones as far as it takes. */
function finish(dir: string, newest: number, fsync: boolean): void {
  const journal = readJournal(dir, newest);
  for (let seq = newest; !journal.stopped; seq += 1) {
    fill(journal, seq);
    closeSync(createJournal(dir, seq, journal, journal.lines, fsync).fd);
    journal.lines = [];
  }
}

/** Adds what is missing, as far as there is room in one batch. */
function fill(journal: ReadJournal, seq: number): void {
  const draft = draftOf(journal.lines);
  journal.lines = draft.lines;
  const add = (record: AuditRecord): boolean => {
    const line = lineOf(record, journal.names);
    if (!fits(draft, line)) return false;
    addLine(draft, line);
    settle(journal.open, record);
    return true;
  };
  for (const call of [...journal.open.values()]) if (!add(unknownEnd(call, journal.lastAt))) return;
  journal.stopped = add({
    schema: recordSchema,
    kind: "lifecycle",
    at: journal.lastAt,
    event: "stopped",
    reason: "adopted",
    lastSeq: seq,
  });
}

/** Nobody knows how it ended, and it counts once: at the last moment at which its emitter is known to have lived. */
const unknownEnd = (call: BegunCall, at: number): CallRecord => ({
  ...call,
  at,
  final: true,
  outcome: { class: "unknown", reason: "emitter_died" },
});

/** A folder has done its duty when nothing in it is left to seal, to send, to look at, or to look after. */
export const isSpent = (dir: string): boolean =>
  journalSeqs(dir).length === 0 &&
  unsentSeqs(dir).length === 0 &&
  ownedIn(adoptedIn(dir)).length === 0 &&
  !readdirSync(dir).some((name) => name.endsWith(".refused"));
