import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction, logRetention } from "./functions.ts";
import { type createStores, ledgerIndex } from "./ledger.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly environment: { readonly [name: string]: $util.Input<string> };
}

/** What the API answers. Whatever else is asked, API Gateway refuses without a function running. */
export const routes = {
  records: ["GET /v1/records", "GET /v1/records/{id}"],
  quarantine: ["GET /v1/quarantine", "POST /v1/quarantine/{id}/replay", "DELETE /v1/quarantine/{id}"],
} as const;

/**
 * HTTP API -> api -> ledger. Every route wants an identity: IAM's, or where the stage names an issuer, its tokens; of these, quarantine wants
 * the operators' scope.
 *
 * `readerPolicyArn` lets ask for records; quarantine holds what was refused as it came, possibly with values in it, and is for whoever operates.
 */
export function createApi(config: StageConfig, { bus, ledger, state, keys, environment }: Given) {
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
      {
        actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"],
        resources: [state.arn],
      },
      // A replay or a discard takes out of quarantine. Names, and what else is in State, it cannot delete.
      {
        actions: ["dynamodb:DeleteItem"],
        resources: [state.arn],
        conditions: [
          {
            test: "ForAllValues:StringLike",
            variable: "dynamodb:LeadingKeys",
            values: ["QUARANTINE", "QUARANTINE#*"],
          },
        ],
      },
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
  const scopes = { records: undefined, quarantine: config.jwt && [config.jwt.operatorScope] };
  for (const what of ["records", "quarantine"] as const) {
    const auth = authorizer ? { jwt: { authorizer: authorizer.id, scopes: scopes[what] } } : { iam: true };
    for (const route of routes[what]) gateway.route(route, api.live.arn, { auth });
  }

  const readers = new aws.iam.Policy("ReaderPolicy", {
    name: `${config.name}-reader`,
    description: "Ask the API for records.",
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ["execute-api:Invoke"],
          resources: ["/v1/records", "/v1/records/*"].map(
            (path) => $interpolate`${gateway.nodes.api.executionArn}/$default/GET${path}`,
          ),
        },
      ],
    }).json,
  });

  return { api, gateway, readerPolicyArn: readers.arn };
}
