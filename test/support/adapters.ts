import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ports } from "@tooltrail/core/ports";
import { fileEvents } from "@tooltrail/local/file-events";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqlitePrincipals, sqliteQuarantine } from "@tooltrail/local/sqlite-state";

export interface PublishedEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: { readonly [name: string]: unknown };
}

/** Ports on a real store, with a clock that the test holds. */
export interface OpenPorts extends Ports {
  readonly clock: { nowMs: number };
  readonly digestKey: Uint8Array;
  readonly formerDigestKeys: Uint8Array[];
  readonly enrolledKeys: Set<string>;
  /** What has been said on the bus, oldest first. */
  published(): Promise<PublishedEvent[]>;
  /** The same store, as a new process would find it. */
  reopen(): OpenPorts;
  close(): void;
}

export const digestKey = new Uint8Array(32).fill(3);

function sqlitePorts(dir = mkdtempSync(join(tmpdir(), "tooltrail-ports-"))): OpenPorts {
  const db = openDatabase(dir, false);
  const enrolledKeys = new Set<string>();
  const formerDigestKeys: Uint8Array[] = [];
  const clock = { nowMs: 1_800_000_000_000 };
  return {
    ledger: sqliteLedger(db),
    principals: sqlitePrincipals(db),
    quarantine: sqliteQuarantine(db),
    events: fileEvents(dir, () => clock.nowMs),
    surroundings: { now: () => clock.nowMs, digestKey, formerDigestKeys, enrolledKeys },
    clock,
    digestKey,
    formerDigestKeys,
    enrolledKeys,
    published: async () =>
      (await readFile(join(dir, "events.ndjson"), "utf8").catch(() => ""))
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as PublishedEvent),
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
