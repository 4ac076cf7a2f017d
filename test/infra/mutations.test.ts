import { beforeAll, describe, expect, test } from "vitest";
import { needs } from "../support/requirements.ts";
import { type Change, type Evaluation, evaluateEach, sstIsThere } from "./evaluate.ts";
import { rules } from "./rules.ts";

interface Mutation extends Change {
  readonly what: string;
  /** What the deployment takes from outside, where it matters. */
  readonly env?: { readonly [name: string]: string };
  /** The rules that refuse it: all of them and no others. */
  readonly refused: readonly string[];
}

const ledger = {
  roles: "no role can change or delete what is in the ledger",
  itself: "the ledger itself refuses changes from everybody",
  appends: "the ledger takes appends from ingest, api and incidents alone, and no other role may",
};
const name = {
  roles: "functions speak in the pipeline's name only, emitters in any other",
  bus: "a bus takes the pipeline's name from the pipeline alone",
};
const letsIn = "a table's or a bus's own policy lets nobody in";
const ring = {
  functions: "a function's errors and throttles ring, and so does whatever lies dead",
  pipeline: "what the pipeline says of itself rings",
  there: "an alarm looks at something that is there",
  lost: "what a rule can put nowhere rings",
};
const canary = "a release of any function stops at its alarms, and goes back";
const logs = "a function logs JSON into a group of its own, which forgets";
const rings = "every alarm tells somebody, and silence is one only where something must be said";
const log = {
  signs: "only the signer signs",
  stays: "what a log cannot go on without stays in production",
  puts: "tiles come from the sequencer alone, checkpoints from the signer alone, and nothing else from anybody",
  once: "nothing in the log is overwritten",
  locked: "what is final is locked, in a bucket that keeps every version",
  deletes: "nobody deletes from the log but the lifecycle, what is superseded or was never committed",
  bucket: "the log's bucket is encrypted, and for its site alone, over TLS",
  world: "the world may read hashes, and no records",
  site: "the site only reads, over TLS, by nothing but the path, and signs what it asks",
  head: "the head is the sequencer's, and the promise the signer's",
  wakes: "what wakes a function may do so, by its alias, and is not kept for later",
};
const clock = "who runs one at a time, and may miss what wakes it, is called by the clock each minute";
const kept =
  "what follows the log is the follower's, what is defined the api's, and what is remembered of it the evaluation's";
const responding = {
  keeps: "incidents are kept by those who deal with them, and how to respond is said by people",
  secrets: "a secret is read by those whom it is for",
  tells: "nobody is told anything by email or in a topic but by respond",
};
const width = "nothing is granted wider than it must be";
const reads = "who may read records may read nothing else";
const operates = "a token that may read may neither touch quarantine nor define anything";
const tokens = { TOOLTRAIL_JWT_ISSUER: "https://login.example.com/", TOOLTRAIL_JWT_AUDIENCE: "tooltrail" };

