import type { StageConfig } from "./config.ts";
import { type Deployed, logRetention } from "./functions.ts";
import { inBucket, objects } from "./log-bucket.ts";

type Answering = "api" | "incidents";

/** What each function answers, and whom. Whatever else is asked, API Gateway refuses without a function running. */
const routes: { readonly [name in Answering]: { readonly [who in "readers" | "operators"]: readonly string[] } } = {
  api: {
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
  },
  incidents: {
    readers: [
      "GET /v1/incidents",
      "GET /v1/incidents/{id}",
      "GET /v1/incidents/{id}/events",
      "GET /v1/incidents/undelivered",
      "GET /v1/postmortems/{id}",
      "GET /v1/postmortems/{id}/revisions/{revision}",
      "GET /v1/postmortems/{id}/markdown",
      "GET /v1/response",
      "GET /v1/response/{kind}/{name}",
      "GET /v1/runbooks/missing",
    ],
    operators: [
      "POST /v1/incidents/{id}/commands",
      "POST /v1/incidents/undelivered/retry",
      "POST /v1/postmortems/{id}/edits",
      "POST /v1/response",
      "DELETE /v1/response/{kind}/{name}",
    ],
  },
};
/** What readers may ask, as IAM's methods and paths, in which a star stands for slashes, too. */
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
  "GET/v1/incidents",
  "GET/v1/incidents/*",
  "GET/v1/postmortems/*",
  "GET/v1/response",
  "GET/v1/response/*",
  "GET/v1/runbooks/missing",
];

interface Given {
  readonly bucket: aws.s3.Bucket;
  readonly answering: { readonly [name in Answering]: Deployed };
}

/**
 * HTTP API -> api, incidents. Every route wants an identity: IAM's, or where the stage names an issuer, its tokens; of these, quarantine, rebuilding, and whatever defines or commands want the
 * operators' scope.
 *
 * `readerPolicyArn` lets ask for records, SLOs and incidents, and read the log itself, as `verify` does; quarantine holds what was refused as it came, possibly with values in it, and is for
 * whoever operates.
 */
export function createGateway(config: StageConfig, { bucket, answering }: Given) {
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
  for (const name of ["api", "incidents"] as const)
    for (const who of ["readers", "operators"] as const) {
      const auth = authorizer ? { jwt: { authorizer: authorizer.id, scopes: scopes[who] } } : { iam: true };
      for (const route of routes[name][who]) gateway.route(route, answering[name].live.arn, { auth });
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

  return { gateway, readerPolicyArn: readers.arn };
}
