import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ports } from "@tooltrail/core/ports";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqlitePrincipals, sqliteQuarantine } from "@tooltrail/local/sqlite-state";

/** Ports on a real store, with a clock that the test holds. */
export interface OpenPorts extends Ports {
  readonly clock: { nowMs: number };
  readonly digestKey: Uint8Array;
  readonly enrolledKeys: Set<string>;
  /** The same store, as a new process would find it. */
  reopen(): OpenPorts;
  close(): void;
}

export const digestKey = new Uint8Array(32).fill(3);

function sqlitePorts(dir = mkdtempSync(join(tmpdir(), "tooltrail-ports-"))): OpenPorts {
  const db = openDatabase(dir, false);
  const enrolledKeys = new Set<string>();
  const clock = { nowMs: 1_800_000_000_000 };
  return {
    ledger: sqliteLedger(db),
    principals: sqlitePrincipals(db),
    quarantine: sqliteQuarantine(db),
    surroundings: { now: () => clock.nowMs, digestKey, enrolledKeys },
    clock,
    digestKey,
    enrolledKeys,
    reopen() {
      db.close();
      return sqlitePorts(dir);
    },
    close() {
      db.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Every set of adapters; each suite runs on all of them. */
export const adapterSets: readonly (readonly [name: string, open: () => OpenPorts])[] = [
  ["SQLite", () => sqlitePorts()],
];
