import { pipelineSource } from "@tooltrail/format";
import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction } from "./functions.ts";
import type { createStores } from "./ledger.ts";
import { onRows, rows } from "./state.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly environment: { readonly [name: string]: $util.Input<string> };
}

const daySeconds = 86_400;
/** The adapters give up on a call to AWS after about 13 s, and there are four in a row at most. */
const ingestTimeoutSeconds = 60;

/** Bus -> our own rule -> queue -> ingest -> ledger -> stream -> watch. Everything that cannot go on lies in a dead-letter queue. */
export function createPipeline(config: StageConfig, { bus, ledger, state, keys, environment }: Given) {
  const busDead = createQueue(config, "BusDead", "bus-dead", {});
  const ingestDead = createQueue(config, "IngestDead", "ingest-dead", {});

  const queue = createQueue(config, "IngestQueue", "ingest", {
    // Lambda asks for six times the function's timeout: it holds on to messages while the function is throttled.
    visibilityTimeout: `${6 * ingestTimeoutSeconds} seconds`,
    // With one try each six minutes, ten hours of a database that is down are waited out here.
    dlq: { queue: ingestDead.arn, retry: 100 },
  });

  const ingest = createFunction(config, "ingest", {
    memoryMb: 512,
    timeoutSeconds: ingestTimeoutSeconds,
    environment,
    permissions: [
      { actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], resources: [queue.arn] },
      { actions: ["dynamodb:PutItem"], resources: [ledger.arn] },
      onRows(state, ["dynamodb:PutItem", "dynamodb:GetItem"], rows.arrivals),
      { actions: ["secretsmanager:GetSecretValue"], resources: [keys.arn] },
      mayPublish(bus),
    ],
  });
  queue.subscribe(ingest.live.arn, {
    // Lambda calls at 25 messages, after a second, or at 6 MB, whichever comes first: messages of 1 MB come by the five.
    batch: { size: 25, window: "1 second", partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: 20 } } },
  });

  const rule = new aws.cloudwatch.EventRule("IngestRule", {
    name: `${config.name}-ingest`,
    description: "Everything on the bus but what the pipeline itself says.",
    eventBusName: bus.name,
    eventPattern: JSON.stringify({ source: [{ "anything-but": [pipelineSource] }] }),
  });
  const policies = [
    sealQueue("IngestQueue", queue, rule),
    sealQueue("BusDead", busDead, rule),
    sealQueue("IngestDead", ingestDead),
  ];
  new aws.cloudwatch.EventTarget(
    "IngestTarget",
    {
      rule: rule.name,
      eventBusName: bus.name,
      arn: queue.arn,
      deadLetterConfig: { arn: busDead.arn },
      retryPolicy: { maximumEventAgeInSeconds: daySeconds, maximumRetryAttempts: 185 },
    },
    { dependsOn: policies },
  );

  const watch = createFunction(config, "watch", {
    memoryMb: 256,
    timeoutSeconds: 30,
    environment: { TOOLTRAIL_BUS: bus.name },
    permissions: [
      {
        actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
        resources: [ledger.nodes.table.streamArn],
      },
      // IAM knows no narrower resource for it, and it shows nothing but names.
      { actions: ["dynamodb:ListStreams"], resources: ["*"] },
      mayPublish(bus),
    ],
  });
  ledger.subscribe("Watch", watch.live.arn, {
    filters: [{ eventName: ["MODIFY", "REMOVE"] }],
    transform: {
      eventSourceMapping: {
        startingPosition: "TRIM_HORIZON",
        functionResponseTypes: ["ReportBatchItemFailures"],
        // For ever: an alarm on the iterator's age tells a person before the stream forgets, after 24 hours.
        maximumRetryAttempts: -1,
        maximumRecordAgeInSeconds: -1,
      },
    },
  });

  return { ingest, watch, queue, busDead, ingestDead, rule };
}

/** A queue as all of ours are: encrypted, 14 days long, and for messages of 1 MiB, the most that SQS takes: the bus takes as much. */
const createQueue = (config: StageConfig, id: string, name: string, args: sst.aws.QueueArgs): sst.aws.Queue =>
  new sst.aws.Queue(id, {
    ...args,
    transform: {
      queue: {
        name: `${config.name}-${name}`,
        messageRetentionSeconds: 14 * daySeconds,
        // Left out, it is 256 KiB.
        maxMessageSize: 1_048_576,
        sqsManagedSseEnabled: true,
      },
    },
  });

/** TLS only, and where a rule is named, that rule alone may send from outside. SST's own policy would let any rule of any account send. */
const sealQueue = (id: string, queue: sst.aws.Queue, rule?: aws.cloudwatch.EventRule): aws.sqs.QueuePolicy =>
  new aws.sqs.QueuePolicy(`${id}Policy`, {
    queueUrl: queue.url,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          sid: "TlsOnly",
          effect: "Deny",
          principals: [{ type: "*", identifiers: ["*"] }],
          actions: ["sqs:*"],
          resources: [queue.arn],
          conditions: [{ test: "Bool", variable: "aws:SecureTransport", values: ["false"] }],
        },
        ...(rule === undefined
          ? []
          : [
              {
                sid: "OurRuleSends",
                principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
                actions: ["sqs:SendMessage"],
                resources: [queue.arn],
                conditions: [{ test: "ArnEquals", variable: "aws:SourceArn", values: [rule.arn] }],
              },
            ]),
      ],
    }).json,
  });
