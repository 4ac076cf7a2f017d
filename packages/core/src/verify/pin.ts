import { type Checkpoint, consistencyProof, type ReadTile, toBase64, verifyConsistency } from "@tooltrail/format/log";
import type { Findings } from "./report.ts";

/** What was verified the last time: whoever keeps it notices a log that was cut, or written anew. */
export interface Pinned {
  readonly size: number;
  readonly root: Uint8Array;
  /** When, in milliseconds: only for words. */
  readonly checkedAtMs: number;
}

/** Whether a log that was seen before has only grown since. @returns whether it has. */
export async function checkGrown(
  pinned: Pinned,
  checkpoint: Checkpoint,
  read: ReadTile,
  findings: Findings,
): Promise<boolean> {
  const before = `${pinned.size} leaves with the root ${toBase64(pinned.root)} (verified ${new Date(pinned.checkedAtMs).toISOString()})`;
  const now = `${checkpoint.size} leaves with the root ${toBase64(checkpoint.root)}`;
  if (checkpoint.size < pinned.size) {
    findings.fail("rollback", `The log has been cut: it had ${before}, and has ${now}.`);
    return false;
  }
  const proof =
    pinned.size === 0 || pinned.size === checkpoint.size
      ? []
      : await consistencyProof(pinned.size, checkpoint.size, read);
  const { size, root } = checkpoint;
  if (verifyConsistency({ oldSize: pinned.size, oldRoot: pinned.root, size, root, proof })) return true;
  findings.fail(
    "fork",
    `The log is not the one that was verified before: it had ${before}, and what has ${now} does not contain that.`,
  );
  return false;
}
