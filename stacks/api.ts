import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction, logRetention } from "./functions.ts";
import { type createStores, ledgerIndex } from "./ledger.ts";
import { mayKnowKeys, mayReadLog } from "./log.ts";
import { inBucket, objects } from "./log-bucket.ts";
import type { createLogKeys } from "./log-keys.ts";
import { onRows, rows } from "./state.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly bucket: aws.s3.Bucket;
  readonly logKeys: ReturnType<typeof createLogKeys>;
  readonly environment: { readonly [name: string]: $util.Input<string> };
}

/** What the API answers. Whatever else is asked, API Gateway refuses without a function running. */
export const routes = {
  readers: [
    "GET /v1/records",
    "GET /v1/records/{id}",
    "GET /v1/records/{id}/proof",
    "GET /v1/batches",
    "GET /v1/inventory/{what}",
    "GET /v1/emitters",
    "GET /v1/slos",
    "GET /v1/slos/{name}",
    "GET /v1/slos/{name}/series",
    // It is asked about a document, so that it comes as one.
    "POST /v1/series",
    "GET /v1/maintenance",
    "GET /metrics",
  ],
  operators: [
    "GET /v1/quarantine",
    "POST /v1/quarantine/{id}/replay",
    "DELETE /v1/quarantine/{id}",
    "POST /v1/projections/{name}/rebuild",
    "POST /v1/slos",
    "DELETE /v1/slos/{name}",
    "POST /v1/maintenance",
    "DELETE /v1/maintenance/{id}",
  ],
} as const;
/** `routes.readers` as IAM's methods and paths, in which a star stands for slashes, too. */
const readable = [
  "GET/v1/records",
  "GET/v1/records/*",
  "GET/v1/batches",
  "GET/v1/inventory/*",
  "GET/v1/emitters",
  "GET/v1/slos",
  "GET/v1/slos/*",
  "POST/v1/series",
  "GET/v1/maintenance",
  "GET/metrics",
];

/**
 * HTTP API -> api -> ledger, log, projections and SLOs. Every route wants an identity: IAM's, or where the stage names an issuer, its tokens; of these, quarantine,
 * rebuilding, and whatever defines want the operators' scope.
 *
 * `readerPolicyArn` lets ask for records and SLOs, and read the log itself, as `verify` does; quarantine holds what was refused as it came, possibly with values in it, and is for
 * whoever operates.
 */
export function createApi(config: StageConfig, { bus, ledger, state, keys, bucket, logKeys, environment }: Given) {
  const api = createFunction(config, "api", {
    memoryMb: 512,
    // API Gateway gives up after 30 s.
    timeoutSeconds: 29,
    environment,
    permissions: [
      // PutItem is for the record of each query.
      {
        actions: ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:BatchGetItem"],
        resources: [ledger.arn],
      },
      { actions: ["dynamodb:Query"], resources: [$interpolate`${ledger.arn}/index/${ledgerIndex}`] },
      { actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"], resources: [state.arn] },
      // The cursor, since asking for a rebuild writes there.
      onRows(state, ["dynamodb:PutItem"], rows.arrivals, rows.cursors, rows.defined),
      // A replay or a discard takes out of quarantine, and a maintenance window ends. Names, and what else is in State, it cannot delete.
      onRows(state, ["dynamodb:DeleteItem"], rows.quarantine, rows.defined),
      ...mayReadLog(bucket, objects.tiles, objects.checkpoint),
      mayKnowKeys(logKeys),
      { actions: ["secretsmanager:GetSecretValue"], resources: [keys.arn] },
      mayPublish(bus),
    ],
  });

  const gateway = new sst.aws.ApiGatewayV2("Gateway", {
    cors: false,
    accessLog: { retention: logRetention },
    transform: {
      api: { name: config.name },
      // A search reads up to 256 batches: this bounds what one caller, or all together, can make it cost.
      stage: { defaultRouteSettings: { throttlingRateLimit: 25, throttlingBurstLimit: 50 } },
    },
  });
  const authorizer =
    config.jwt &&
    gateway.addAuthorizer({
      name: "Jwt",
      jwt: { issuer: config.jwt.issuer, audiences: [...config.jwt.audiences] },
    });
  const scopes = { readers: undefined, operators: config.jwt && [config.jwt.operatorScope] };
  for (const who of ["readers", "operators"] as const) {
    const auth = authorizer ? { jwt: { authorizer: authorizer.id, scopes: scopes[who] } } : { iam: true };
    for (const route of routes[who]) gateway.route(route, api.live.arn, { auth });
  }

  const readers = new aws.iam.Policy("ReaderPolicy", {
    name: `${config.name}-reader`,
    description: "Ask the API for records and SLOs, and read the log.",
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ["execute-api:Invoke"],
          resources: readable.map((path) => $interpolate`${gateway.nodes.api.executionArn}/$default/${path}`),
        },
        {
          actions: ["s3:GetObject"],
          resources: inBucket(bucket, objects.tiles, objects.checkpoint, objects.vkey),
        },
        // That each object has one version, and none was deleted.
        { actions: ["s3:ListBucket", "s3:ListBucketVersions"], resources: [bucket.arn] },
      ],
    }).json,
  });

  return { api, gateway, readerPolicyArn: readers.arn };
}
