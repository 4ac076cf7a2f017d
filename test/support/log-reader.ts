import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  consistencyProof,
  decodeBundle,
  type Hash,
  type Leaf,
  openCheckpoint,
  parseLeaf,
  parseVkey,
  type ReadTile,
  tileReader,
  verifiedTiles,
  verifyConsistency,
} from "@tooltrail/format/log";

/** What an auditor sees of a log, by the format alone: nothing of it was taken on trust but the key. */
export interface SeenLog {
  readonly size: number;
  readonly root: Hash;
  readonly text: string;
  readonly signers: number;
  /** Checked against the checkpoint. */
  readonly read: ReadTile;
  /** All of them, in order. */
  leaves(): Promise<Leaf[]>;
}

type ReadObject = (name: string) => Promise<Uint8Array | undefined>;

export const overHttp =
  (endpoint: string): ReadObject =>
  async (name) => {
    const response = await fetch(`${endpoint}/log/${name}`);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${name} answers ${response.status}: ${await response.text()}`);
    return response.bytes();
  };

export const inFolder =
  (data: string): ReadObject =>
  (name) =>
    readFile(join(data, "log", name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });

/** @returns undefined where no checkpoint is published yet. @throws LogFormatError where it is not signed. */
export async function seeLog(object: ReadObject): Promise<SeenLog | undefined> {
  const [checkpoint, vkeys] = await Promise.all([object("checkpoint"), object("vkey")]);
  if (checkpoint === undefined || vkeys === undefined) return undefined;
  const keys = textOf(vkeys).trim().split("\n").map(parseVkey);
  const { size, root, text, signedBy } = await openCheckpoint(textOf(checkpoint), keys);
  const read = verifiedTiles(size, root, tileReader(object));
  return {
    size,
    root,
    text,
    signers: signedBy.length,
    read,
    async leaves() {
      const leaves: Leaf[] = [];
      for (let index = 0; leaves.length < size; index += 1) {
        const width = Math.min(256, size - leaves.length);
        leaves.push(...decodeBundle(await read({ level: "entries", index, width }), width).map(parseLeaf));
      }
      return leaves;
    },
  };
}

/** Whether the later one is the earlier one, grown. */
export const isGrownFrom = async (later: SeenLog, earlier: Pick<SeenLog, "size" | "root">): Promise<boolean> =>
  verifyConsistency({
    oldSize: earlier.size,
    oldRoot: earlier.root,
    size: later.size,
    root: later.root,
    proof: await consistencyProof(earlier.size, later.size, later.read),
  });

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
