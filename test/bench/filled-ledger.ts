import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { StoredBatch } from "@tooltrail/core/ports";
import { type CallRecord, headersHash } from "@tooltrail/format";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqlitePrincipals } from "@tooltrail/local/sqlite-state";
import { randomFrom } from "../support/pieces.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

/**
 * A ledger that grows like one of a company: 60 servers, 3,000 people, a day of traffic. Two batches of three are of one person's stdio
 * server, as proxies write them; the third is of a server that many share. Some people call a lot, most of them little.
 */
export interface LedgerFiller {
  /**
   * Adds batches of 50 until there are so many records, newer than all before them; the last is `nowMs` old at most a few seconds.
   *
   * @param onStored what to do with each few hundred batches, on the same database.
   */
  growTo(
    records: number,
    onStored?: (db: DatabaseSync, batches: readonly StoredBatch[]) => Promise<void>,
  ): Promise<void>;
  /** Something of everything, for questions. */
  readonly asked: {
    readonly servers: readonly string[];
    readonly principals: readonly string[];
    readonly ids: string[];
  };
}

const recordsPerBatch = 50;
const batchesTogether = 200;
const people = 3_000;
const servers = Array.from({ length: 60 }, (_, i) => `server-${i}`);
const dayMs = 86_400_000;

/** @param dir the pipeline's folder; it must not be running while the ledger grows. @param records how many there will be in the end. */
export function createLedgerFiller(dir: string, samples: readonly CallRecord[], records: number): LedgerFiller {
  const random = randomFrom(1);
  const callers = Array.from({ length: people }, (_, n) => aCaller(n));
  const emitters = servers.flatMap((server) => [0, 1, 2].map(() => createTrafficEmitter(server, samples)));
  const someone = () => callers[Math.floor(random() ** 2 * people)] ?? aCaller(0);
  const stepMs = dayMs / records;
  const firstMs = Date.now() - dayMs;
  const ids: string[] = [];
  const waiting: StoredBatch[] = [];
  let stored = 0;

  return {
    asked: { servers, principals: callers.map(({ name }) => name.subject), ids },
    async growTo(count, onStored = async () => undefined) {
      const db = openDatabase(join(dir, "data"), false);
      const ledger = sqliteLedger(db);
      await sqlitePrincipals(db).put(Object.fromEntries(callers.map(({ ref, name }) => [ref, name])));
      for (; stored < count; stored += recordsPerBatch) {
        const emitter = emitters[Math.floor(random() * emitters.length)];
        if (emitter === undefined) continue;
        const who = random() < 2 / 3 ? [someone()] : Array.from({ length: recordsPerBatch }, someone);
        const times = timesFrom(firstMs + stored * stepMs, recordsPerBatch, stepMs).map(Math.floor);
        const { headers, sig, body } = await emitter.next(times, who);
        const identity = headersHash(headers);
        const batch = { headers, sig, body, identity, receivedAtMs: headers.lastAt, account: "000000000000" };
        await ledger.append(batch);
        if (waiting.push(batch) === batchesTogether) await onStored(db, waiting.splice(0));
        if (stored % 1_000 === 0) ids.push(emitter.lastId());
      }
      if (waiting.length > 0) await onStored(db, waiting.splice(0));
      db.close();
    },
  };
}
