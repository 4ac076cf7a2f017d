import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction, type Permission } from "./functions.ts";
import { type createStores, ledgerIndex } from "./ledger.ts";
import { inBucket, objects } from "./log-bucket.ts";
import type { createLogKeys } from "./log-keys.ts";
import { onRows, rows } from "./state.ts";
import { callEach } from "./wakes.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly bucket: aws.s3.Bucket;
  readonly logKeys: ReturnType<typeof createLogKeys>;
  readonly environment: LogEnvironment;
}

type Variables = { readonly [name: string]: $util.Input<string> };

/** What functions are told of the log: where it is, and for those that read what is signed, by whom. */
export interface LogEnvironment {
  readonly place: Variables;
  readonly signers: Variables;
}

const sequenceTimeoutSeconds = 120;
const signTimeoutSeconds = 60;
/** Looks through days of the ledger, or, rebuilding, through the log. */
const longTimeoutSeconds = 300;

/** Ledger -> stream -> sequence -> tiles -> sign -> checkpoint -> follow -> projections, and reconcile beside it. */
export function createLog(config: StageConfig, { bus, ledger, state, bucket, logKeys, environment }: Given) {
  const busName = { TOOLTRAIL_BUS: bus.name };
  const ledgerName = { TOOLTRAIL_LEDGER_TABLE: ledger.name };
  const lock: Variables =
    config.log.lockDays === undefined ? {} : { TOOLTRAIL_LOG_LOCK_DAYS: String(config.log.lockDays) };
  const { tiles, staged, checkpoint, vkey } = objects;

  const sequencing: Permission[] = [
    ...mayReadLog(bucket, tiles, staged, checkpoint),
    { actions: ["s3:PutObject"], resources: inBucket(bucket, tiles, staged) },
    // A put that locks needs it, too.
    ...(config.log.lockDays === undefined
      ? []
      : [{ actions: ["s3:PutObjectRetention"], resources: inBucket(bucket, tiles) }]),
    { actions: ["s3:PutObjectTagging"], resources: inBucket(bucket, objects.partials, staged) },
    onRows(state, ["dynamodb:GetItem", "dynamodb:PutItem"], rows.head),
    onRows(state, ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"], rows.leaves),
    mayPublish(bus),
  ];

  const sequence = createFunction(config, "sequence", {
    memoryMb: 1_024,
    timeoutSeconds: sequenceTimeoutSeconds,
    environment: { ...environment.place, ...lock, ...busName },
    permissions: [
      ...sequencing,
      {
        actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
        resources: [ledger.nodes.table.streamArn],
      },
      // IAM knows no narrower resource for it, and it shows nothing but names.
      { actions: ["dynamodb:ListStreams"], resources: ["*"] },
    ],
  });
  // The stream's other reader is `watch`, of changes; there may be two.
  ledger.subscribe("Sequence", sequence.live.arn, {
    filters: [{ eventName: ["INSERT"] }],
    transform: {
      eventSourceMapping: {
        startingPosition: "TRIM_HORIZON",
        functionResponseTypes: ["ReportBatchItemFailures"],
        batchSize: 500,
        maximumBatchingWindowInSeconds: 5,
        parallelizationFactor: 1,
        // For ever, and nothing is left out: what fails holds up what is behind it until a person has looked. An alarm on the iterator's age tells one.
        maximumRetryAttempts: -1,
        maximumRecordAgeInSeconds: -1,
      },
    },
  });

  const reconcile = createFunction(config, "reconcile", {
    memoryMb: 1_024,
    timeoutSeconds: longTimeoutSeconds,
    environment: { ...environment.place, ...environment.signers, ...lock, ...ledgerName, ...busName },
    permissions: [
      ...sequencing,
      mayKnowKeys(logKeys),
      { actions: ["dynamodb:GetItem"], resources: [ledger.arn] },
      { actions: ["dynamodb:Query"], resources: [$interpolate`${ledger.arn}/index/${ledgerIndex}`] },
      // Which days the index has.
      onRows(state, ["dynamodb:Query"], ["DAYS"]),
      // No head is set below what was promised.
      onRows(state, ["dynamodb:GetItem"], rows.promised),
    ],
  });

  const sign = createFunction(config, "sign", {
    memoryMb: 512,
    timeoutSeconds: signTimeoutSeconds,
    // Two at once do no harm, and no good.
    atOnce: 1,
    environment: {
      ...environment.place,
      ...environment.signers,
      ...busName,
      ...(config.log.witnessPolicy && { TOOLTRAIL_WITNESS_POLICY: config.log.witnessPolicy }),
    },
    permissions: [
      ...mayReadLog(bucket, tiles, checkpoint, vkey),
      { actions: ["s3:PutObject"], resources: inBucket(bucket, checkpoint, vkey) },
      {
        actions: ["kms:Sign", "kms:GetPublicKey"],
        resources: logKeys.inUse.map((key) => key.arn),
      },
      onRows(state, ["dynamodb:GetItem"], rows.head, rows.promised),
      onRows(state, ["dynamodb:PutItem"], rows.promised),
      mayPublish(bus),
    ],
  });

  const follow = createFunction(config, "follow", {
    memoryMb: 512,
    timeoutSeconds: longTimeoutSeconds,
    atOnce: 1,
    environment: { ...environment.place, ...environment.signers, ...ledgerName, ...busName },
    permissions: [
      ...mayReadLog(bucket, tiles, checkpoint),
      mayKnowKeys(logKeys),
      // Before an emitter is said to miss a batch: has the ledger got it?
      { actions: ["dynamodb:GetItem"], resources: [ledger.arn] },
      onRows(state, ["dynamodb:GetItem", "dynamodb:PutItem"], rows.cursors),
      onRows(
        state,
        [
          "dynamodb:BatchGetItem",
          "dynamodb:Query",
          "dynamodb:PutItem",
          "dynamodb:DeleteItem",
          // Drops a generation that is no more in use.
          "dynamodb:BatchWriteItem",
        ],
        rows.followed,
      ),
      mayPublish(bus),
    ],
  });

  callEach(config, sign, "rate(1 minute)", { bus, type: "log.sequenced" });
  callEach(config, follow, "rate(1 minute)", { bus, type: "log.advanced" });
  callEach(config, reconcile, "rate(1 hour)");

  return { sequence, reconcile, sign, follow };
}

/** Objects, and that one is missing: without ListBucket S3 says of it that it may not be read. */
export const mayReadLog = (bucket: aws.s3.Bucket, ...paths: readonly string[]): Permission[] => [
  { actions: ["s3:GetObject"], resources: inBucket(bucket, ...paths) },
  { actions: ["s3:ListBucket"], resources: [bucket.arn] },
];

/** The public ones, to check signatures with. */
export const mayKnowKeys = ({ inUse }: ReturnType<typeof createLogKeys>): Permission => ({
  actions: ["kms:GetPublicKey"],
  resources: inUse.map((key) => key.arn),
});
