import type { DatabaseSync } from "node:sqlite";
import { AppError } from "@tooltrail/core/errors";
import type { BatchPosition, Ledger, ListedBatch, StoredBatch } from "@tooltrail/core/ports";
import { guarded } from "./sqlite.ts";

/** A row as it lies there. */
export interface Row {
  readonly emitter: string;
  readonly seq: number;
  readonly headers: string;
  readonly sig: string | null;
  readonly body: string;
  readonly identity: string;
  readonly received_at: number;
  readonly account: string;
}

const columns = "emitter, seq, headers, sig, body, identity, received_at, account";

/** The ledger as a table whose primary key is (emitter, seq). One process writes, so each statement is a point in time. */
export function sqliteLedger(db: DatabaseSync): Ledger {
  const insert = db.prepare(
    `INSERT INTO ledger (emitter, seq, server, last_at, headers, sig, body, identity, received_at, account)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const identityOf = db.prepare("SELECT identity FROM ledger WHERE emitter = ? AND seq = ?");
  const one = db.prepare(`SELECT ${columns} FROM ledger WHERE emitter = ? AND seq = ?`);
  const newest = "ORDER BY last_at DESC, emitter DESC, seq DESC LIMIT ?";
  const positions = db.prepare(
    `SELECT last_at AS lastAt, emitter, seq, server FROM ledger WHERE last_at >= ? AND (last_at, emitter, seq) <= (?, ?, ?) ${newest}`,
  );
  const all = db.prepare(`SELECT ${columns} FROM ledger WHERE (last_at, emitter, seq) <= (?, ?, ?) ${newest}`);
  const ofServer = db.prepare(
    `SELECT ${columns} FROM ledger WHERE server = ? AND (last_at, emitter, seq) <= (?, ?, ?) ${newest}`,
  );

  return {
    async append({ headers, sig, body, identity, receivedAtMs, account }) {
      return guarded(() => {
        const { emitter, seq, server, lastAt } = headers;
        const text = JSON.stringify(headers);
        const { changes } = insert.run(
          emitter,
          seq,
          server.id,
          lastAt,
          text,
          sig ?? null,
          body,
          identity,
          receivedAtMs,
          account,
        );
        if (changes === 1) return "appended";
        const there = identityOf.get(emitter, seq) as unknown as { identity: string };
        return there.identity === identity ? "duplicate" : { conflict: there.identity };
      });
    },
    async read(emitter, seq) {
      try {
        const row = guarded(() => one.get(emitter, seq)) as Row | undefined;
        return row && batchOf(row);
      } catch (error) {
        // A number that JavaScript does not have is not read at all.
        throw error instanceof RangeError ? unreadable(`${emitter} ${seq}`, error) : error;
      }
    },
    async newestFirst({ server, from = end, limit }) {
      const bounds = [from.lastAt, from.emitter, from.seq, limit] as const;
      const rows = guarded(() => (server === undefined ? all.all(...bounds) : ofServer.all(server, ...bounds)));
      return (rows as unknown as Row[]).map(batchOf);
    },
    async positions({ sinceMs, cursor, limit }) {
      const from = cursor === undefined ? end : placeOf(cursor);
      // One more than a page has: it is where the next one begins.
      const rows = guarded(() => positions.all(sinceMs, from.lastAt, from.emitter, from.seq, limit + 1));
      const found = (rows as unknown as ListedBatch[]).map((row) => ({ ...row }));
      const next = found[limit];
      return { positions: found.slice(0, limit), ...(next && { next: cursorOf(next) }) };
    },
  };
}

const cursorOf = ({ lastAt, emitter, seq }: BatchPosition): string => `${lastAt}.${emitter}.${seq}`;

function placeOf(cursor: string): BatchPosition {
  const [, lastAt, emitter, seq] = /^(\d{1,16})\.([^.]+)\.(\d{1,15})$/.exec(cursor) ?? [];
  if (emitter === undefined) throw new AppError("invalid", "cursor: not one that this ledger gave out.");
  return { lastAt: Number(lastAt), emitter, seq: Number(seq) };
}

const end = { lastAt: Number.MAX_SAFE_INTEGER, emitter: "~", seq: Number.MAX_SAFE_INTEGER };

/**
 * The batch of a row, for whoever reads the table itself.
 *
 * @throws AppError internal that names the row, where its headers are none: then somebody has been at the file.
 */
export const batchOf = ({ emitter, seq, headers, sig, body, identity, received_at, account }: Row): StoredBatch => ({
  headers: headersOf(headers, `${emitter} ${seq}`),
  ...(sig !== null && { sig }),
  body,
  identity,
  receivedAtMs: received_at,
  account,
});

function headersOf(text: string, row: string): StoredBatch["headers"] {
  try {
    const headers: StoredBatch["headers"] | null = JSON.parse(text);
    if (typeof headers === "object" && headers !== null) return headers;
    throw new SyntaxError("its headers are no object");
  } catch (error) {
    throw unreadable(row, error as Error);
  }
}

const unreadable = (row: string, cause: Error): AppError =>
  new AppError("internal", `The ledger's row ${row} is no batch: ${cause.message}.`, { cause });
