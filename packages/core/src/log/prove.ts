import { type RecordPlace, recordId } from "@tooltrail/format";
import {
  decodeBundle,
  hashLeaf,
  inclusionProof,
  LogFormatError,
  openCheckpoint,
  parseLeaf,
  type Receipt,
  tileReader,
  type VerifierKey,
  verifyInclusion,
} from "@tooltrail/format/log";
import { AppError } from "../errors.ts";
import type { BatchIndex, BlobReader, Checkpoints } from "./ports.ts";

export interface ProverPorts {
  readonly index: Pick<BatchIndex, "firstLeaves">;
  readonly blobs: BlobReader;
  readonly checkpoints: Pick<Checkpoints, "read">;
  /** The log's own. */
  readonly keys: readonly VerifierKey[];
}

/**
 * A receipt: that a record is in the log, for anybody who has the log's public key, without us.
 *
 * The index only says where to look. What is found there is checked to be that record, under the signed root.
 *
 * @throws AppError not_found where there is no such record in the log, or no signed checkpoint that covers it, yet.
 * @throws AppError internal where index, tiles and checkpoint contradict each other: `verify` tells what is wrong.
 */
export async function prove(ports: ProverPorts, place: RecordPlace): Promise<Receipt> {
  const id = recordId(place);
  const [firstLeaf] = await ports.index.firstLeaves([place]);
  if (firstLeaf === undefined)
    throw new AppError(
      "not_found",
      `${id}: not in the log. A record that has just arrived comes into it within seconds.`,
    );
  const checkpoint = await ports.checkpoints.read();
  try {
    return await receipt(ports, place, firstLeaf, checkpoint);
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    throw new AppError("internal", `${id}: the log does not hold together: ${error.message} Run tooltrail verify.`, {
      cause: error,
    });
  }
}

async function receipt(
  { blobs, keys }: ProverPorts,
  place: RecordPlace,
  firstLeaf: number,
  checkpoint: string | undefined,
): Promise<Receipt> {
  const id = recordId(place);
  const index = firstLeaf + place.index;
  const opened = checkpoint === undefined ? undefined : await openCheckpoint(checkpoint, keys);
  const size = opened?.size ?? 0;
  const notYet = `${id}: leaf ${index} of the log, whose signed checkpoint has ${size} leaves. The next one comes within seconds.`;
  // A commit is signed whole, so where the first of a batch is covered all of it is.
  if (checkpoint === undefined || opened === undefined || firstLeaf >= size) throw new AppError("not_found", notYet);

  const read = tileReader((name) => blobs.read(name));
  const bundles = new Map<number, Promise<Uint8Array[]>>();
  // As they lie there: that the one which is given out is the tree's, its proof shows.
  const leafAt = async (number: number): Promise<Uint8Array | undefined> => {
    if (number >= size) return undefined;
    const bundle = Math.floor(number / 256);
    const tile = { level: "entries", index: bundle, width: Math.min(256, size - bundle * 256) } as const;
    const entries = bundles.get(bundle) ?? read(tile).then((bytes) => decodeBundle(bytes, tile.width));
    bundles.set(bundle, entries);
    return (await entries)[number % 256];
  };
  const first = parseLeaf((await leafAt(firstLeaf)) ?? new Uint8Array());
  if (first.emitter !== place.emitter || first.seq !== place.seq || first.index !== 0)
    throw new AppError(
      "internal",
      `${id}: the index says leaf ${firstLeaf}, where another record begins: ${recordId(first)}. Run tooltrail verify.`,
    );
  if (place.index >= first.count)
    throw new AppError("not_found", `${id}: not in the log. Its batch has ${first.count} records, numbered from 0.`);
  const extra = await leafAt(index);
  const leaf = extra && parseLeaf(extra);
  if (extra === undefined || leaf?.emitter !== place.emitter || leaf.seq !== place.seq || leaf.index !== place.index)
    throw new AppError(
      "internal",
      `${id}: leaf ${index} is another record${leaf ? `: ${recordId(leaf)}` : ""}. Run tooltrail verify.`,
    );
  const proof = await inclusionProof(index, size, read);
  if (!verifyInclusion({ index, size, root: opened.root, leaf: hashLeaf(extra), proof }))
    throw new AppError("internal", `${id}: leaf ${index} is not under the signed root. Run tooltrail verify.`);
  return { index, extra, proof, checkpoint };
}