/** What somebody could do to the stacks, by mistake or on purpose. */
const mutations: Mutation[] = [
  {
    what: "ingest may do anything with the ledger",
    file: "stacks/pipeline.ts",
    from: '{ actions: ["dynamodb:PutItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:*"], resources: [ledger.arn] }',
    refused: [ledger.roles, width],
  },
  {
    what: "ingest may update the ledger",
    file: "stacks/pipeline.ts",
    from: '{ actions: ["dynamodb:PutItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources: [ledger.arn] }',
    refused: [ledger.roles],
  },
  {
    what: "ingest may delete from any table",
    file: "stacks/pipeline.ts",
    from: '{ actions: ["dynamodb:PutItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:PutItem", "dynamodb:delete*"], resources: ["arn:aws:dynamodb:*:*:table/*"] }',
    refused: [ledger.roles, width, log.head, kept, responding.keeps],
  },
  {
    what: "a link instead of permissions",
    file: "stacks/functions.ts",
    from: "versioning: true,",
    to: 'versioning: true, link: name === "watch" ? [sst.aws.Dynamo.get("Linked", "tooltrail-ledger")] : [],',
    refused: [ledger.roles, ledger.appends, width],
  },
  {
    what: "a secret read by a wildcard",
    file: "stacks/pipeline.ts",
    from: "resources: [keys.arn]",
    to: 'resources: ["*"]',
    refused: [width, responding.secrets],
  },
  {
    what: "the table's own policy forgets deletions",
    file: "stacks/ledger.ts",
    from: '"dynamodb:DeleteItem",',
    to: "",
    refused: [ledger.itself],
  },
  {
    what: "SST's own role, with AWS's managed policy",
    file: "stacks/functions.ts",
    from: "managedPolicyArns: [],",
    to: "",
    refused: ["no role has a managed policy of somebody else's"],
  },
  {
    what: "SST's own role, which the account can take",
    file: "stacks/functions.ts",
    from: 'assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),',
    to: "",
    refused: ["a role is for one AWS service, and for nobody else"],
  },
  {
    what: "emitters may speak as the pipeline",
    file: "stacks/bus.ts",
    from: 'conditions: everySource("StringNotEquals"),',
    to: "",
    refused: [name.roles],
  },
  {
    what: "emitters that need not say who they are",
    file: "stacks/bus.ts",
    from: '{ test: "Null", variable: "events:source", values: ["false"] },',
    to: "",
    refused: [name.roles],
  },
  {
    what: "one event among others as the pipeline's",
    file: "stacks/bus.ts",
    from: '"ForAnyValue:StringEquals"',
    to: '"ForAllValues:StringEquals"',
    refused: [name.bus],
  },
  {
    what: "a bus that takes the pipeline's name from anybody of the account",
    file: "stacks/tooltrail.ts",
    from: "sealBus(\n    bus,\n    functions.map(({ fn }) => fn),\n  );",
    to: "",
    refused: [name.bus],
  },
  {
    what: "a bus that does not let watch speak",
    file: "stacks/tooltrail.ts",
    from: "functions.map(({ fn }) => fn),",
    to: 'functions.filter(({ name }) => name !== "watch").map(({ fn }) => fn),',
    refused: [name.bus],
  },
  {
    what: "a bus that lets everybody speak as the pipeline",
    file: "stacks/bus.ts",
    from: 'effect: "Deny",',
    to: "",
    refused: [name.bus, letsIn],
  },
  {
    what: "a ledger that lets everybody but the pipeline append",
    file: "stacks/ledger.ts",
    from: 'sid: "OnlyThePipelineAppends",\n          effect: "Deny",',
    to: 'sid: "OnlyThePipelineAppends",\n          effect: "Allow",',
    refused: [ledger.appends, letsIn],
  },
  {
    what: "a ledger that watch may append to",
    file: "stacks/tooltrail.ts",
    from: "sealLedger(config, stores.ledger, [ingest.fn, api.fn, incidents.fn]);",
    to: "sealLedger(config, stores.ledger, [ingest.fn, api.fn, incidents.fn, watch.fn]);",
    refused: [ledger.appends],
  },
  {
    what: "readers of quarantine",
    file: "stacks/gateway.ts",
    from: "readable = [",
    to: 'readable = ["GET/v1/quarantine",',
    refused: [reads],
  },
  {
    what: "readers that define SLOs",
    file: "stacks/gateway.ts",
    from: '"POST/v1/series",',
    to: '"POST/v1/*",',
    refused: [reads, width],
  },
  {
    what: "SLOs for every token to define",
    file: "stacks/gateway.ts",
    from: '"POST /v1/series",',
    to: '"POST /v1/series",\n      "PUT /v1/slos",',
    env: tokens,
    refused: [operates],
  },
  {
    what: "quarantine for every token",
    file: "stacks/gateway.ts",
    from: "scopes: scopes[who]",
    to: "scopes: scopes.readers",
    env: tokens,
    refused: [operates],
  },
  {
    what: "queues of 256 KiB",
    file: "stacks/feed.ts",
    from: "maxMessageSize: 1_048_576,",
    to: "",
    refused: ["a queue takes what the bus takes"],
  },
  {
    what: "Lambda drops the metrics",
    file: "stacks/functions.ts",
    from: "applicationLogLevel: config.logLevel",
    to: 'applicationLogLevel: "WARN"',
    refused: [logs],
  },
  {
    what: "an outage of the database in silence",
    file: "stacks/alarms.ts",
    from: 'alarm("ingest-retries", "Events could not be stored and are tried again.", own("IngestRetry")',
    to: 'alarm("ingest-retries", "Events could not be stored and are tried again.", own("BatchDuplicate")',
    refused: [ring.pipeline, canary],
  },
  {
    what: "batches that cannot be sequenced in silence",
    file: "stacks/alarms.ts",
    from: 'own("SequenceRetry"), {',
    to: 'own("LeavesSequenced"), {',
    refused: [ring.pipeline],
  },
  {
    what: "an alarm that a single message never rings",
    file: "stacks/alarms.ts",
    from: "three of them.\n        minutes: 3,\n        of: 20,",
    to: "\n        minutes: 3,",
    refused: ["one message that fails again and again rings"],
  },
  {
    what: "no alarm on integrity",
    file: "stacks/alarms.ts",
    from: 'alarm("integrity", "A batch was refused under a number that is taken.", own("IntegrityConflict"), atOnce),',
    to: "",
    refused: [ring.pipeline, canary],
  },
  {
    what: "an alarm on a metric that nobody counts",
    file: "stacks/alarms.ts",
    from: '"Ingest failed in a way that it does not know.", own("IngestFault")',
    to: '"Ingest failed in a way that it does not know.", own("Nonsense")',
    refused: [ring.pipeline, ring.there, canary],
  },
  {
    what: "an alarm on an answer that there is not",
    file: "stacks/alarms.ts",
    from: 'metric: "5xx"',
    to: 'metric: "6xx"',
    refused: [ring.pipeline, ring.there, canary],
  },
  {
    what: "alarms on another pipeline",
    file: "stacks/alarms.ts",
    from: "dimensions: { service: config.name, ",
    to: 'dimensions: { service: "another", ',
    refused: [ring.there],
  },
  {
    what: "alarms on a dimension that there is not",
    file: "stacks/alarms.ts",
    from: "dimensions: { QueueName:",
    to: "dimensions: { Queue:",
    refused: [ring.there, ring.functions, "an event source that falls behind rings"],
  },
  {
    what: "a release whatever it answers",
    file: "stacks/alarms.ts",
    from: "...ofResults[name],",
    to: "",
    refused: [canary],
  },
  {
    what: "a queue without dead letters",
    file: "stacks/feed.ts",
    from: "dlq: { queue: dead.arn, retry: 100 },",
    to: "",
    refused: ["a queue has a dead-letter queue, and is encrypted for 14 days", ring.functions],
  },
  {
    what: "a target without dead letters",
    file: "stacks/feed.ts",
    from: "deadLetterConfig: { arn: undelivered.arn },",
    to: "",
    refused: [
      "a queue has a dead-letter queue, and is encrypted for 14 days",
      "a rule's target retries for a day and has a dead-letter queue that lets it in",
    ],
  },
  {
    what: "a queue that any rule may fill",
    file: "stacks/feed.ts",
    from: 'conditions: [{ test: "ArnEquals", variable: "aws:SourceArn", values: [rule.arn] }],',
    to: "",
    refused: [
      "only our rule sends to a queue, and only over TLS",
      "a rule's target retries for a day and has a dead-letter queue that lets it in",
    ],
  },
  {
    what: "a shorter visibility",
    file: "stacks/feed.ts",
    from: "6 * timeoutSeconds",
    to: "5 * timeoutSeconds",
    refused: ["a queue waits six times as long as its function runs"],
  },
  {
    what: "batches that fail as a whole",
    file: "stacks/feed.ts",
    from: "partialResponses: true",
    to: "partialResponses: false",
    refused: ["an event source reports which of its messages failed, and loses none"],
  },
  {
    what: "a stream that is given up",
    file: "stacks/pipeline.ts",
    from: "maximumRetryAttempts: -1,",
    to: "maximumRetryAttempts: 3,",
    refused: ["an event source reports which of its messages failed, and loses none"],
  },
  {
    what: "a stream from its end",
    file: "stacks/pipeline.ts",
    from: 'startingPosition: "TRIM_HORIZON",',
    to: "",
    refused: ["an event source reports which of its messages failed, and loses none"],
  },
  {
    what: "an old runtime on another processor",
    file: "stacks/functions.ts",
    from: 'runtime: "nodejs24.x",\n    architecture: "arm64",',
    to: 'runtime: "nodejs20.x",',
    refused: ["a function is arm64, Node 24, traced, and its environment holds what it should"],
  },
  {
    what: "SST's secret in the environment",
    file: "stacks/functions.ts",
    from: "environment: { variables: environment },",
    to: "",
    refused: [
      "a function is arm64, Node 24, traced, and its environment holds what it should",
      ring.there,
      log.puts,
      log.locked,
    ],
  },
  {
    what: "logs for ever",
    file: "stacks/functions.ts",
    from: "retentionInDays: logRetentionDays,",
    to: "",
    refused: [logs, "every log group forgets"],
  },
  {
    what: "no alarm on errors",
    file: "stacks/alarms.ts",
    from: 'ofFunction(fn, "Errors"), atOnce',
    to: 'ofFunction(fn, "Duration"), atOnce',
    refused: [ring.functions, ring.there, canary],
  },
  {
    what: "an alarm that rings nowhere",
    file: "stacks/alarms.ts",
    from: "alarmActions: [topic.arn],",
    to: "",
    refused: [rings],
  },
  {
    what: "a queue that falls behind in silence",
    file: "stacks/alarms.ts",
    from: 'wait to be worked off.`, ofQueue(feed.queue, "ApproximateAgeOfOldestMessage")',
    to: 'wait to be worked off.`, ofQueue(feed.queue, "NumberOfMessagesSent")',
    refused: ["an event source that falls behind rings", ring.there],
  },
  {
    what: "a ledger that can be dropped",
    file: "stacks/ledger.ts",
    from: 'stream: "new-and-old-images",\n    deletionProtection: config.production,',
    to: 'stream: "new-and-old-images",',
    refused: ["a table is paid by use, can be restored, and cannot be dropped in production"],
  },
  {
    what: "tables that a change of the stacks takes away",
    file: "stacks/ledger.ts",
    from: "protect: config.production, ",
    to: "",
    refused: [
      "a table is paid by use, can be restored, and cannot be dropped in production",
      "secrets have no value here, and stay in production",
    ],
  },
  {
    what: "a ledger without its old images",
    file: "stacks/ledger.ts",
    from: 'stream: "new-and-old-images"',
    to: 'stream: "keys-only"',
    refused: ["the ledger says what befalls it, and keeps nothing for a while only"],
  },
  {
    what: "a key in the stacks",
    file: "stacks/ledger.ts",
    from: "return { ledger, state, keys, response };",
    to: 'new aws.secretsmanager.SecretVersion("Value", { secretId: keys.id, secretString: "k" });\n  return { ledger, state, keys, response };',
    refused: ["secrets have no value here, and stay in production"],
  },
  {
    what: "a route for everybody",
    file: "stacks/gateway.ts",
    from: "answering[name].live.arn, { auth }",
    to: "answering[name].live.arn",
    refused: ["every route wants an identity"],
  },
  {
    what: "an API that answers every origin, without bound",
    file: "stacks/gateway.ts",
    from: "cors: false,",
    to: "",
    refused: ["the API is logged, throttled, and open to no other origin"],
  },
  {
    what: "a release that does not go back",
    file: "stacks/release.ts",
    from: "autoRollbackConfiguration: { enabled: true,",
    to: "autoRollbackConfiguration: { enabled: false,",
    refused: [canary],
  },
  {
    what: "whoever administers the account may sign",
    file: "stacks/log-keys.ts",
    from: '"kms:Describe*",',
    to: '"kms:*",',
    refused: [log.signs],
  },
  {
    what: "a key that refuses nobody",
    file: "stacks/log-keys.ts",
    from: 'sid: "NobodyElseSigns",\n            effect: "Deny",',
    to: 'sid: "NobodyElseSigns",',
    refused: [log.signs],
  },
  {
    what: "a key that signs in any way",
    file: "stacks/log-keys.ts",
    from: '{ test: "StringEquals", variable: "kms:MessageType", values: ["RAW"] },',
    to: "",
    refused: [log.signs],
  },
  {
    what: "a key that can be passed on",
    file: "stacks/log-keys.ts",
    from: '"kms:CreateGrant", ',
    to: "",
    refused: [log.signs],
  },
  {
    what: "a key of another kind",
    file: "stacks/log-keys.ts",
    from: '"ECC_NIST_EDWARDS25519"',
    to: '"ECC_NIST_P256"',
    refused: [log.signs],
  },
  {
    what: "a sequencer that signs",
    file: "stacks/tooltrail.ts",
    from: "sealLogKeys(config, logKeys.keys, sign.fn);",
    to: "sealLogKeys(config, logKeys.keys, sequence.fn);",
    refused: [log.signs],
  },
  {
    what: "a follower that may sign",
    file: "stacks/log.ts",
    from: 'actions: ["kms:GetPublicKey"],',
    to: 'actions: ["kms:GetPublicKey", "kms:Sign"],',
    refused: [log.signs],
  },
  {
    what: "keys without a policy of theirs",
    file: "stacks/tooltrail.ts",
    from: "sealLogKeys(config, logKeys.keys, sign.fn);",
    to: "",
    refused: [log.signs, log.stays],
  },
  {
    what: "a key that a change of the stacks takes away",
    file: "stacks/log-keys.ts",
    from: "protect: config.production, ",
    to: "",
    refused: [log.stays],
  },
  {
    what: "a key that anybody may delete",
    file: "stacks/log-keys.ts",
    from: '...(config.production ? ["kms:ScheduleKeyDeletion"] : [])',
    to: "",
    refused: [log.stays],
  },
  {
    what: "a bucket whose lifecycle anybody may change",
    file: "stacks/log-bucket.ts",
    from: '"s3:PutLifecycleConfiguration",',
    to: "",
    refused: [log.stays],
  },
  {
    what: "a bucket without a policy",
    file: "stacks/tooltrail.ts",
    from: "sealLogBucket(config, stored, { sequencers, signer: sign.fn, site });",
    to: "",
    refused: [log.stays, log.puts, log.once, log.locked, log.deletes, log.bucket, log.world],
  },
  {
    what: "a signer that puts tiles",
    file: "stacks/tooltrail.ts",
    from: "sealLogBucket(config, stored, { sequencers, signer",
    to: "sealLogBucket(config, stored, { sequencers: [...sequencers, sign.fn], signer",
    refused: [log.puts],
  },
  {
    what: "a sequencer that may publish",
    file: "stacks/log.ts",
    from: '{ actions: ["s3:PutObject"], resources: inBucket(bucket, tiles, staged) },',
    to: '{ actions: ["s3:PutObject"], resources: inBucket(bucket, tiles, staged, checkpoint) },',
    refused: [log.puts],
  },
  {
    what: "a bucket for other things",
    file: "stacks/log-bucket.ts",
    from: '{ ...deny("NothingElseIsPut", writes), notResources: inBucket(bucket, tiles, staged, checkpoint, vkey) },',
    to: "",
    refused: [log.puts],
  },
  {
    what: "tiles that can be put over",
    file: "stacks/log-bucket.ts",
    from: 'conditions: [without("if-none-match")],',
    to: 'conditions: [without("if-none-match"), without("if-match")],',
    refused: [log.once],
  },
  {
    what: "tiles that can be shadowed",
    file: "stacks/log-bucket.ts",
    from: 'resources: inBucket(bucket, tiles, staged),\n      conditions: [without("if-none-match")],',
    to: 'resources: inBucket(bucket, staged),\n      conditions: [without("if-none-match")],',
    refused: [log.once],
  },
  {
    what: "a checkpoint that is replaced without a look",
    file: "stacks/log-bucket.ts",
    from: '...deny("TheCheckpointIsReplacedKnowingly", ["s3:PutObject"]),',
    to: '...deny("TheCheckpointIsReplacedKnowingly", ["s3:PutObjectAcl"]),',
    refused: [log.once],
  },
  {
    what: "tiles without a lock",
    file: "stacks/log-bucket.ts",
    from: 'values: ["COMPLIANCE"]',
    to: 'values: ["COMPLIANCE", "GOVERNANCE"]',
    refused: [log.locked],
  },
  {
    what: "a lock for a day",
    file: "stacks/log-bucket.ts",
    from: "values: [String(config.log.lockDays - 1)],",
    to: 'values: ["1"],',
    refused: [log.locked],
  },
  {
    what: "a bucket without locks",
    file: "stacks/log-bucket.ts",
    from: "objectLockEnabled: true,",
    to: "",
    refused: [log.locked],
  },
  {
    what: "a bucket that forgets versions",
    file: "stacks/log-bucket.ts",
    from: 'versioningConfiguration: { status: "Enabled" }',
    to: 'versioningConfiguration: { status: "Suspended" }',
    refused: [log.locked],
  },
  {
    what: "objects that anybody may delete",
    file: "stacks/log-bucket.ts",
    from: '"s3:DeleteObject",',
    to: "",
    refused: [log.deletes],
  },
  {
    what: "a sequencer that may delete",
    file: "stacks/log.ts",
    from: '{ actions: ["s3:PutObjectTagging"], resources',
    to: '{ actions: ["s3:PutObjectTagging", "s3:DeleteObject"], resources',
    refused: [log.deletes],
  },
  {
    what: "full tiles that can be tagged as superseded",
    file: "stacks/log-bucket.ts",
    from: "notResources: inBucket(bucket, partials, staged),",
    to: "notResources: inBucket(bucket, tiles, staged),",
    refused: [log.deletes],
  },
  {
    what: "a lifecycle that takes everything",
    file: "stacks/log-bucket.ts",
    from: 'filter: { tag: { key: "superseded", value: "true" } },',
    to: 'filter: { prefix: "log/" },',
    refused: [log.deletes],
  },
  {
    what: "a bucket open to the world",
    file: "stacks/log-bucket.ts",
    from: "blockPublicPolicy: true,",
    to: "",
    refused: [log.bucket],
  },
  {
    what: "a bucket that any distribution may read",
    file: "stacks/log-bucket.ts",
    from: 'conditions: [{ test: "StringEquals", variable: "aws:SourceArn", values: [site.arn] }],',
    to: "",
    refused: [log.bucket],
  },
  {
    what: "a bucket over plain HTTP",
    file: "stacks/log-bucket.ts",
    from: 'variable: "aws:SecureTransport", values: ["false"]',
    to: 'variable: "aws:SecureTransport", values: ["true"]',
    refused: [log.bucket],
  },
  {
    what: "records for the world",
    file: "stacks/log-bucket.ts",
    from: "config.log.publicEntries ? [tiles] : hashTiles",
    to: "[tiles]",
    refused: [log.world],
  },
  {
    what: "hidden hashes",
    file: "stacks/log-bucket.ts",
    from: "[0, 1, 2, 3, 4, 5, 6]",
    to: "[0, 1]",
    refused: [log.world],
  },
  {
    what: "a site that takes what is posted",
    file: "stacks/log-site.ts",
    from: 'allowedMethods: ["GET", "HEAD"]',
    to: 'allowedMethods: ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]',
    refused: [log.site],
  },
  {
    what: "a site that lists the bucket",
    file: "stacks/log-site.ts",
    from: 'defaultRootObject: "log/checkpoint",',
    to: "",
    refused: [log.site],
  },
  {
    what: "a site that keeps an old checkpoint",
    file: "stacks/log-site.ts",
    from: "minTtl: 0,",
    to: "minTtl: 60,",
    refused: [log.site],
  },
  {
    what: "a site over plain HTTP",
    file: "stacks/log-site.ts",
    from: '"https-only"',
    to: '"allow-all"',
    refused: [log.site],
  },
  {
    what: "a head that any role may move",
    file: "stacks/state.ts",
    from: 'only("OnlyTheSequencerMovesTheHead", [...rows.head, ...rows.leaves], sequencers),',
    to: "",
    refused: [log.head],
  },
  {
    what: "a promise that the sequencer may write",
    file: "stacks/state.ts",
    from: 'only("OnlyTheSignerPromises", rows.promised, [signer]),',
    to: 'only("OnlyTheSignerPromises", rows.promised, [signer, ...sequencers]),',
    refused: [log.head],
  },
  {
    what: "an API that may write whatever is in State",
    file: "stacks/api.ts",
    from: 'onRows(state, ["dynamodb:PutItem"], rows.arrivals, rows.cursors, rows.defined),',
    to: '{ actions: ["dynamodb:PutItem"], resources: [state.arn] },',
    refused: [log.head, kept, responding.keeps],
  },
  {
    what: "an evaluation that defines what it evaluates",
    file: "stacks/budgets.ts",
    from: 'onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.alerts, rows.measured)',
    to: 'onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.alerts, rows.measured, rows.defined)',
    refused: [kept],
  },
  {
    what: "an evaluation that counts",
    file: "stacks/budgets.ts",
    from: 'onRows(state, ["dynamodb:DeleteItem"], rows.alerts)',
    to: 'onRows(state, ["dynamodb:DeleteItem"], rows.alerts, rows.counted)',
    refused: [kept],
  },
  {
    what: "an evaluation that may append to the ledger",
    file: "stacks/budgets.ts",
    from: '{ actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"], resources: [ledger.arn] }',
    refused: [ledger.appends],
  },
  {
    what: "a follower that may write the rows of everybody who keeps some",
    file: "stacks/log.ts",
    from: "        rows.followed,\n",
    to: '        ["P#*"],\n',
    refused: [kept, responding.keeps],
  },
  {
    what: "an API that may not define anything",
    file: "stacks/api.ts",
    from: "rows.arrivals, rows.cursors, rows.defined",
    to: "rows.arrivals, rows.cursors",
    refused: [kept],
  },
  {
    what: "definitions that any role may change",
    file: "stacks/state.ts",
    from: 'only("OnlyTheApiDefines", rows.defined, [api]),',
    to: "",
    refused: [kept],
  },
  {
    what: "alerts that the follower may forget",
    file: "stacks/state.ts",
    from: "[...rows.alerts, ...rows.measured], [evaluator]",
    to: "[...rows.alerts, ...rows.measured], [evaluator, follower]",
    refused: [kept],
  },
  {
    what: "an evaluation that waits for something to go wrong",
    file: "stacks/wakes.ts",
    from: "schedule(config, called, clock);",
    to: 'if (called.name !== "evaluate") schedule(config, called, clock);',
    refused: [clock],
  },
  {
    what: "an evaluation that is called once an hour",
    file: "stacks/budgets.ts",
    from: '"rate(1 minute)"',
    to: '"rate(1 hour)"',
    refused: [clock],
  },
  {
    what: "wake-ups that pile up",
    file: "stacks/wakes.ts",
    from: "maximumRetryAttempts: 0,",
    to: "",
    refused: [log.wakes],
  },
  {
    what: "a clock that may call nobody",
    file: "stacks/wakes.ts",
    from: "sourceArn: rule.arn,",
    to: "sourceArn: fn.arn,",
    refused: [log.wakes],
  },
  {
    what: "wake-ups past the alias",
    file: "stacks/wakes.ts",
    from: "arn: live.arn,",
    to: "arn: fn.arn,",
    refused: [log.wakes, clock],
  },
  {
    what: "a sequencer that gives up",
    file: "stacks/log.ts",
    from: "maximumRecordAgeInSeconds: -1,",
    to: "maximumRecordAgeInSeconds: 3600,",
    refused: ["an event source reports which of its messages failed, and loses none"],
  },
  {
    what: "a log that falls behind in silence",
    file: "stacks/alarms.ts",
    from: '["watch", "sequence"].includes(name)',
    to: '["watch"].includes(name)',
    refused: ["an event source that falls behind rings"],
  },
  {
    what: "a halted log in silence",
    file: "stacks/alarms.ts",
    from: 'own("LogHalted"), atOnce',
    to: 'own("LeavesSequenced"), atOnce',
    refused: [ring.pipeline, canary],
  },
  {
    what: "a sequencer that is released whatever it meets",
    file: "stacks/alarms.ts",
    from: "halted,\n      // Lambda counts",
    to: "// Lambda counts",
    refused: [canary],
  },
  {
    what: "a signer that falls silent",
    file: "stacks/alarms.ts",
    from: "minutes: 20,\n    orSilent: true,",
    to: "minutes: 20,",
    refused: [rings],
  },
  {
    what: "a projection that nobody looks at, and nobody may make",
    file: "stacks/state.ts",
    from: '"inventory", "continuity", "postings", "counters"',
    to: '"inventory", "continuity", "postings"',
    refused: ["every projection that falls behind rings", kept],
  },
  {
    what: "a projection that there is not",
    file: "stacks/state.ts",
    from: '"inventory", "continuity", "postings", "counters"',
    to: '"inventory", "continuity", "postings", "counters", "weather"',
    refused: [ring.there],
  },
  {
    what: "SLOs that nobody evaluates, in silence",
    file: "stacks/alarms.ts",
    from: "minutes: 5,\n    orSilent: true,",
    to: "minutes: 5,",
    refused: [rings],
  },
  {
    what: "no alarm where nothing is evaluated",
    file: "stacks/alarms.ts",
    from: '"No SLO was evaluated for five minutes.", own("SlosEvaluated")',
    to: '"No SLO was evaluated for five minutes.", own("CheckpointsPublished")',
    refused: [ring.pipeline],
  },
  {
    what: "commands on incidents that count what they like",
    file: "stacks/incidents.ts",
    from: 'onRows(state, ["dynamodb:PutItem"], rows.responses)',
    to: 'onRows(state, ["dynamodb:PutItem"], rows.responses, rows.counted)',
    refused: [kept],
  },
  {
    what: "commands on incidents that define what burns",
    file: "stacks/incidents.ts",
    from: 'onRows(state, ["dynamodb:PutItem"], rows.responses)',
    to: 'onRows(state, ["dynamodb:PutItem"], rows.responses, rows.defined)',
    refused: [kept],
  },
  {
    what: "whoever deals with incidents may say how to respond",
    file: "stacks/incidents.ts",
    from: 'onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.incidents)',
    to: 'onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.incidents, rows.responses)',
    refused: [responding.keeps],
  },
  {
    what: "whoever deals with incidents may forget alerts",
    file: "stacks/incidents.ts",
    from: 'onRows(state, ["dynamodb:DeleteItem"], rows.incidents)',
    to: 'onRows(state, ["dynamodb:DeleteItem"], rows.incidents, rows.alerts)',
    refused: [kept],
  },
  {
    what: "an API that acknowledges incidents",
    file: "stacks/api.ts",
    from: "rows.arrivals, rows.cursors, rows.defined",
    to: "rows.arrivals, rows.cursors, rows.defined, rows.incidents",
    refused: [responding.keeps],
  },
  {
    what: "incidents that any role may change",
    file: "stacks/state.ts",
    from: 'only("OnlyThoseWhoRespondKeepIncidents", rows.incidents, [triager, responder, incidents]),',
    to: "",
    refused: [responding.keeps],
  },
  {
    what: "incidents that respond may not go on with",
    file: "stacks/state.ts",
    from: "[triager, responder, incidents]",
    to: "[triager, incidents]",
    refused: [responding.keeps],
  },
  {
    what: "destinations that respond may choose",
    file: "stacks/state.ts",
    from: "rows.responses, [incidents]",
    to: "rows.responses, [incidents, responder]",
    refused: [responding.keeps],
  },
  {
    what: "postmortems that write the evidence themselves",
    file: "stacks/incidents.ts",
    from: '{ actions: ["dynamodb:GetItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:GetItem", "dynamodb:PutItem"], resources: [ledger.arn] }',
    refused: [ledger.appends],
  },
  {
    what: "triage and respond may append to the ledger",
    file: "stacks/incidents.ts",
    from: '{ actions: ["dynamodb:BatchGetItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:BatchGetItem", "dynamodb:PutItem"], resources: [ledger.arn] }',
    refused: [ledger.appends],
  },
  {
    what: "commands on incidents that leave no record",
    file: "stacks/incidents.ts",
    from: '{ actions: ["dynamodb:PutItem"], resources: [ledger.arn] }',
    to: '{ actions: ["dynamodb:Query"], resources: [ledger.arn] }',
    refused: [ledger.appends],
  },
  {
    what: "triage knows how others are told",
    file: "stacks/incidents.ts",
    from: "mayReceive(alerts),",
    to: 'mayReceive(alerts),\n      { actions: ["secretsmanager:GetSecretValue"], resources: [response.arn] },',
    refused: [responding.secrets],
  },
  {
    what: "respond knows the installation's keys",
    file: "stacks/incidents.ts",
    from: '{ actions: ["secretsmanager:GetSecretValue"], resources: [response.arn] }',
    to: '{ actions: ["secretsmanager:GetSecretValue"], resources: [response.arn, keys.arn] }',
    refused: [responding.secrets],
  },
  {
    what: "an API that knows how others are told",
    file: "stacks/api.ts",
    from: "resources: [keys.arn]",
    to: 'resources: [keys.arn, state.arn.apply(() => "arn:aws:secretsmanager:*:*:secret:*/response-*")]',
    refused: [width, responding.secrets],
  },
  {
    what: "emails in any name",
    file: "stacks/incidents.ts",
    from: "emailIdentityArn === undefined ? []",
    to: 'emailIdentityArn === undefined ? [{ actions: ["ses:SendEmail"], resources: ["*"] }]',
    refused: [width],
  },
  {
    what: "messages to every topic",
    file: "stacks/incidents.ts",
    from: "topicArns.length === 0 ? []",
    to: 'topicArns.length === 0 ? [{ actions: ["sns:Publish"], resources: ["arn:aws:sns:*:*:*"] }]',
    refused: [width],
  },
  {
    what: "triage tells people by itself",
    file: "stacks/incidents.ts",
    from: "mayReceive(alerts),",
    to: "mayReceive(alerts),\n      ...mayTell(config),",
    env: { TOOLTRAIL_RESPONSE_TOPICS: "arn:aws:sns:eu-central-1:111122223333:pages" },
    refused: [responding.tells],
  },
  {
    what: "commands for every reader",
    file: "stacks/gateway.ts",
    from: '"GET/v1/incidents/*",',
    to: '"*/v1/incidents/*",',
    refused: [reads, width],
  },
  {
    what: "commands for every token",
    file: "stacks/gateway.ts",
    from: '"GET /v1/incidents",',
    to: '"GET /v1/incidents",\n      "PUT /v1/incidents/{id}",',
    env: tokens,
    refused: [operates],
  },
  {
    what: "alerts that are lost in silence",
    file: "stacks/alarms.ts",
    from: "RuleName: feed.rule.name,",
    to: "RuleName: feeds.arriving.rule.name,",
    refused: [ring.lost],
  },
  {
    what: "incidents that nobody looks after, in silence",
    file: "stacks/alarms.ts",
    from: "{ below: 1, minutes: 5, orSilent: true },",
    to: "{ below: 1, minutes: 5 },",
    refused: [rings],
  },
  {
    what: "an alarm that takes a quiet day for an ill one",
    file: "stacks/alarms.ts",
    from: '{ ...own("NoticesDone"), statistic: "SampleCount" }',
    to: 'own("NoticesDone")',
    refused: [ring.there],
  },
  {
    what: "destinations that take nothing, in silence",
    file: "stacks/alarms.ts",
    from: 'it is told.", own("NoticesFailed")',
    to: 'it is told.", own("NoticesDone")',
    refused: [ring.pipeline, ring.there, rings],
  },
  {
    what: "notices that are given up in silence",
    file: "stacks/alarms.ts",
    from: 'was given up.", own("NoticesGivenUp")',
    to: 'was given up.", own("IncidentsOpened")',
    refused: [ring.pipeline, canary],
  },
  {
    what: "an incident that nobody comes for, in silence",
    file: "stacks/alarms.ts",
    from: 'nobody came.", own("EscalationExhausted")',
    to: 'nobody came.", own("IncidentsOpened")',
    refused: [ring.pipeline],
  },
  {
    what: "a secret that a change of the stacks takes away",
    file: "stacks/ledger.ts",
    from: "recoveryWindowInDays: config.production ? 30 : 0 },\n      kept,",
    to: "recoveryWindowInDays: config.production ? 30 : 0 },\n      {},",
    refused: ["secrets have no value here, and stay in production"],
  },
  {
    what: "readers that may read what is staged",
    file: "stacks/gateway.ts",
    from: "inBucket(bucket, objects.tiles, objects.checkpoint, objects.vkey)",
    to: 'inBucket(bucket, "*")',
    refused: [width],
  },
];

