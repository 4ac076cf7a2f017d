import type { StageConfig } from "./config.ts";

/** What is in the bucket, and nothing else: hash tiles and entry bundles, commits that are being put in place, and what is published of them. */
export const objects = {
  tiles: "log/tile/*",
  /** Of tiles and bundles that are not full yet; they are superseded by the full ones. */
  partials: "log/tile/*.p/*",
  staged: "log/staged/*",
  checkpoint: "log/checkpoint",
  vkey: "log/vkey",
} as const;

/** Hash tiles of each level that a log can reach: one level more is 256 times the leaves, and 2^53 have the last. */
export const hashTiles = [0, 1, 2, 3, 4, 5, 6].map((level) => `log/tile/${level}/*`);

export const inBucket = (bucket: aws.s3.Bucket, ...paths: readonly string[]): $util.Output<string>[] =>
  paths.map((path) => $interpolate`${bucket.arn}/${path}`);

/**
 * Where the log's objects lie: versioned, with object lock, encrypted, for nobody outside.
 *
 * In production it stays, whatever the commit says. The lock itself comes with each object that is final (mode COMPLIANCE, for `lockDays`): a default of the
 * bucket would also keep what is superseded. @returns the parts too, since the policy must come after them: it forbids to change some.
 */
export function createLogBucket(config: StageConfig) {
  const kept = { protect: config.production, retainOnDelete: config.production };
  const bucket = new aws.s3.Bucket(
    "Log",
    {
      // Names of buckets are the whole world's.
      bucket: $interpolate`${config.name}-log-${aws.getCallerIdentityOutput().accountId}`,
      objectLockEnabled: true,
      forceDestroy: !config.production,
    },
    kept,
  );
  const parts = [
    new aws.s3.BucketVersioning(
      "LogVersions",
      { bucket: bucket.bucket, versioningConfiguration: { status: "Enabled" } },
      kept,
    ),
    new aws.s3.BucketServerSideEncryptionConfiguration("LogEncryption", {
      bucket: bucket.bucket,
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    }),
    new aws.s3.BucketPublicAccessBlock("LogPrivate", {
      bucket: bucket.bucket,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    }),
    new aws.s3.BucketOwnershipControls("LogOwner", {
      bucket: bucket.bucket,
      rule: { objectOwnership: "BucketOwnerEnforced" },
    }),
    new aws.s3.BucketLifecycleConfiguration("LogLifecycle", {
      bucket: bucket.bucket,
      rules: [
        {
          id: "superseded",
          status: "Enabled",
          filter: { tag: { key: "superseded", value: "true" } },
          // A reader that began with the checkpoint of last month still finds its partials.
          expiration: { days: 30 },
          noncurrentVersionExpiration: { noncurrentDays: 1 },
        },
        {
          // Commits that lost their race: what was applied is tagged, and goes by the rule above.
          id: "staged",
          status: "Enabled",
          filter: { prefix: "log/staged/" },
          expiration: { days: 30 },
          // A log that stood still for all of that time can still be helped.
          noncurrentVersionExpiration: { noncurrentDays: 30 },
        },
        {
          id: "leftovers",
          status: "Enabled",
          filter: { prefix: "" },
          expiration: { expiredObjectDeleteMarker: true },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
        },
      ],
    }),
  ];
  return { bucket, parts };
}

interface Keepers {
  /** Sequence and reconcile. */
  readonly sequencers: readonly sst.aws.Function[];
  readonly signer: sst.aws.Function;
  readonly site: aws.cloudfront.Distribution;
}

/**
 * The bucket itself refuses what no role may do, whatever is allowed elsewhere in the account: nobody deletes (the lifecycle is not asked), nobody overwrites, tiles come from
 * the sequencer alone, the checkpoint from the signer alone, and what is final is locked.
 *
 * An administrator can take the policy off, in one call that CloudTrail keeps; what is locked stays even then.
 */
