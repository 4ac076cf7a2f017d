import type { DatabaseSync } from "node:sqlite";
import type { Register } from "@tooltrail/core/log/ports";
import { guarded } from "./sqlite.ts";

/** A register as a row: its value as JSON, and its version, which begins at 1. */
export function sqliteRegister<Value>(db: DatabaseSync, name: string): Register<Value> {
  const one = db.prepare("SELECT value, version FROM registers WHERE name = ?");
  const first = db.prepare("INSERT INTO registers (name, value, version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING");
  const next = db.prepare("UPDATE registers SET value = ?, version = version + 1 WHERE name = ? AND version = ?");
  return {
    async read() {
      const row = guarded(() => one.get(name)) as { value: string; version: number } | undefined;
      return row && { value: JSON.parse(row.value) as Value, version: row.version };
    },
    async write(value, expected) {
      const text = JSON.stringify(value);
      const { changes } = guarded(() =>
        expected === undefined ? first.run(name, text) : next.run(text, name, expected),
      );
      return changes === 1;
    },
  };
}
