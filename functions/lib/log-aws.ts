import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoBatchIndex } from "@tooltrail/aws/dynamo-batch-index";
import { dynamoLedger } from "@tooltrail/aws/dynamo-ledger";
import { dynamoProjections } from "@tooltrail/aws/dynamo-projections";
import { dynamoQuarantine } from "@tooltrail/aws/dynamo-quarantine";
import { dynamoRegister, headKey, promisedKey } from "@tooltrail/aws/dynamo-register";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { kmsSigningKey } from "@tooltrail/aws/kms-signing-key";
import { bucket } from "@tooltrail/aws/s3";
import { s3Blobs } from "@tooltrail/aws/s3-blobs";
import { s3Checkpoints } from "@tooltrail/aws/s3-checkpoints";
import type { BatchIndex, Blobs, Checkpoints, Head, Promised, Register } from "@tooltrail/core/log/ports";
import { type VerifierKey, verifierKey } from "@tooltrail/format/log";
import { busConfig, demand, ledgerConfig, logConfig, logKeysConfig } from "./config.ts";
import type { Evaluator, Follower, Reader, Reconciler, Sequencer, Signer } from "./log-parts.ts";
import { once } from "./once.ts";
import { httpWitnesses } from "./witnesses.ts";

const now = Date.now;
/** Longer than the stream keeps anything. */
const lookBackMs = 3 * 86_400_000;
const database = once(() => dynamo());
const events = once(() => eventBridgeEvents(busConfig().bus));
const ledger = once(() => dynamoLedger(database(), { ...ledgerConfig(), stateTable: logConfig().stateTable }));
const quarantine = once(() => dynamoQuarantine(database(), logConfig().stateTable));
const head = once((): Register<Head> => dynamoRegister(database(), logConfig().stateTable, headKey));
const promised = once((): Register<Promised> => dynamoRegister(database(), logConfig().stateTable, promisedKey));
const index = once((): BatchIndex => dynamoBatchIndex(database(), logConfig().stateTable));
const projections = once(() => dynamoProjections(database(), logConfig().stateTable));
const theBucket = once(() => bucket(logConfig().logBucket));
const blobs = once((): Blobs => {
  const { lockedDays } = logConfig();
  return s3Blobs(theBucket(), { now, ...(lockedDays !== undefined && { lockedDays }) });
});
const checkpoints = once((): Checkpoints => s3Checkpoints(theBucket()));

/** Each with the end of its time. Their public halves are asked for once; a role that may not sign may still ask. */
const signingKeys = once(() =>
  Promise.all(logKeysConfig().keys.map(async ({ arn, untilMs }) => ({ key: await kmsSigningKey(arn), untilMs }))),
);
const verifierKeys = async (): Promise<VerifierKey[]> => {
  const { origin } = logKeysConfig();
  return (await signingKeys()).map(({ key }) => verifierKey(origin, key.publicKey));
};
const witnesses = once(() => httpWitnesses(logKeysConfig().policy));

export function sequencer(): Sequencer {
  demand(logConfig, busConfig);
  return { head: head(), blobs: blobs(), index: index(), checkpoints: checkpoints(), events: events(), now };
}

export async function signer(): Promise<Signer> {
  demand(logConfig, logKeysConfig, busConfig);
  const keys = (await signingKeys()).filter(({ untilMs }) => untilMs === undefined || untilMs > now());
  return {
    head: head(),
    promised: promised(),
    blobs: blobs(),
    checkpoints: checkpoints(),
    events: events(),
    origin: logKeysConfig().origin,
    keys: keys.map(({ key }) => key),
    witnesses: witnesses(),
    now,
  };
}

export async function reconciler(): Promise<Reconciler> {
  demand(logConfig, logKeysConfig, ledgerConfig, busConfig);
  return { ...sequencer(), promised: promised(), ledger: ledger(), keys: await verifierKeys(), lookBackMs };
}

export async function follower(): Promise<Follower> {
  demand(logConfig, logKeysConfig, ledgerConfig, busConfig);
  return { ...(await reader())(), ledger: ledger(), events: events(), now };
}

export async function evaluator(): Promise<Evaluator> {
  return { ...(await follower()), ledger: ledger(), quarantine: quarantine(), index: index() };
}

export async function reader(): Promise<() => Reader> {
  demand(logConfig, logKeysConfig);
  const keys = await verifierKeys();
  return () => ({
    index: index(),
    blobs: blobs(),
    checkpoints: checkpoints(),
    projections: projections(),
    keys,
    logKeys: keys,
  });
}
