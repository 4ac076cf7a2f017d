import { describe, expect, test } from "vitest";
import { needs } from "../support/requirements.ts";
import { type Change, evaluate, sstIsThere } from "./evaluate.ts";
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
  appends: "the ledger itself takes appends from ingest and api alone",
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
};
const canary = "a release of any function stops at its alarms, and goes back";
const logs = "a function logs JSON into a group of its own, which forgets";
const width = "nothing is granted wider than it must be";

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
    refused: [ledger.roles, width],
  },
  {
    what: "a link instead of permissions",
    file: "stacks/functions.ts",
    from: "versioning: true,",
    to: 'versioning: true, link: name === "watch" ? [sst.aws.Dynamo.get("Linked", "tooltrail-ledger")] : [],',
    refused: [ledger.roles, width],
  },
  {
    what: "a secret read by a wildcard",
    file: "stacks/pipeline.ts",
    from: "resources: [keys.arn]",
    to: 'resources: ["*"]',
    refused: [width],
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
    from: "sealBus(bus, [ingest.fn, api.fn, watch.fn]);",
    to: "",
    refused: [name.bus],
  },
  {
    what: "a bus that does not let watch speak",
    file: "stacks/tooltrail.ts",
    from: "sealBus(bus, [ingest.fn, api.fn, watch.fn]);",
    to: "sealBus(bus, [ingest.fn, api.fn]);",
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
    from: "sealLedger(config, stores.ledger, [ingest.fn, api.fn]);",
    to: "sealLedger(config, stores.ledger, [ingest.fn, api.fn, watch.fn]);",
    refused: [ledger.appends],
  },
  {
    what: "readers of quarantine",
    file: "stacks/api.ts",
    from: '["/v1/records", "/v1/records/*"].map(',
    to: '["/v1/records", "/v1/records/*", "/v1/quarantine"].map(',
    refused: ["who may read records may read nothing else"],
  },
  {
    what: "quarantine for every token",
    file: "stacks/api.ts",
    from: "scopes: scopes[what]",
    to: "scopes: scopes.records",
    env: { TOOLTRAIL_JWT_ISSUER: "https://login.example.com/", TOOLTRAIL_JWT_AUDIENCE: "tooltrail" },
    refused: ["a token that may read records may not touch quarantine"],
  },
  {
    what: "queues of 256 KiB",
    file: "stacks/pipeline.ts",
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
    what: "an alarm that a single message never rings",
    file: "stacks/alarms.ts",
    from: "of: 20,",
    to: "",
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
    from: "dimensions: { service: config.name },",
    to: 'dimensions: { service: "another" },',
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
    file: "stacks/pipeline.ts",
    from: "dlq: { queue: ingestDead.arn, retry: 100 },",
    to: "",
    refused: ["a queue has a dead-letter queue, and is encrypted for 14 days", ring.functions],
  },
  {
    what: "a target without dead letters",
    file: "stacks/pipeline.ts",
    from: "deadLetterConfig: { arn: busDead.arn },",
    to: "",
    refused: [
      "a queue has a dead-letter queue, and is encrypted for 14 days",
      "a rule's target retries for a day and has a dead-letter queue that lets it in",
    ],
  },
  {
    what: "a queue that any rule may fill",
    file: "stacks/pipeline.ts",
    from: 'conditions: [{ test: "ArnEquals", variable: "aws:SourceArn", values: [rule.arn] }],',
    to: "",
    refused: [
      "only our rule sends to a queue, and only over TLS",
      "a rule's target retries for a day and has a dead-letter queue that lets it in",
    ],
  },
  {
    what: "a shorter visibility",
    file: "stacks/pipeline.ts",
    from: "6 * ingestTimeoutSeconds",
    to: "5 * ingestTimeoutSeconds",
    refused: ["a queue waits six times as long as its function runs"],
  },
  {
    what: "batches that fail as a whole",
    file: "stacks/pipeline.ts",
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
    refused: ["a function is arm64, Node 24, traced, and its environment holds what it should", ring.there],
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
    refused: ["every alarm tells somebody, and silence is no alarm"],
  },
  {
    what: "a queue that falls behind in silence",
    file: "stacks/alarms.ts",
    from: '"Events wait to be stored.", ofQueue(queue, "ApproximateAgeOfOldestMessage")',
    to: '"Events wait to be stored.", ofQueue(queue, "NumberOfMessagesSent")',
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
    from: "return { ledger, state, keys };",
    to: 'new aws.secretsmanager.SecretVersion("Value", { secretId: keys.id, secretString: "k" });\n  return { ledger, state, keys };',
    refused: ["secrets have no value here, and stay in production"],
  },
  {
    what: "a route for everybody",
    file: "stacks/api.ts",
    from: "api.live.arn, { auth }",
    to: "api.live.arn",
    refused: ["every route wants an identity"],
  },
  {
    what: "an API that answers every origin, without bound",
    file: "stacks/api.ts",
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
];

describe.runIf(needs("SST's platform (npm run sst-types)", sstIsThere()))("the rules refuse", () => {
  test.concurrent.each(mutations)("$what", async ({ refused, env = {}, ...change }) => {
    const broken = await evaluate({ changes: [change], env }, (evaluation) =>
      Object.entries(rules)
        .filter(([, isBroken]) => isBroken(evaluation).length > 0)
        .map(([rule]) => rule),
    );
    expect(broken.sort()).toEqual([...refused].sort());
  });

  test("and every rule refuses something", () => {
    const refusing = new Set(mutations.flatMap(({ refused }) => refused));
    expect(Object.keys(rules).filter((rule) => !refusing.has(rule))).toEqual([]);
  });
});
