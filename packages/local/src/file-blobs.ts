import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { link, mkdir, open, readdir, readFile, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isObjectName, objectName } from "@tooltrail/core/log/object-name";
import type { Blobs } from "@tooltrail/core/log/ports";
import { codeOf, fileFailure, unlessAbsent } from "./file-failure.ts";

/** Of this process: by it what it is writing is told from what a dead one was. */
const life = randomBytes(8).toString("hex");
const maxAttempts = 10;

/**
 * The log's objects as files below `<data>/log`.
 *
 * An object is written under another name and then linked to its own: `link` fails where there is one, and shows the whole file at once. What a killed process
 * was writing lies in a folder of its own, which is swept at the start. Retired objects are gone at once.
 *
 * @param fsync whether an answered `put` also survives a power loss: file and folders are flushed to the disk then.
 * @throws AppError invalid for a name that is none; `storage_full` or `unavailable` where the disk does not do it.
 */
export function fileBlobs(dataDir: string, fsync: boolean): Blobs {
  const root = join(dataDir, "log");
  const unfinished = join(root, ".unfinished");
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(unfinished))
    if (!name.startsWith(life)) rmSync(join(unfinished, name), { force: true });
  /** Folders that are on the disk themselves. What is in them may not be. */
  const flushed = new Set<string>([dirname(root)]);

  const pathOf = (name: string): string => join(root, objectName(name));

  async function write(temporary: string, bytes: Uint8Array): Promise<void> {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      if (fsync) await file.sync();
    } finally {
      await file.close();
    }
  }

  /** @returns whether there was none. */
  async function linkTo(path: string, temporary: string): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await link(temporary, path);
        return true;
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false;
        // The folder was empty, and somebody who retired the last object in it took it away between our two steps.
        if (codeOf(error) !== "ENOENT" || attempt === maxAttempts) throw error;
      }
    }
  }

  /** A name is on the disk when its folder is, and that one's name in turn: up to what is known to be. */
  async function flush(folder: string): Promise<void> {
    await syncFolder(folder);
    for (let at = folder; !flushed.has(at); at = dirname(at)) {
      await syncFolder(dirname(at));
      flushed.add(at);
    }
  }

  return {
    async put(name, bytes) {
      const path = pathOf(name);
      const temporary = join(unfinished, `${life}-${randomBytes(8).toString("hex")}`);
      let outcome: "not-applied" | "unknown" = "not-applied";
      try {
        await write(temporary, bytes);
        const isNew = await linkTo(path, temporary);
        outcome = "unknown";
        // Also where it was there: whoever put it may have been killed just before this.
        if (fsync) await flush(dirname(path));
        return isNew ? "put" : "exists";
      } catch (error) {
        throw fileFailure(`${name} cannot be written.`, error, outcome);
      } finally {
        // What stays is swept at the next start.
        await unlink(temporary).catch(() => undefined);
      }
    },
    async read(name) {
      try {
        return await readFile(pathOf(name)).catch(unlessAbsent);
      } catch (error) {
        throw fileFailure(`${name} cannot be read.`, error);
      }
    },
    async list(prefix) {
      const end = prefix.lastIndexOf("/") + 1;
      // What begins no name has nothing below it; and nobody looks outside for it.
      if (!isObjectName(`${prefix.slice(0, end)}0/0`)) return [];
      try {
        return (await filesIn(root, prefix.slice(0, end), prefix.slice(end))).filter(isObjectName);
      } catch (error) {
        throw fileFailure(`The names that begin with ${prefix} cannot be read.`, error);
      }
    },
    async retire(names) {
      for (const name of names) {
        const path = pathOf(name);
        try {
          await unlink(path).catch(unlessAbsent);
          // The folder of partials, once it is empty, says nothing any more.
          if (!dirname(name).endsWith(".p")) continue;
          flushed.delete(dirname(path));
          await rmdir(dirname(path)).catch(unlessInUse);
        } catch (error) {
          throw fileFailure(`${name} cannot be removed.`, error, "unknown");
        }
      }
    },
  };
}

/** @param folder below `root`, with a slash at its end, or empty. */
async function filesIn(root: string, folder: string, beginning: string): Promise<string[]> {
  const entries = (await readdir(join(root, folder), { withFileTypes: true }).catch(unlessAbsent)) ?? [];
  const found = entries
    .filter(({ name }) => name.startsWith(beginning) && !name.startsWith("."))
    .map((entry) => (entry.isDirectory() ? filesIn(root, `${folder}${entry.name}/`, "") : [`${folder}${entry.name}`]));
  return (await Promise.all(found)).flat();
}

async function syncFolder(path: string): Promise<void> {
  // A folder that is gone, with what was in it, needs no more.
  const folder = await open(path).catch(unlessAbsent);
  try {
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}

function unlessInUse(error: unknown): void {
  if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST") unlessAbsent(error);
}
