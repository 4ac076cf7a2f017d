import type { StageConfig } from "./config.ts";
import { type Deployed, logicalName, type Permission } from "./functions.ts";

interface Wanted {
  readonly bus: sst.aws.Bus;
  /** What is taken from the bus, in words and as a pattern. */
  readonly takes: string;
  readonly pattern: { readonly [field: string]: readonly unknown[] };
  /** The dead-letter queue of the rule. */
  readonly undelivered: string;
  /** Of the function that takes the messages. */
  readonly timeoutSeconds: number;
}

/** What brings events of the bus to one function, and where they lie when they cannot go on. */
export interface Feed {
  readonly rule: aws.cloudwatch.EventRule;
  readonly queue: sst.aws.Queue;
  /** What failed again and again. */
  readonly dead: sst.aws.Queue;
  /** What the rule could not put into the queue. */
  readonly undelivered: sst.aws.Queue;
}

const daySeconds = 86_400;

/** Bus -> a rule of our own -> a queue. Everything that cannot go on lies in a dead-letter queue. `fedBy` hands it to a function. */
export function createFeed(
  config: StageConfig,
  name: Deployed["name"],
  { bus, takes, pattern, undelivered: undeliveredName, timeoutSeconds }: Wanted,
): Feed {
  const id = logicalName(name);
  const undelivered = createQueue(config, logicalName(undeliveredName), undeliveredName, {});
  const dead = createQueue(config, `${id}Dead`, `${name}-dead`, {});
  const queue = createQueue(config, `${id}Queue`, name, {
    // Lambda asks for six times the function's timeout: it holds on to messages while the function is throttled.
    visibilityTimeout: `${6 * timeoutSeconds} seconds`,
    // With one try each six minutes, ten hours of a database that is down are waited out here.
    dlq: { queue: dead.arn, retry: 100 },
  });

  const rule = new aws.cloudwatch.EventRule(`${id}Rule`, {
    name: `${config.name}-${name}`,
    description: takes,
    eventBusName: bus.name,
    eventPattern: JSON.stringify(pattern),
  });
  const policies = [
    sealQueue(`${id}Queue`, queue, rule),
    sealQueue(logicalName(undeliveredName), undelivered, rule),
    sealQueue(`${id}Dead`, dead),
  ];
  new aws.cloudwatch.EventTarget(
    `${id}Target`,
    {
      rule: rule.name,
      eventBusName: bus.name,
      arn: queue.arn,
      deadLetterConfig: { arn: undelivered.arn },
      retryPolicy: { maximumEventAgeInSeconds: daySeconds, maximumRetryAttempts: 185 },
    },
    { dependsOn: policies },
  );
  return { rule, queue, dead, undelivered };
}

/** What Lambda does with the queue in the function's name. */
export const mayReceive = ({ queue }: Feed): Permission => ({
  actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
  resources: [queue.arn],
});

/** Lambda calls at so many messages, after a second, or at 6 MB, whichever comes first, and so many times at once at most. A message that fails comes back alone. */
export function fedBy(
  { queue }: Feed,
  { live }: Deployed,
  { messages, atOnce }: { readonly messages: number; readonly atOnce: number },
): void {
  queue.subscribe(live.arn, {
    batch: { size: messages, window: "1 second", partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: atOnce } } },
  });
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
