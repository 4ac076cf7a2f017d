import type { DatabaseSync } from "node:sqlite";
import type { Blobs, SequencerPorts, SignerPorts } from "@tooltrail/core/log/ports";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import type { StoredBatch } from "@tooltrail/core/ports";
import { fileBlobs } from "@tooltrail/local/file-blobs";
import { fileCheckpoints } from "@tooltrail/local/file-checkpoints";
import { loadLogKeys } from "@tooltrail/local/file-log-keys";
import { sqliteBatchIndex } from "@tooltrail/local/sqlite-batch-index";
import { sqliteRegister } from "@tooltrail/local/sqlite-register";

/** What the log asked of its stores: on AWS each is one request to S3 or KMS. */
export interface Asked {
  puts: number;
  gets: number;
  lists: number;
  /** Objects that were tagged. */
  tags: number;
  signatures: number;
}

/** The log of a pipeline that is not running. */
export interface LogBuilder {
  readonly asked: Asked;
  sequence(batches: readonly StoredBatch[]): Promise<void>;
  sign(nowMs: number): Promise<void>;
}

/** @param db the one of `dataDir`. */
export function openLog(db: DatabaseSync, dataDir: string): LogBuilder {
  const asked: Asked = { puts: 0, gets: 0, lists: 0, tags: 0, signatures: 0 };
  const blobs = counted(fileBlobs(dataDir, false), asked);
  const files = fileCheckpoints(dataDir, false);
  const checkpoints: SignerPorts["checkpoints"] = {
    read() {
      asked.gets += 1;
      return files.read();
    },
    publish(text, over) {
      asked.gets += 1; // the version to compare with
      asked.puts += 1;
      return files.publish(text, over);
    },
    publishKeys(text) {
      asked.puts += 1;
      return files.publishKeys(text);
    },
  };
  const head: SequencerPorts["head"] = sqliteRegister(db, "head");
  const sequencer: SequencerPorts = { head, blobs, index: sqliteBatchIndex(db), checkpoints };
  const { origin, keys } = loadLogKeys(dataDir);
  const signer: SignerPorts = {
    head,
    promised: sqliteRegister(db, "promised"),
    blobs,
    checkpoints,
    events: { publish: async () => undefined },
    origin,
    keys: keys.map(({ publicKey, sign: signed }) => ({
      publicKey,
      sign(message) {
        asked.signatures += 1;
        return signed(message);
      },
    })),
    witnesses: [],
  };
  return {
    asked,
    sequence: async (batches) => void (await sequence(sequencer, batches)),
    sign: async (nowMs) => void (await sign(signer, nowMs)),
  };
}

const counted = (blobs: Blobs, asked: Asked): Blobs => ({
  put(name, bytes) {
    asked.puts += 1;
    return blobs.put(name, bytes);
  },
  read(name) {
    asked.gets += 1;
    return blobs.read(name);
  },
  list(prefix) {
    asked.lists += 1;
    return blobs.list(prefix);
  },
  retire(names) {
    asked.tags += names.length;
    return blobs.retire(names);
  },
});
