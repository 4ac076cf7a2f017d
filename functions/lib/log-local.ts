import { readFileSync } from "node:fs";
import { AppError } from "@tooltrail/core/errors";
import type { LeafPorts } from "@tooltrail/core/follow/leaves";
import type { Projections } from "@tooltrail/core/follow/ports";
import type { BatchIndex, Blobs, Checkpoints, Head, Promised, Register } from "@tooltrail/core/log/ports";
import { type VerifierKey, verifierKey } from "@tooltrail/format/log";
import { fileBlobs } from "@tooltrail/local/file-blobs";
import { fileCheckpoints } from "@tooltrail/local/file-checkpoints";
import { loadLogKeys } from "@tooltrail/local/file-log-keys";
import { sqliteBatchIndex } from "@tooltrail/local/sqlite-batch-index";
import { sqliteProjections } from "@tooltrail/local/sqlite-projections";
import { sqliteRegister } from "@tooltrail/local/sqlite-register";
import { config } from "./config.ts";
import type { Evaluator, Follower, Reader, Reconciler, Sequencer, Signer } from "./log-parts.ts";
import { once } from "./once.ts";
import { database, events, ports } from "./ports-local.ts";
import { httpWitnesses } from "./witnesses.ts";

const now = Date.now;
const head = once((): Register<Head> => sqliteRegister(database(), "head"));
const promised = once((): Register<Promised> => sqliteRegister(database(), "promised"));
const index = once((): BatchIndex => sqliteBatchIndex(database()));
const projections = once((): Projections => sqliteProjections(database()));
const blobs = once((): Blobs => fileBlobs(config().dataDir, config().fsync));
const checkpoints = once((): Checkpoints => fileCheckpoints(config().dataDir, config().fsync));

/** Read anew each time, so that a rotation needs no restart. */
const logKeys = () => configured("TOOLTRAIL_DATA", () => loadLogKeys(config().dataDir));
const verifierKeys = (): VerifierKey[] => {
  const { origin, keys } = logKeys();
  return keys.map(({ publicKey }) => verifierKey(origin, publicKey));
};

const witnesses = once(() => {
  const { policyFile } = config();
  return configured(`TOOLTRAIL_POLICY: ${policyFile}`, () =>
    httpWitnesses(policyFile && readFileSync(policyFile, "utf8")),
  );
});

/** What a person has set and cannot be used is an error of one line, which begins with what was set. */
function configured<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new AppError("invalid", `${what}: ${(error as Error).message}`, { cause: error });
  }
}

export const sequencer = (): Sequencer => ({
  head: head(),
  blobs: blobs(),
  index: index(),
  checkpoints: checkpoints(),
  events: events(),
  now,
});

export async function signer(): Promise<Signer> {
  const { origin, keys } = logKeys();
  return {
    head: head(),
    promised: promised(),
    blobs: blobs(),
    checkpoints: checkpoints(),
    events: events(),
    origin,
    keys: keys.filter(({ untilMs }) => untilMs === undefined || untilMs > now()),
    witnesses: witnesses(),
    now,
  };
}

export const reconciler = async (): Promise<Reconciler> => ({
  ...sequencer(),
  promised: promised(),
  ledger: ports().ledger,
  keys: verifierKeys(),
  lookBackMs: Number.POSITIVE_INFINITY, // cheap here
});

export const follower = async (): Promise<Follower> => ({
  ...leaves(),
  projections: projections(),
  ledger: ports().ledger,
  events: events(),
  now,
});

export const evaluator = async (): Promise<Evaluator> => ({
  ...(await follower()),
  ledger: ports().ledger,
  quarantine: ports().quarantine,
  index: index(),
});

const leaves = (): LeafPorts => ({ blobs: blobs(), checkpoints: checkpoints(), logKeys: verifierKeys() });

export const reader = async (): Promise<() => Reader> => () => ({
  index: index(),
  projections: projections(),
  keys: verifierKeys(),
  ...leaves(),
});
