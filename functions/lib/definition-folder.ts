import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Audit, Caller } from "@tooltrail/core/audit";
import type { FolderPlan, NamedText } from "@tooltrail/core/folder";
import type { Projections } from "@tooltrail/core/follow/ports";
import { planResponseFolder } from "@tooltrail/core/response/folder";
import { applyResponse } from "@tooltrail/core/response/store";
import { applyDefinitions } from "@tooltrail/core/slo/definitions";
import { planFolder } from "@tooltrail/core/slo/folder";
import { sha256 } from "@tooltrail/format";

export interface FolderOptions {
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

/** A folder whose files are what is defined on this machine. */
export interface DefinitionFolder {
  /** Looks at it now, and every few seconds until it is stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What is done with the files of a folder. `what`: begins the names of audited actions. */
interface Kept {
  readonly what: "slo" | "response";
  readonly plan: (projections: Projections, files: readonly NamedText[]) => Promise<FolderPlan>;
  readonly apply: typeof applyDefinitions;
}

/** A folder of OpenSLO files. */
export const createSloFolder = (options: FolderOptions): DefinitionFolder =>
  createFolder({ what: "slo", plan: planFolder, apply: applyDefinitions }, options);

/** A folder of playbooks, runbooks, destinations and policies. */
export const createResponseFolder = (options: FolderOptions): DefinitionFolder =>
  createFolder({ what: "response", plan: planResponseFolder, apply: applyResponse }, options);

const lookEachMs = 5_000;
const maxFiles = 1_000;
const maxFileBytes = 1_048_576;

/**
 * Applies what a folder of `*.yaml` says, each change audited before it is made. A folder that is not there defines nothing, and removes nothing either: somebody may be putting it in place.
 */
function createFolder(
  { what, plan: planFiles, apply }: Kept,
  { folder, projections, audit, caller, now, onFaults, onError }: FolderOptions,
): DefinitionFolder {
  let seen: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const entries = await entriesIn(folder);
    if (entries === undefined) return;
    const signature = JSON.stringify(entries);
    if (signature === seen) return;
    const files: NamedText[] = [];
    const unread: string[] = [];
    for (const { name, size } of entries) {
      const path = join(folder, name);
      try {
        if (size > maxFileBytes) unread.push(`${path}: over ${maxFileBytes} bytes, which no definition needs.`);
        else files.push({ name: path, text: await readFile(path, "utf8") });
      } catch (error) {
        unread.push(`${path}: cannot be read: ${(error as Error).message}.`);
      }
    }
    const plan = await planFiles(projections, files);
    // What is not read may define any of those that are missing.
    const removing = unread.length > 0 ? [] : plan.removing;
    for (const { name, document, file } of plan.applying)
      await audit(caller, `${what}.apply`, {
        name,
        sha256: sha256(JSON.stringify(document)),
        file: file.slice(-1_024).toWellFormed(),
      });
    for (const name of removing) await audit(caller, `${what}.remove`, { name });
    if (plan.applying.length + removing.length > 0)
      await apply(projections, plan.applying, { removing, source: "folder", nowMs: now() });
    seen = signature;
    onFaults([...plan.faults, ...unread]);
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
    async start() {
      await look().catch(onError);
      again();
    },
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await looking;
    },
  };
}

interface Entry {
  readonly name: string;
  readonly size: number;
  /** What tells one state of it from the next. */
  readonly state: string;
}

/** Its definitions, by name: regular files, and none whose name begins with a dot, as those of editors do. Undefined where there is no folder. */
async function entriesIn(folder: string): Promise<Entry[] | undefined> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  const wanted = names
    ?.filter((name) => /^[^.].*\.ya?ml$/.test(name))
    .sort()
    .slice(0, maxFiles);
  const entries = wanted?.map(async (name) => {
    // One that went away meanwhile is none.
    const found = await stat(join(folder, name)).catch(() => undefined);
    return found?.isFile() ? [{ name, size: found.size, state: `${found.ino} ${found.mtimeMs}` }] : [];
  });
  return entries && (await Promise.all(entries)).flat();
}
