import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Audit, Caller } from "@tooltrail/core/audit";
import type { Projections } from "@tooltrail/core/follow/ports";
import { applyDefinitions } from "@tooltrail/core/slo/definitions";
import { type NamedText, planFolder } from "@tooltrail/core/slo/folder";
import { sha256 } from "@tooltrail/format";

export interface SloFolderOptions {
  readonly folder: string;
  readonly projections: Projections;
  readonly audit: Audit;
  /** Who can write there. */
  readonly caller: Caller;
  readonly now: () => number;
  /** Told once of each fault, until the folder changes again. */
  readonly onFaults: (faults: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
}

/** A folder whose OpenSLO files are what is defined on this machine. */
export interface SloFolder {
  /** Looks at it now. */
  look(): Promise<void>;
  /** Looks every few seconds, until it is stopped. */
  start(): void;
  stop(): Promise<void>;
}

const lookEachMs = 5_000;
const maxFiles = 1_000;
const maxFileBytes = 1_048_576;

/**
 * Applies what a folder of `*.yaml` says, each change audited before it is made. A folder that is not there defines nothing, and removes nothing either: somebody may be putting it in place.
 */
export function createSloFolder({
  folder,
  projections,
  audit,
  caller,
  now,
  onFaults,
  onError,
}: SloFolderOptions): SloFolder {
  let seen: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const names = await namesIn(folder);
    if (names === undefined) return;
    const sizes = await Promise.all(names.map(async (name) => ({ name, ...(await stat(join(folder, name))) })));
    const signature = JSON.stringify(sizes.map(({ name, size, mtimeMs, ino }) => [name, size, mtimeMs, ino]));
    if (signature === seen) return;
    const tooLarge = sizes.filter(({ size }) => size > maxFileBytes).map(({ name }) => join(folder, name));
    const files: NamedText[] = [];
    for (const name of names)
      if (!tooLarge.includes(join(folder, name)))
        files.push({ name: join(folder, name), text: await readFile(join(folder, name), "utf8") });
    const { applying, removing, faults } = await planFolder(projections, files);
    for (const { name, document, file } of applying)
      await audit(caller, "slo.apply", {
        name,
        sha256: sha256(JSON.stringify(document)),
        file: file.slice(-1_024).toWellFormed(),
      });
    // A file that is not read may define any of them.
    const gone = tooLarge.length > 0 ? [] : removing;
    for (const name of gone) await audit(caller, "slo.remove", { name });
    if (applying.length + gone.length > 0)
      await applyDefinitions(projections, applying, { removing: gone, source: "folder", nowMs: now() });
    seen = signature;
    onFaults([
      ...faults,
      ...tooLarge.map((file) => `${file}: over ${maxFileBytes} bytes, which no definition needs. It is not read.`),
    ]);
  }

  function again(): void {
    timer = setTimeout(() => {
      looking = look()
        .catch(onError)
        .finally(() => {
          if (timer !== undefined) again();
        });
    }, lookEachMs);
  }

  return {
    look,
    start: again,
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await looking;
    },
  };
}

/** Names of its definitions, in order; undefined where there is no folder. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .slice(0, maxFiles);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
