import { readFileSync } from "node:fs";
import { join } from "node:path";
import { recordId } from "@tooltrail/format";
import { type Checkpoint, type Leaf, parseCheckpointBody, parseNote } from "@tooltrail/format/log";
import { inFolder, isGrownFrom, seeLog } from "../support/log-reader.ts";
import type { ChaosPlace } from "./place.ts";
import type { Problems } from "./problems.ts";

/** Keeps every checkpoint that was ever seen: what is published must never be taken back. */
export interface Watch {
  look(): void;
  readonly seen: ReadonlyMap<string, Checkpoint>;
}

export function watchCheckpoints({ data }: ChaosPlace): Watch {
  const seen = new Map<string, Checkpoint>();
  return {
    seen,
    look() {
      const text = textIn(join(data, "log/checkpoint"));
      if (text === undefined) return;
      const { body } = parseNote(text);
      seen.set(body, parseCheckpointBody(body));
    },
  };
}

/**
 * Holds the log against the ledger, by its format alone: each record is one leaf, and the last checkpoint extends all that were seen. The pipeline must have stopped.
 *
 * @param ids of all records in the ledger. @returns all leaves.
 */
export async function auditLog(
  place: ChaosPlace,
  ids: Iterable<string>,
  { seen }: Watch,
  problems: Problems,
): Promise<readonly Leaf[]> {
  const log = await seeLog(inFolder(place.data));
  if (log === undefined) {
    problems.add("no checkpoint was published", place.data);
    return [];
  }
  const leaves = await log.leaves();
  const times = new Map<string, number>();
  for (const leaf of leaves) times.set(recordId(leaf), (times.get(recordId(leaf)) ?? 0) + 1);
  for (const id of ids) {
    if (!times.has(id)) problems.add("a record of the ledger is not in the log", id);
    else if (times.get(id) !== 1) problems.add("a record is in the log more than once", id);
    times.delete(id);
  }
  for (const id of times.keys()) problems.add("a leaf of a record that is not in the ledger", id);
  for (const [body, earlier] of seen) {
    const grown = earlier.size <= log.size && (await isGrownFrom(log, earlier));
    if (!grown) problems.add("a checkpoint was taken back", body);
  }
  return leaves;
}

function textIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