/** Node never forgets what it has imported, some 25 MB an evaluation; and two processes at once are as many as the tests may take. */
const evaluationsPerProcess = 28;
/** What touches different files, and is refused by different rules, is evaluated together: what refuses it then is what refuses each. */
const mutationsPerEvaluation = 3;

/** As few groups as the first fit makes. */
function groupsOf(all: readonly Mutation[]): Mutation[][] {
  const groups: Mutation[][] = [];
  const goesWith = (one: Mutation, other: Mutation): boolean =>
    one.file !== other.file &&
    JSON.stringify(one.env) === JSON.stringify(other.env) &&
    !one.refused.some((rule) => other.refused.includes(rule));
  for (const mutation of all) {
    const group = groups.find(
      (some) => some.length < mutationsPerEvaluation && some.every((other) => goesWith(mutation, other)),
    );
    if (group === undefined) groups.push([mutation]);
    else group.push(mutation);
  }
  return groups;
}

describe.runIf(needs("SST's platform (npm run sst-types)", sstIsThere()))("the rules refuse", () => {
  const groups = groupsOf(mutations);
  const evaluations = new Map<Mutation, Evaluation | Error>();

  beforeAll(async () => {
    const parts = Array.from({ length: Math.ceil(groups.length / evaluationsPerProcess) }, (_, i) =>
      groups.slice(i * evaluationsPerProcess, (i + 1) * evaluationsPerProcess),
    ).values();
    const takeParts = async (): Promise<void> => {
      for (const part of parts) {
        const evaluated = await evaluateEach(
          part.map((group) => ({
            changes: group.map(({ file, from, to }) => ({ file, from, to })),
            env: group[0]?.env ?? {},
          })),
        );
        for (const [i, group] of part.entries())
          for (const mutation of group) evaluations.set(mutation, evaluated[i] ?? new Error("nothing"));
      }
    };
    await Promise.all([takeParts(), takeParts()]);
  }, 600_000);

  test.each(mutations)("$what", (mutation) => {
    const evaluation = evaluations.get(mutation);
    if (evaluation === undefined || evaluation instanceof Error) throw evaluation;
    const broken = Object.entries(rules)
      .filter(([, isBroken]) => isBroken(evaluation).length > 0)
      .map(([rule]) => rule);
    const group = groups.find((some) => some.includes(mutation)) ?? [];
    expect(broken.sort(), group.map(({ what }) => what).join("; ")).toEqual(
      group.flatMap(({ refused }) => refused).sort(),
    );
  });

  test("and every rule refuses something", () => {
    const refusing = new Set(mutations.flatMap(({ refused }) => refused));
    expect(Object.keys(rules).filter((rule) => !refusing.has(rule))).toEqual([]);
  });
});
