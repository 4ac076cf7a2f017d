import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "@tooltrail/core/errors";

/**
 * One file for the tables of one machine. On AWS ledger and state are tables of their own, so nothing here joins them.
 *
 * The triggers are a fence against our own mistakes, not against whoever owns the file: that is the log's business.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS ledger (
    emitter TEXT NOT NULL, seq INTEGER NOT NULL, server TEXT NOT NULL, last_at INTEGER NOT NULL,
    headers TEXT NOT NULL, sig TEXT, body TEXT NOT NULL, identity TEXT NOT NULL,
    received_at INTEGER NOT NULL, account TEXT NOT NULL,
    PRIMARY KEY (emitter, seq)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS ledger_by_time ON ledger (last_at, emitter, seq);
  CREATE INDEX IF NOT EXISTS ledger_by_server ON ledger (server, last_at, emitter, seq);
  CREATE TRIGGER IF NOT EXISTS ledger_is_append_only BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS ledger_keeps_all BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

  CREATE TABLE IF NOT EXISTS principals (ref TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS principals_by_subject ON principals (subject);

  CREATE TABLE IF NOT EXISTS quarantine (
    id TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, body TEXT NOT NULL, received_at INTEGER NOT NULL
  ) STRICT;

  ${["queue", "alert_queue"]
    .map(
      (name) => `
  CREATE TABLE IF NOT EXISTS ${name} (
    id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, body TEXT NOT NULL, sent_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL, receives INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS ${name}_by_visibility ON ${name} (visible_at, id);`,
    )
    .join("")}

  CREATE TABLE IF NOT EXISTS registers (name TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE IF NOT EXISTS batch_index (
    emitter TEXT NOT NULL, seq INTEGER NOT NULL, first_leaf INTEGER NOT NULL, PRIMARY KEY (emitter, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE IF NOT EXISTS projection_rows (
    projection TEXT NOT NULL, generation INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (projection, generation, collection, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cursors (projection TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Whether a pipeline has worked in this folder before. */
export const hasDatabase = (dataDir: string): boolean => existsSync(databaseOf(dataDir));

const databaseOf = (dataDir: string): string => join(dataDir, "tooltrail.db");

/**
 * Opens the data folder for this process alone.
 *
 * WAL with `synchronous=NORMAL` survives kill -9; `fsync` (FULL) survives power loss too. The exclusive lock is the kernel's, so it ends
 * with the process. `secure_delete` overwrites what is deleted: the queue and the principals hold names.
 *
 * @throws AppError where the folder cannot be written, or is in use by another process.
 */
export function openDatabase(dataDir: string, fsync: boolean): DatabaseSync {
  const file = databaseOf(dataDir);
  try {
    if (!existsSync(dataDir)) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(file);
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${fsync ? "FULL" : "NORMAL"};
      PRAGMA secure_delete = ON;
      PRAGMA recursive_triggers = ON; -- else REPLACE deletes past the triggers
      BEGIN IMMEDIATE;
      ${schema}
      COMMIT;
    `);
    return db;
  } catch (error) {
    const code = sqliteCode(error);
    if (code === sqlite.busy) {
      throw new AppError(
        "conflict",
        `${dataDir} is in use by another tooltrail. Stop that one, or choose another folder with --data.`,
      );
    }
    if (code === sqlite.full)
      throw new AppError("storage_full", `${dataDir} cannot be opened: its disk is full.`, { cause: error });
    throw new AppError("forbidden", `${dataDir} cannot be opened for writing: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** https://www.sqlite.org/rescode.html, the primary codes. */
const sqlite = { busy: 5, full: 13 } as const;

const sqliteCode = (error: unknown): number | undefined => {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? undefined : errcode & 0xff;
};

/**
 * Runs one statement or transaction. SQLite undoes what fails, so nothing was applied then.
 *
 * @throws AppError `storage_full` or `unavailable`, retryable, outcome `not-applied`.
 */
export function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const code = sqliteCode(error);
    if (code === undefined) throw error;
    throw code === sqlite.full
      ? new AppError("storage_full", "The disk of the data folder is full.", { cause: error, outcome: "not-applied" })
      : new AppError("unavailable", `SQLite: ${(error as Error).message}`, { cause: error, outcome: "not-applied" });
  }
}

/** Runs several statements as one. @throws as `guarded`; nothing was applied then. */
export function transaction<T>(db: DatabaseSync, run: () => T): T {
  return guarded(() => {
    db.exec("BEGIN IMMEDIATE");
    try {
      const result = run();
      db.exec("COMMIT");
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  });
}
