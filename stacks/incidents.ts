import { type PipelineEvent, pipelineSource } from "@tooltrail/format";
import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFeed, fedBy, mayReceive } from "./feed.ts";
import { createFunction, type Permission } from "./functions.ts";
import { type createStores, ledgerIndex } from "./ledger.ts";
import { type LogEnvironment, mayKnowKeys, mayReadLog } from "./log.ts";
import { objects } from "./log-bucket.ts";
import type { createLogKeys } from "./log-keys.ts";
import { onRows, rows } from "./state.ts";
import { callEach } from "./wakes.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly bucket: aws.s3.Bucket;
  readonly logKeys: ReturnType<typeof createLogKeys>;
  readonly environment: LogEnvironment & { readonly own: LogEnvironment["place"] };
}

/** Everything that can make an incident, or end one. */
const alerting = [
  "slo.burn.started",
  "slo.burn.updated",
  "slo.burn.cleared",
  "slo.data.degraded",
  "detector.fired",
] satisfies PipelineEvent["type"][];

/** A hundred alerts, of which three open incidents at a time, each transaction after the other. */
const triageTimeoutSeconds = 60;
/** Destinations that do not answer take ten seconds each, and a postmortem looks through the ledger. */
const respondTimeoutSeconds = 300;

/**
 * Bus -> our own rule -> queue -> triage -> incidents -> respond -> bus, destinations, tickets; and whoever works on them, over HTTP -> incidents.
 *
 * The three write the same rows by compare-and-set, so how many of them run at once matters to nobody but the bill.
 */
export function createIncidents(
  config: StageConfig,
  { bus, ledger, state, keys, response, bucket, logKeys, environment }: Given,
) {
  const { own, place, signers } = environment;
  const keepsIncidents: Permission[] = [
    onRows(state, ["dynamodb:GetItem"], rows.cursors),
    onRows(state, ["dynamodb:PutItem"], rows.cursors, rows.incidents),
    onRows(state, ["dynamodb:DeleteItem"], rows.incidents),
  ];
  const looksUp: Permission[] = [
    { actions: ["dynamodb:BatchGetItem"], resources: [ledger.arn] },
    { actions: ["dynamodb:Query"], resources: [$interpolate`${ledger.arn}/index/${ledgerIndex}`] },
  ];

  const alerts = createFeed(config, "triage", {
    bus,
    takes: "Budgets that burn, and what detectors find.",
    pattern: { source: [pipelineSource], "detail-type": alerting },
    undelivered: "triage-bus-dead",
    timeoutSeconds: triageTimeoutSeconds,
  });
  const triage = createFunction(config, "triage", {
    memoryMb: 512,
    timeoutSeconds: triageTimeoutSeconds,
    environment: {
      TOOLTRAIL_STATE_TABLE: state.name,
      TOOLTRAIL_LEDGER_TABLE: ledger.name,
      TOOLTRAIL_BUS: bus.name,
    },
    permissions: [
      mayReceive(alerts),
      ...keepsIncidents,
      // What was changed of tooltrail lately, which is what its own records say.
      ...looksUp,
      onRows(state, ["dynamodb:BatchGetItem"], rows.incidents, rows.counted),
      onRows(state, ["dynamodb:Query"], rows.incidents, rows.counted, rows.defined, rows.responses, rows.ownDays),
      mayPublish(bus),
    ],
  });
  // Two are the least that AWS takes. A flood waits in the queue, and the more of it comes in one call, the fewer transactions it needs.
  fedBy(alerts, triage, { messages: 100, atOnce: 2 });

  const respond = createFunction(config, "respond", {
    memoryMb: 512,
    timeoutSeconds: respondTimeoutSeconds,
    // Of two at once one would tell what the other is telling.
    atOnce: 1,
    environment: {
      ...place,
      ...signers,
      TOOLTRAIL_LEDGER_TABLE: ledger.name,
      TOOLTRAIL_BUS: bus.name,
      TOOLTRAIL_RESPONSE_SECRET: response.arn,
    },
    permissions: [
      ...keepsIncidents,
      // Postmortems quote records, and prove them.
      ...looksUp,
      { actions: ["dynamodb:GetItem"], resources: [ledger.arn] },
      ...mayReadLog(bucket, objects.tiles, objects.checkpoint),
      mayKnowKeys(logKeys),
      // Who did what, for those who are told of it.
      onRows(state, ["dynamodb:BatchGetItem"], rows.incidents, rows.counted, rows.inventory, rows.leaves, rows.names),
      onRows(
        state,
        ["dynamodb:Query"],
        rows.incidents,
        rows.counted,
        rows.defined,
        rows.responses,
        rows.inventory,
        rows.days,
      ),
      { actions: ["secretsmanager:GetSecretValue"], resources: [response.arn] },
      ...mayTell(config),
      mayPublish(bus),
    ],
  });
  callEach(config, respond, "rate(1 minute)", { bus, type: "incidents.advanced" });

  const incidents = createFunction(config, "incidents", {
    memoryMb: 512,
    // API Gateway gives up after 30 s.
    timeoutSeconds: 29,
    environment: own,
    permissions: [
      ...keepsIncidents,
      onRows(state, ["dynamodb:BatchGetItem"], rows.incidents, rows.responses, rows.arrivals),
      // Of which versions of servers nobody has written how to go back from.
      onRows(state, ["dynamodb:Query"], rows.incidents, rows.responses, rows.inventory),
      onRows(state, ["dynamodb:PutItem"], rows.responses),
      // The record of each request, which is ingested like any other.
      { actions: ["dynamodb:PutItem"], resources: [ledger.arn] },
      onRows(state, ["dynamodb:PutItem", "dynamodb:GetItem"], rows.arrivals),
      { actions: ["secretsmanager:GetSecretValue"], resources: [keys.arn] },
      mayPublish(bus),
    ],
  });

  return { triage, respond, incidents, alerts };
}

/** The ways of AWS by which the stage lets somebody be told. By HTTP everybody can be. */
const mayTell = ({ response: { emailIdentityArn, topicArns } }: StageConfig): Permission[] => [
  ...(emailIdentityArn === undefined ? [] : [{ actions: ["ses:SendEmail"], resources: [emailIdentityArn] }]),
  ...(topicArns.length === 0 ? [] : [{ actions: ["sns:Publish"], resources: [...topicArns] }]),
];
