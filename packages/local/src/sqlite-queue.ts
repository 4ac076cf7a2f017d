import type { DatabaseSync } from "node:sqlite";
import { guarded, transaction } from "./sqlite.ts";

export interface Message {
  readonly id: number;
  readonly messageId: string;
  readonly body: string;
  readonly sentAtMs: number;
  /** How often it has been delivered, this time included. */
  readonly receives: number;
}

/**
 * What SQS is on AWS: a message stays until it is deleted, and is seen again when its visibility ends. At least once, oldest first
 * as far as visibility allows.
 */
export interface Queue {
  /** All of them or, where it throws, none. */
  send(messages: readonly { messageId: string; body: string }[], nowMs: number): void;
  /** Hides what it returns until `visibleAtMs`. At most `limit` messages, and more than one only up to `maxBytes`. */
  receive(limit: number, maxBytes: number, nowMs: number, visibleAtMs: number): Message[];
  delete(ids: readonly number[]): void;
  /** Shows a message again at a time. */
  release(id: number, visibleAtMs: number): void;
  /** When the next message can be seen; undefined where there is none. */
  nextVisibleAtMs(): number | undefined;
}

/** Tables of queues: what came over the bus, and alerts. */
export type QueueTable = "queue" | "alert_queue";

export function sqliteQueue(db: DatabaseSync, table: QueueTable = "queue"): Queue {
  const insert = db.prepare(
    `INSERT INTO ${table} (message_id, body, sent_at, visible_at, receives) VALUES (?, ?, ?, ?, 0)`,
  );
  const visible = db.prepare(`SELECT * FROM ${table} WHERE visible_at <= ? ORDER BY visible_at, id LIMIT ?`);
  const hide = db.prepare(`UPDATE ${table} SET visible_at = ?, receives = receives + 1 WHERE id = ?`);
  const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`);
  const show = db.prepare(`UPDATE ${table} SET visible_at = ? WHERE id = ?`);
  const next = db.prepare(`SELECT min(visible_at) AS at FROM ${table}`);
  // Whoever held messages is dead: this process alone has the folder.
  db.exec(`UPDATE ${table} SET visible_at = 0 WHERE visible_at > 0`);

  return {
    send: (messages, nowMs) =>
      transaction(db, () => {
        for (const { messageId, body } of messages) insert.run(messageId, body, nowMs, nowMs);
      }),
    receive: (limit, maxBytes, nowMs, visibleAtMs) =>
      transaction(db, () => {
        const messages: Message[] = [];
        let bytes = 0;
        for (const row of visible.all(nowMs, limit) as unknown as Row[]) {
          bytes += row.body.length;
          if (messages.length > 0 && bytes > maxBytes) break;
          hide.run(visibleAtMs, row.id);
          messages.push(messageOf(row));
        }
        return messages;
      }),
    delete: (ids) =>
      transaction(db, () => {
        for (const id of ids) remove.run(id);
      }),
    release: (id, visibleAtMs) => void guarded(() => show.run(visibleAtMs, id)),
    nextVisibleAtMs: () => (guarded(() => next.get()) as { at: number | null }).at ?? undefined,
  };
}

interface Row {
  readonly id: number;
  readonly message_id: string;
  readonly body: string;
  readonly sent_at: number;
  readonly receives: number;
}

const messageOf = ({ id, message_id, body, sent_at, receives }: Row): Message => ({
  id,
  messageId: message_id,
  body,
  sentAtMs: sent_at,
  receives: receives + 1,
});
