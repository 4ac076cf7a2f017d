import { parseRecordId } from "@tooltrail/format";
import { receiptText } from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import { type ProverPorts, prove } from "../log/prove.ts";
import type { EvidenceItem } from "./postmortem.ts";

/** Bytes of all receipts of a postmortem. A call's has two or three thousand; a definition's may have sixty. */
const maxBytes = 100_000;

export interface Receipts {
  readonly evidence: readonly EvidenceItem[];
  /** Records that the log does not have yet: it will in seconds. */
  readonly missing: readonly string[];
  readonly limits: readonly string[];
}

/** Receipts for records that have none yet. @throws what a port throws. A log that contradicts itself is said, and is no reason to have no postmortem. */
export async function addReceipts(log: ProverPorts, evidence: readonly EvidenceItem[]): Promise<Receipts> {
  const missing: string[] = [];
  const limits: string[] = [];
  let left = maxBytes - evidence.reduce((sum, { receipt = "" }) => sum + Buffer.byteLength(receipt), 0);
  const proven: EvidenceItem[] = [];
  for (const item of evidence) {
    const receipt = item.receipt === undefined ? await receiptOf(item.record) : undefined;
    const fits = receipt !== undefined && Buffer.byteLength(receipt) <= left;
    if (fits) left -= Buffer.byteLength(receipt);
    else if (receipt !== undefined) limits.push(`There was no room for the receipt of ${item.record}.`);
    proven.push(fits ? { ...item, receipt } : item);
  }
  return { evidence: proven, missing, limits };

  async function receiptOf(id: string): Promise<string | undefined> {
    const place = parseRecordId(id);
    if (place === undefined) return undefined;
    try {
      return receiptText(await prove(log, place));
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== "not_found" && error.code !== "internal")) throw error;
      if (error.code === "not_found") missing.push(id);
      else limits.push(error.message);
      return undefined;
    }
  }
}
