import { ownActTypes, pipelineSource } from "@tooltrail/format";
import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFeed, fedBy, mayReceive } from "./feed.ts";
import { createFunction } from "./functions.ts";
import type { createStores } from "./ledger.ts";
import { onRows, rows } from "./state.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly environment: { readonly [name: string]: $util.Input<string> };
}

/** The adapters give up on a call to AWS after about 13 s, and there are four in a row at most. */
const ingestTimeoutSeconds = 60;

/** Bus -> our own rule -> queue -> ingest -> ledger -> stream -> watch. */
export function createPipeline(config: StageConfig, { bus, ledger, state, keys, environment }: Given) {
  const arriving = createFeed(config, "ingest", {
    bus,
    takes: "Everything on the bus that others say, and what the pipeline does about incidents by itself.",
    pattern: {
      $or: [
        { source: [{ "anything-but": [pipelineSource] }] },
        { source: [pipelineSource], "detail-type": ownActTypes, detail: { record: [{ exists: false }] } },
        {
          source: [pipelineSource],
          "detail-type": ["incident.alerted"],
          detail: { record: [{ exists: false }], raised: [true] },
        },
      ],
    },
    undelivered: "bus-dead",
    timeoutSeconds: ingestTimeoutSeconds,
  });
  const ingest = createFunction(config, "ingest", {
    memoryMb: 512,
    timeoutSeconds: ingestTimeoutSeconds,
    environment,
    permissions: [
      mayReceive(arriving),
      { actions: ["dynamodb:PutItem"], resources: [ledger.arn] },
      onRows(state, ["dynamodb:PutItem", "dynamodb:GetItem"], rows.arrivals),
      { actions: ["secretsmanager:GetSecretValue"], resources: [keys.arn] },
      mayPublish(bus),
    ],
  });
  // Messages of 1 MB come by the five.
  fedBy(arriving, ingest, { messages: 25, atOnce: 20 });

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

  return { ingest, watch, arriving };
}
