import { closeSync, fsyncSync, ftruncateSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import {
  type AuditRecord,
  type CallRecord,
  type Identity,
  maxEnvelopeBytes,
  type PrincipalName,
  recordSchema,
  type ServerRef,
  type Sides,
} from "@tooltrail/format";
import { sealBatch } from "./chain.ts";
import {
  addLine,
  type BegunCall,
  begunLine,
  createJournal,
  type Draft,
  draftOf,
  fits,
  type JournalState,
  journalName,
  type Line,
  lineOf,
  makeFolder,
  type Named,
  nameLine,
  namesNeeded,
  recordEntry,
  settle,
  sidesOf,
  stateLine,
  writeAt,
} from "./journal.ts";
import { holdAlive } from "./liveness.ts";

/**
 * One process's folder in the spool: an open journal, and the batches sealed from earlier ones.
 *
 * What `begin`, `write` and `end` accept is in the kernel when they return, so it survives this process being killed. They are
 * synchronous and never throw; a false answer means that it is not in the spool now. It may still get there: what cannot be written
 * is kept in bounded memory and tried again, and what does not fit there is counted and recorded as lost once writing works.
 */
export interface Spool {
  readonly dir: string;
  /** When the newest record was made. */
  lastAt(): number;
  /** @param name what the call's pseudonym stands for, unless the spool's own sides say so. */
  begin(call: BegunCall, intent?: AuditRecord, name?: PrincipalName): boolean;
  end(record: CallRecord, name?: PrincipalName): boolean;
  write(record: AuditRecord): boolean;
  /** Whose calls these are; known only once the server has introduced itself. */
  identify(server: ServerRef): void;
  /** Closes the open journal, if it holds anything, and seals what is closed. Never throws: what fails is tried at the next call. */
  flush(): Promise<void>;
  /** The last record, the last seal. */
  stop(): Promise<void>;
  /** Lets go of the folder: from now on another process may adopt it. */
  release(): Promise<void>;
}

export interface SpoolOptions {
  readonly spoolDir: string;
  readonly identity: Identity;
  readonly server: ServerRef;
  readonly sides: Sides;
  readonly fsync: boolean;
  readonly flushAfterMs: number;
  readonly now: () => number;
  /** Asks for room in the whole spool. False while it is over its bound. */
  readonly reserve: (bytes: number) => boolean;
  /** A batch was sealed. */
  readonly onSealed: () => void;
}

const maxBacklogBytes = 4 * 1024 * 1024;
/** Journals closed but not sealed, which happens while sealing fails. */
const maxUnsealed = 200;

export const identityFile = "emitter.json";
export const ballastFile = "ballast";

/** Synchronous, so that what happens in the next tick can be recorded. @throws as `fs` does, and where no socket can be made. */
export function openSpool(options: SpoolOptions): Spool {
  const { identity, now } = options;
  const { dir, alive } = makeProcessFolder(options.spoolDir, identity);

  const state: JournalState = {
    server: options.server,
    sides: options.sides,
    names: new Map(),
    open: new Map(),
    lastAt: now(),
  };
  const current = { seq: 0, ...createJournal(dir, 0, state, [], options.fsync), draft: draftOf() };
  const ballast = createBallast(dir);
  const unsealed: { seq: number; server: ServerRef; draft: Draft }[] = [];
  const backlog: Entry[] = [];
  let backlogBytes = 0;
  let lost = 0;
  /** Nothing is sealed before the server's name is known or a call has ended: else the first batch would be about "unknown". */
  let named = false;
  let flushTimer: NodeJS.Timeout | undefined;
  /** The last record is in: no journal is begun after it. */
  let closed = false;
  /** The hash of the batch sealed last. */
  let prev: string | undefined;
  let sealing: Promise<void> = Promise.resolve();

  /** In the journal, now; else in memory; else counted. Order is kept: nothing passes what waits in memory. */
  function append(entry: Entry): boolean {
    armFlush();
    drain();
    if (backlog.length === 0 && store(entry)) return true;
    if (backlogBytes + entry.text.length <= maxBacklogBytes) {
      backlog.push(entry);
      backlogBytes += entry.text.length;
    } else if (entry.record) {
      settle(state.open, entry.record);
      lost += 1;
    }
    return false;
  }

  /** Not while anything waits to be sealed: on a disk that was full, journals would take the room that sealing needs to free some. */
  function drain(): void {
    for (let next = backlog[0]; next !== undefined; next = backlog[0]) {
      if (unsealed.length > 0 || !store(next)) return;
      backlog.shift();
      backlogBytes -= next.text.length;
    }
    if (lost > 0 && store(entryOf({ schema: recordSchema, kind: "lifecycle", at: now(), event: "lost", count: lost })))
      lost = 0;
  }

  function store(entry: Entry): boolean {
    if (!options.reserve(entry.text.length)) return false;
    try {
      if (entry.line && !fits(current.draft, entry.line)) rotate();
      const size = writeAt(current.fd, introduction(entry) + entry.text, current.size);
      if (options.fsync) fsyncSync(current.fd);
      current.size = size;
    } catch {
      takeBack();
      return false;
    }
    if (entry.line) addLine(current.draft, entry.line);
    if (entry.named) state.names.set(...entry.named);
    // `open` is what the journals say, no more: a call begun in memory would swell the next journal's head, and one whose end is not written
    // yet must still be in it.
    if (entry.begun) {
      state.open.set(entry.begun.callId, entry.begun);
      state.lastAt = entry.begun.at;
    }
    if (entry.record) {
      settle(state.open, entry.record);
      state.lastAt = entry.record.at;
    }
    return true;
  }

  /** A name is in each journal before the first line that needs it, so an adopter never has a call without. */
  const introduction = ({ named }: Entry): string => (named && !state.names.has(named[0]) ? nameLine(named) : "");

  /** What a failing write left behind goes: it will be written again, maybe into the next journal, and must not be found twice. */
  function takeBack(): void {
    try {
      ftruncateSync(current.fd, current.size);
    } catch {
      // The next write begins at the same place.
    }
  }

  /** The next journal is whole before the old one is sealed: at every moment the newest journal names every open call. */
  function rotate(): void {
    if (unsealed.length >= maxUnsealed) throw new Error("Sealing does not keep up.");
    const next = createJournal(dir, current.seq + 1, state, [], options.fsync);
    closeCurrent();
    state.names = namesNeeded(state, []);
    Object.assign(current, { seq: current.seq + 1, ...next, draft: draftOf() });
    void sealSoon();
  }

  function closeCurrent(): void {
    closeSync(current.fd);
    unsealed.push({ seq: current.seq, server: state.server, draft: current.draft });
  }

  /** One sealing at a time, in order, since each names the one before. What fails stays queued, and the next flush tries again. */
  function sealSoon(): Promise<void> {
    sealing = sealing.then(sealAll).then(drain).catch(armFlush);
    return sealing;
  }

  async function sealAll(): Promise<void> {
    for (let next = unsealed[0]; next !== undefined; next = unsealed[0]) {
      await sealOne(next);
      unlinkSync(join(dir, journalName(next.seq)));
      unsealed.shift();
      options.onSealed();
    }
    ballast.keep();
  }

  async function sealOne({ seq, server, draft }: (typeof unsealed)[number]): Promise<void> {
    const sides = sidesOf(state.sides, draft);
    const sealNow = () => sealBatch(dir, identity, { seq, server, prev }, draft.lines, sides, options.fsync);
    prev = await sealNow().catch(() => {
      ballast.drop();
      return sealNow();
    });
  }

  function armFlush(): void {
    if (closed) return;
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      void flush();
    }, options.flushAfterMs).unref();
  }

  async function flush(): Promise<void> {
    if (closed) return sealSoon();
    drain();
    if (named && current.draft.lines.length > 0) tryToRotate();
    if (backlog.length > 0) armFlush();
    await sealSoon();
  }

  function tryToRotate(): void {
    try {
      rotate();
    } catch {
      armFlush();
    }
  }

  const stopped = () =>
    entryOf({ schema: recordSchema, kind: "lifecycle", at: now(), event: "stopped", lastSeq: current.seq });

  return {
    dir,
    lastAt: () => state.lastAt,
    flush,
    write: (record) => append(entryOf(record)),
    begin(call, intent, name) {
      const entry = intent && entryOf(intent, name);
      const known: Entry = { text: begunLine(call) + (entry?.text ?? ""), begun: call };
      return append({ ...entry, ...(name && { named: [call.principal.ref, name] }), ...known });
    },
    end(record, name) {
      named = true;
      return append(entryOf(record, name));
    },
    identify(server) {
      named = true;
      state.server = server;
      state.lastAt = now();
      append({ text: stateLine(state) });
    },
    async stop() {
      for (let before = -1; backlog.length !== before; await sealSoon()) {
        before = backlog.length;
        drain();
      }
      if (!fits(current.draft, stopped().line)) tryToRotate();
      append(stopped());
      closed = true;
      clearTimeout(flushTimer);
      if (backlog.length === 0) closeCurrent();
      await sealSoon();
    },
    async release() {
      alive.close();
      await rm(join(dir, "alive"), { force: true });
    },
  };
}

