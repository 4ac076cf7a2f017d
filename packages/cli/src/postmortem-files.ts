import { lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Refused } from "./client.ts";
import { plain } from "./table.ts";

export interface NewFile {
  readonly name: string;
  readonly text: string;
}

/** Of plain letters, and no path: whoever sent it does not say where it lies. */
const safeName = /^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/;
const maxName = 200;

/**
 * Writes files into a folder, which is made where it is missing; nothing at all where one of them is there already, unless that is wanted.
 *
 * @returns their paths.
 * @throws Refused 400 where a name is not safe, one is there already, or the folder cannot be written.
 */
export function writeFiles(folder: string, files: readonly NewFile[], force: boolean): string[] {
  for (const { name } of files)
    if (name.length > maxName || !safeName.test(name))
      throw new Refused(400, `"${plain(name).slice(0, maxName)}" is no name that a file is written by.`);
  const paths = files.map(({ name, text }) => ({ path: join(folder, name), text }));
  const there = paths.filter(({ path }) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  if (there.length > 0 && !force)
    throw new Refused(
      400,
      `${there.map(({ path }) => path).join(", ")}: there already. Nothing was written; --force writes over it.`,
    );
  try {
    mkdirSync(folder, { recursive: true });
    for (const { path, text } of paths) {
      // Written anew, and never through a link that lies there.
      if (force) rmSync(path, { force: true });
      writeFileSync(path, text, { flag: "wx" });
    }
  } catch (error) {
    throw new Refused(400, `${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? error}).`);
  }
  return paths.map(({ path }) => path);
}
