import { cpus, loadavg, release, totalmem } from "node:os";
import { openDatabase } from "@tooltrail/local/sqlite";
import { inScratch } from "./scratch.ts";

/** What the figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly node: string;
  readonly os: string;
  /** As the one-machine pipeline opens its database. */
  readonly sqlite: { readonly version: string; readonly journal: string; readonly synchronous: string };
  /** Processes that wanted a core in the minute before: above 0, the figures are noisier. */
  readonly loadBefore: number;
}

export const describeMachine = (): Promise<Machine> =>
  inScratch(async (dir) => {
    const db = openDatabase(dir, false);
    const ask = (query: string): string => String(Object.values(db.prepare(query).get() ?? {})[0]);
    const sqlite = {
      version: ask("SELECT sqlite_version()"),
      journal: ask("PRAGMA journal_mode"),
      synchronous: ["OFF", "NORMAL", "FULL", "EXTRA"][Number(ask("PRAGMA synchronous"))] ?? "?",
    };
    db.close();
    return {
      cores: cpus().length,
      cpu: cpus()[0]?.model ?? "?",
      memoryGb: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      os: `${process.platform} ${release()}`,
      sqlite,
      loadBefore: loadavg()[0] ?? 0,
    };
  });

export const machineText = ({ cores, cpu, memoryGb, node, os, sqlite, loadBefore }: Machine): string =>
  `${cores} cores (${cpu}), ${memoryGb} GB, ${os}, Node ${node}, SQLite ${sqlite.version} ${sqlite.journal} ${sqlite.synchronous}, load before ${loadBefore}`;
