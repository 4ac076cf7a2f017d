import type { DatabaseSync } from "node:sqlite";
import type { Principals, Quarantine, Quarantined } from "@tooltrail/core/ports";
import type { PrincipalName } from "@tooltrail/format";
import { guarded } from "./sqlite.ts";

/** Names by pseudonym. */
export function sqlitePrincipals(db: DatabaseSync): Principals {
  const put = db.prepare("INSERT INTO principals (ref, issuer, subject) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
  const name = db.prepare("SELECT issuer, subject FROM principals WHERE ref = ?");
  const refs = db.prepare("SELECT ref FROM principals WHERE subject = ? ORDER BY ref");
  return {
    async put(principals) {
      guarded(() => {
        for (const [ref, { issuer, subject }] of Object.entries(principals)) put.run(ref, issuer, subject);
      });
    },
    async names(wanted) {
      const found = wanted.map((ref) => [ref, guarded(() => name.get(ref)) as PrincipalName | undefined] as const);
      return new Map(found.filter((pair): pair is readonly [string, PrincipalName] => pair[1] !== undefined));
    },
    async refsOf(subject) {
      return (guarded(() => refs.all(subject)) as unknown as { ref: string }[]).map(({ ref }) => ref);
    },
  };
}

interface Row {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
  readonly body: string;
  readonly received_at: number;
}

/** What was refused, until it is replayed. */
export function sqliteQuarantine(db: DatabaseSync): Quarantine {
  const put = db.prepare(
    "INSERT INTO quarantine (id, reason, detail, body, received_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  );
  const read = db.prepare("SELECT * FROM quarantine WHERE id = ?");
  const list = db.prepare("SELECT * FROM quarantine WHERE id > ? ORDER BY id LIMIT ?");
  const count = db.prepare("SELECT count(*) AS n FROM quarantine WHERE received_at >= ? AND received_at < ?");
  const remove = db.prepare("DELETE FROM quarantine WHERE id = ?");
  return {
    async put({ id, reason, detail, body, receivedAtMs }) {
      guarded(() => put.run(id, reason, detail, body, receivedAtMs));
    },
    async read(id) {
      const row = guarded(() => read.get(id)) as Row | undefined;
      return row && entryOf(row);
    },
    async list({ after = "", limit }) {
      return (guarded(() => list.all(after, limit)) as unknown as Row[]).map(entryOf);
    },
    async count({ sinceMs, untilMs }) {
      return (guarded(() => count.get(sinceMs, untilMs)) as { n: number }).n;
    },
    async remove(id) {
      guarded(() => remove.run(id));
    },
  };
}

const entryOf = ({ received_at, ...row }: Row): Quarantined => ({ ...row, receivedAtMs: received_at });
