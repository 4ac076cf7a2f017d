import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { AppError, type WriteOutcome } from "@tooltrail/core/errors";
import type { Folders } from "@tooltrail/core/incidents/ports";
import { fileFailure, unlessAbsent } from "./file-failure.ts";

/**
 * Folders within one of this machine: documents name them, and nobody's document is to write anywhere else. A file is written under another name and renamed, so that whoever reads meets the old one or the new one, whenever this is killed; what is left then is a hidden file.
 * Folders are made where there are none. A link in the place of a file is replaced and not followed: it would lead out of the folder.
 *
 * @param base what every folder is, or is below of.
 * @throws AppError invalid for a folder elsewhere, and for a name that is no plain one; `storage_full` or `unavailable` where the disk does not do it.
 */
export const fileFolders = (base: string): Folders => ({
  async read(folder, name) {
    const path = join(placeIn(base, folder), plainName(name));
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(unlessAbsent);
      try {
        return await file?.readFile("utf8");
      } finally {
        await file?.close();
      }
    } catch (error) {
      throw fileFailure(`${path} cannot be read.`, error);
    }
  },
  async write(folder, name, text) {
    const place = placeIn(base, folder);
    const path = join(place, plainName(name));
    const temporary = join(place, `.${randomBytes(8).toString("hex")}.tmp`);
    let outcome: WriteOutcome = "not-applied";
    try {
      await mkdir(place, { recursive: true, mode: 0o700 });
      await writeNew(temporary, text);
      outcome = "unknown";
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw fileFailure(`${path} cannot be written.`, error, outcome);
    }
  },
});

function placeIn(base: string, folder: string): string {
  const [whole, place] = [resolve(base), resolve(base, folder)];
  if (place === whole || place.startsWith(`${whole}${sep}`)) return place;
  throw new AppError("invalid", `The folder is not below ${whole}, the pipeline's own: write the path from there.`);
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

function plainName(name: string): string {
  if (!/^[A-Za-z0-9_][\w.-]{0,199}$/.test(name))
    throw new AppError(
      "invalid",
      "The name of a file is no plain one: letters, digits, dots, hyphens and underscores.",
    );
  return name;
}