/** What goes into the journal at once, and what it adds to the batch. */
interface Entry {
  readonly text: string;
  readonly named?: Named;
  readonly begun?: BegunCall;
  readonly line?: Line;
  readonly record?: AuditRecord;
}

function entryOf(record: AuditRecord, name?: PrincipalName): Entry & { readonly line: Line } {
  const ref = "principal" in record ? record.principal.ref : "";
  const line = lineOf(record, new Map(name && [[ref, name]]));
  return { text: recordEntry(line.text), line, record, ...(line.named && { named: line.named }) };
}

/**
 * Room that is kept for sealing. On a full disk only a batch that is sealed and sent makes any, so without it a disk that our own journals have
 * filled would stay full.
 */
function createBallast(dir: string): { keep(): void; drop(): void } {
  const path = join(dir, ballastFile);
  let kept = false;
  const ballast = {
    keep(): void {
      if (kept) return;
      try {
        writeFileSync(path, Buffer.alloc(maxEnvelopeBytes), { mode: 0o600 });
        kept = true;
      } catch {
        ballast.drop(); // no room: next time
      }
    },
    drop(): void {
      rmSync(path, { force: true });
      kept = false;
    },
  };
  ballast.keep();
  return ballast;
}

/** The folder appears under its name with its socket listening, so it is never seen without. */
function makeProcessFolder(spoolDir: string, identity: Identity): { dir: string; alive: Server } {
  const dir = join(spoolDir, identity.emitter);
  const making = join(spoolDir, `.${identity.emitter}`);
  makeFolder(making);
  writeFileSync(join(making, identityFile), JSON.stringify({ key: identity.key, nonce: identity.nonce }), {
    mode: 0o600,
  });
  const alive = holdAlive(making);
  renameSync(making, dir);
  return { dir, alive };
}
