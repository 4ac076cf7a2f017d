import { bundling } from "./bundling.ts";
import type { StageConfig } from "./config.ts";

export interface Deployed {
  readonly name:
    | "ingest"
    | "api"
    | "watch"
    | "sequence"
    | "reconcile"
    | "sign"
    | "follow"
    | "evaluate"
    | "triage"
    | "respond"
    | "incidents";
  readonly fn: sst.aws.Function;
  /** The alias that everything calls. A release moves it from version to version. */
  readonly live: aws.lambda.Alias;
  readonly timeoutSeconds: number;
  /** How many run at once, of which it is never short. Absent: as many as the account lets. */
  readonly atOnce?: number;
}

export type Permission = Extract<sst.aws.FunctionArgs["permissions"], readonly unknown[]>[number];

interface Wanted {
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly environment: { readonly [name: string]: $util.Input<string> };
  readonly permissions: readonly Permission[];
  readonly atOnce?: number;
}

/** How long the logs of functions and of the API are kept. Who asked what is in the ledger; logs are for whoever is on call. */
export const logRetention = "3 months";
const logRetentionDays = 90;

/**
 * A function as all of ours are: arm64, Node 24, ESM for its top-level await, the AWS adapter set, traced, with a log group of its own, and a role
 * that may do what is listed and nothing else.
 *
 * Where it does not follow SST: its role loses the managed policy that writes to every log group of the account and the trust in everybody of
 * the account, and its environment loses SST's own entries (a key for linked resources; nothing is linked). Every deployment publishes a version. In production the alias `live`
 * stays where it is until a release moves it.
 */
export function createFunction(config: StageConfig, name: Deployed["name"], wanted: Wanted): Deployed {
  const id = logicalName(name);
  const { memoryMb, timeoutSeconds, atOnce } = wanted;
  const environment = {
    ...wanted.environment,
    POWERTOOLS_SERVICE_NAME: config.name,
    POWERTOOLS_LOG_LEVEL: config.logLevel,
  };

  const logs = new aws.cloudwatch.LogGroup(`${id}Logs`, {
    name: `/aws/lambda/${config.name}-${name}`,
    retentionInDays: logRetentionDays,
  });

  const fn = new sst.aws.Function(id, {
    name: `${config.name}-${name}`,
    description: `release ${config.release}`,
    handler: `functions/${name}.handler`,
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: `${memoryMb} MB`,
    timeout: `${timeoutSeconds} seconds`,
    nodejs: { format: "esm", minify: true, esbuild: bundling },
    logging: { logGroup: logs.name, format: "json" },
    versioning: true,
    ...(atOnce !== undefined && { concurrency: { reserved: atOnce } }),
    permissions: [
      ...wanted.permissions,
      { actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [$interpolate`${logs.arn}:*`] },
      { actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources: ["*"] },
    ],
    transform: {
      role: {
        managedPolicyArns: [],
        assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),
      },
      function: {
        environment: { variables: environment },
        tracingConfig: { mode: "Active" },
        // Lambda's level wins over Powertools', so both are told. It takes a metric's line for one at INFO: any higher, and no alarm of ours would ring.
        loggingConfig: { logFormat: "JSON", logGroup: logs.name, applicationLogLevel: config.logLevel },
      },
    },
  });

  const live = new aws.lambda.Alias(
    `${id}Live`,
    { name: "live", functionName: fn.name, functionVersion: fn.nodes.function.version },
    { ignoreChanges: config.production ? ["functionVersion", "routingConfig"] : [] },
  );

  return { name, fn, live, timeoutSeconds, ...(atOnce !== undefined && { atOnce }) };
}

/** Logical names of resources: `ingest-errors` is `IngestErrors`. */
export const logicalName = (name: string): string =>
  name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
