import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoints } from "@tooltrail/core/log/ports";
import { fileFailure, unlessAbsent } from "./file-failure.ts";

/**
 * The checkpoint and the keys as files in `<data>/log`, replaced by renaming.
 *
 * One process has the data folder, and comparing and replacing are done in one turn of its loop: that makes them one step.
 *
 * @throws AppError `storage_full` or `unavailable`; a publication that failed for want of space has changed nothing.
 */
export function fileCheckpoints(dataDir: string, fsync: boolean): Checkpoints {
  const folder = join(dataDir, "log");
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  function read(name: string): string | undefined {
    try {
      return readFileSync(join(folder, name), "utf8");
    } catch (error) {
      return unlessAbsent(error);
    }
  }

  function replace(name: string, text: string): void {
    const path = join(folder, name);
    const temporary = join(folder, `.${name}`); // whatever a killed process left of it is written over
    let outcome: "not-applied" | "unknown" = "not-applied";
    try {
      const file = openSync(temporary, "w", 0o600);
      try {
        writeFileSync(file, text);
        if (fsync) fsyncSync(file);
      } finally {
        closeSync(file);
      }
      outcome = "unknown";
      renameSync(temporary, path);
      if (fsync) syncFolder(folder);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw fileFailure(`${path} cannot be written.`, error, outcome);
    }
  }

  return {
    async read() {
      return read("checkpoint");
    },
    async publish(text, over) {
      const there = read("checkpoint");
      if (there === text) return true;
      if (there !== over) return false;
      replace("checkpoint", text);
      return true;
    },
    async publishKeys(text) {
      if (read("vkey") !== text) replace("vkey", text);
    },
  };
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
