import { recordId } from "@tooltrail/format";
import {
  hashLeaf,
  type Leaf,
  LogFormatError,
  openCheckpoint,
  type Policy,
  parseLeaf,
  parseReceipt,
  sameBytes,
  type VerifierKey,
  verifyInclusion,
} from "@tooltrail/format/log";
import { record as recordForm } from "@tooltrail/format/schema";
import { isCanonical } from "./leaves.ts";

/**
 * What a receipt proves: this leaf stands at this place of the log that these have signed. It is the log's statement that the record came under this emitter's id and key, when the leaf says.
 * The emitter's own signature is not in it: that lies in the ledger.
 */
export interface Proven {
  readonly id: string;
  readonly index: number;
  readonly origin: string;
  readonly size: number;
  readonly leaf: Leaf;
  /** Names of the policy's witnesses that have signed. */
  readonly witnesses: readonly string[];
}

/**
 * Checks a receipt by itself, with public keys alone: the checkpoint's signature, the quorum of the policy where there is one, and that the leaf which the receipt carries is included.
 *
 * @throws LogFormatError that says what is not so.
 */
export async function verifyReceipt(
  text: string,
  keys: readonly VerifierKey[],
  policy: Policy | undefined,
): Promise<Proven> {
  const { index, extra, proof, checkpoint } = parseReceipt(text);
  if (extra === undefined) throw new LogFormatError("extra: the receipt carries no leaf");
  const witnesses = policy?.witnesses ?? [];
  const { origin, size, root, signedBy } = await openCheckpoint(checkpoint, [
    ...keys,
    ...witnesses.map(({ key }) => key),
  ]);
  const by = witnesses.filter((witness) =>
    signedBy.some(
      ({ key }) =>
        key.type === witness.key.type &&
        key.name === witness.key.name &&
        sameBytes(key.publicKey, witness.key.publicKey),
    ),
  );
  const names = by.map(({ name }) => name);
  if (policy !== undefined && !policy.satisfied(new Set(names)))
    throw new LogFormatError(
      `checkpoint: quorum "${policy.quorum}" of the policy is not met; ${names.join(", ") || "none of its witnesses"} signed`,
    );
  if (!verifyInclusion({ index, size, root, leaf: hashLeaf(extra), proof }))
    throw new LogFormatError(`proof: the leaf is not number ${index} of the ${size} that are signed`);
  const leaf = parseLeaf(extra);
  checkForm(leaf);
  return { id: recordId(leaf), index, origin, size, leaf, witnesses: names };
}

/** Whoever signed the log: a leaf that ingest would never have let in stands for no record. */
function checkForm(leaf: Leaf): void {
  const { record, key, seq, count } = leaf;
  const { error } = recordForm.safeParse(record);
  const [issue] = error?.issues ?? [];
  if (issue) throw new LogFormatError(`${["record", ...issue.path].join(".")}: ${issue.message}`);
  if (!isCanonical(leaf)) throw new LogFormatError("record: not canonical JSON (RFC 8785)");
  if (key === undefined && (seq !== 0 || count !== 1))
    throw new LogFormatError("key: missing, and a plain event is a batch of one with the number 0");
}

/** The name of the log that a receipt is of: whose key to look for. @throws LogFormatError. */
export const receiptOrigin = (text: string): string => parseReceipt(text).checkpoint.split("\n", 1)[0] ?? "";
