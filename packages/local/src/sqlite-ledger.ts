import type { DatabaseSync } from "node:sqlite";
import type { Ledger, StoredBatch } from "@tooltrail/core/ports";
import { guarded } from "./sqlite.ts";

interface Row {
  readonly headers: string;
  readonly sig: string | null;
  readonly body: string;
  readonly identity: string;
  readonly received_at: number;
  readonly account: string;
}

/** The ledger as a table whose primary key is (emitter, seq). One process writes, so each statement is a point in time. */
export function sqliteLedger(db: DatabaseSync): Ledger {
  const insert = db.prepare(
    `INSERT INTO ledger (emitter, seq, server, last_at, headers, sig, body, identity, received_at, account)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const identityOf = db.prepare("SELECT identity FROM ledger WHERE emitter = ? AND seq = ?");
  const one = db.prepare("SELECT * FROM ledger WHERE emitter = ? AND seq = ?");
  const newest = "ORDER BY last_at DESC, emitter DESC, seq DESC LIMIT ?";
  const all = db.prepare(`SELECT * FROM ledger WHERE (last_at, emitter, seq) <= (?, ?, ?) ${newest}`);
  const ofServer = db.prepare(
    `SELECT * FROM ledger WHERE server = ? AND (last_at, emitter, seq) <= (?, ?, ?) ${newest}`,
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
      const row = guarded(() => one.get(emitter, seq)) as Row | undefined;
      return row && batchOf(row);
    },
    async newestFirst({ server, from = end, limit }) {
      const bounds = [from.lastAt, from.emitter, from.seq, limit] as const;
      const rows = guarded(() => (server === undefined ? all.all(...bounds) : ofServer.all(server, ...bounds)));
      return (rows as unknown as Row[]).map(batchOf);
    },
  };
}

const end = { lastAt: Number.MAX_SAFE_INTEGER, emitter: "~", seq: Number.MAX_SAFE_INTEGER };

const batchOf = ({ headers, sig, body, identity, received_at, account }: Row): StoredBatch => ({
  headers: JSON.parse(headers),
  ...(sig !== null && { sig }),
  body,
  identity,
  receivedAtMs: received_at,
  account,
});