export function sealLogBucket(
  config: StageConfig,
  { bucket, parts }: ReturnType<typeof createLogBucket>,
  { sequencers, signer, site }: Keepers,
) {
  const everybody = [{ type: "*", identifiers: ["*"] }];
  const butBy = (...functions: readonly sst.aws.Function[]) => ({
    test: "StringNotEquals",
    variable: "aws:PrincipalArn",
    values: functions.map((fn) => fn.nodes.role.arn),
  });
  const without = (header: "if-match" | "if-none-match") => ({
    test: "Null",
    variable: `s3:${header}`,
    values: ["true"],
  });
  const writes = ["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectRetention"];
  const deny = (sid: string, actions: readonly string[]) => ({
    sid,
    effect: "Deny",
    principals: everybody,
    actions: [...actions],
  });
  const { tiles, partials, staged, checkpoint, vkey } = objects;

  const refused = [
    {
      ...deny("TlsOnly", ["s3:*"]),
      resources: [bucket.arn, ...inBucket(bucket, "*")],
      conditions: [{ test: "Bool", variable: "aws:SecureTransport", values: ["false"] }],
    },
    {
      ...deny("NobodyDeletes", [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        // What is tagged as superseded goes away: only the sequencer tags, and only what is newest.
        "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
        "s3:BypassGovernanceRetention",
        "s3:PutObjectLegalHold",
        "s3:ReplicateObject",
        "s3:ReplicateDelete",
        "s3:ReplicateTags",
      ]),
      resources: inBucket(bucket, "*"),
    },
    {
      ...deny("OnlyTheSequencerPutsTiles", writes),
      resources: inBucket(bucket, tiles, staged),
      conditions: [butBy(...sequencers)],
    },
    {
      ...deny("OnlyTheSignerPublishes", writes),
      resources: inBucket(bucket, checkpoint, vkey),
      conditions: [butBy(signer)],
    },
    { ...deny("NothingElseIsPut", writes), notResources: inBucket(bucket, tiles, staged, checkpoint, vkey) },
    {
      ...deny("WhatIsFinalIsNotTagged", ["s3:PutObjectTagging"]),
      notResources: inBucket(bucket, partials, staged),
    },
    {
      ...deny("NothingIsOverwritten", ["s3:PutObject"]),
      resources: inBucket(bucket, tiles, staged),
      conditions: [without("if-none-match")],
    },
    {
      ...deny("TheCheckpointIsReplacedKnowingly", ["s3:PutObject"]),
      resources: inBucket(bucket, checkpoint),
      conditions: [without("if-none-match"), without("if-match")],
    },
    ...(config.log.lockDays === undefined
      ? []
      : [
          {
            ...deny("WhatIsFinalIsLocked", ["s3:PutObject"]),
            notResources: inBucket(bucket, partials, staged, checkpoint, vkey),
            conditions: [{ test: "StringNotEquals", variable: "s3:object-lock-mode", values: ["COMPLIANCE"] }],
          },
          {
            ...deny("ForLongEnough", ["s3:PutObject", "s3:PutObjectRetention"]),
            notResources: inBucket(bucket, partials, staged, checkpoint, vkey),
            conditions: [
              {
                test: "NumericLessThan",
                variable: "s3:object-lock-remaining-retention-days",
                // Clocks differ, and a day that has begun may not count.
                values: [String(config.log.lockDays - 1)],
              },
            ],
          },
        ]),
    // Elsewhere the stage can be removed. A commit that changes the lifecycle goes with one that takes this off first.
    ...(config.production
      ? [
          {
            ...deny("WhatExpiresIsSettled", [
              "s3:PutLifecycleConfiguration",
              "s3:PutReplicationConfiguration",
              "s3:PutBucketObjectLockConfiguration",
              "s3:PutBucketVersioning",
              "s3:DeleteBucket",
            ]),
            resources: [bucket.arn],
          },
        ]
      : []),
  ];

  const byTheSite = {
    principals: [{ type: "Service", identifiers: ["cloudfront.amazonaws.com"] }],
    conditions: [{ test: "StringEquals", variable: "aws:SourceArn", values: [site.arn] }],
  };
  const shown = config.log.publicEntries ? [tiles] : hashTiles;
  return new aws.s3.BucketPolicy(
    "LogPolicy",
    {
      bucket: bucket.bucket,
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          ...refused,
          {
            sid: "TheSiteReads",
            ...byTheSite,
            actions: ["s3:GetObject"],
            resources: inBucket(bucket, checkpoint, vkey, ...shown),
          },
          // Without it S3 says 403 of what is not there, and a reader wants to tell that from what it may not see.
          { sid: "TheSiteKnowsWhatIsMissing", ...byTheSite, actions: ["s3:ListBucket"], resources: [bucket.arn] },
        ],
      }).json,
    },
    { dependsOn: parts },
  );
}
