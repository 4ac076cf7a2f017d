import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { NamedText } from "@tooltrail/core/folder";
import { Refused } from "./client.ts";
import { unreadable } from "./text-input.ts";

/**
 * Files, and all `*.yaml` and `*.yml` right in folders, each once.
 *
 * @throws Refused (400) for what cannot be read, and for a folder that has none.
 */
export function readFiles(places: readonly string[]): NamedText[] {
  // A file may be named twice, as by a folder and by itself.
  const files = new Map(places.flatMap(filesOf).map((file) => [resolve(file), file]));
  return [...files.values()].map((name) => ({ name, text: readable(name, () => readFileSync(name, "utf8")) }));
}

function filesOf(place: string): string[] {
  if (!readable(place, () => statSync(place)).isDirectory()) return [place];
  const files = readable(place, () => readdirSync(place)).filter((name) => /\.ya?ml$/.test(name));
  if (files.length === 0) throw new Refused(400, `${place}: no *.yaml and no *.yml is in this folder.`);
  return files.sort().map((name) => join(place, name));
}

function readable<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(place, error);
  }
}
