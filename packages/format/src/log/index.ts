export { decodeBundle, encodeBundle, maxEntryBytes } from "./bundle.ts";
export {
  type Checkpoint,
  checkpointBody,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpointBody,
} from "./checkpoint.ts";
export { fromBase64, sameBytes, toBase64 } from "./encoding.ts";
export { LogFormatError } from "./error.ts";
export { emptyRoot, type Hash, hashLeaf, hashNode } from "./hash.ts";
export { type Leaf, type LeafBatch, leafBytes, leafSchema, parseLeaf } from "./leaf.ts";
export {
  cosignature,
  cosignedMessage,
  isKeyName,
  logSignature,
  maxNoteBytes,
  type Note,
  type NoteSignature,
  noteText,
  parseNote,
  parseSignatures,
  parseVkey,
  type SignedBy,
  signatureLine,
  type VerifierKey,
  verifierKey,
  verifyNote,
  vkeyText,
} from "./note.ts";
export { maxPolicyBytes, type Policy, type PolicyWitness, parsePolicy } from "./policy.ts";
export { verifyConsistency, verifyInclusion } from "./proof.ts";
export { maxProofHashes, maxReceiptBytes, parseReceipt, type Receipt, receiptText } from "./receipt.ts";
export { servingOf } from "./serving.ts";
export { parseTilePath, type ReadTile, type Tile, tilePath, tileReader, tilesOf, tileWidth, widthIn } from "./tile.ts";
export { consistencyProof, grow, inclusionProof, reduced, rootOf } from "./tree.ts";
export { verifiedTiles } from "./verified-tiles.ts";
export { type AddCheckpoint, addCheckpointText, maxAddCheckpointBytes, parseAddCheckpoint } from "./witness.ts";
