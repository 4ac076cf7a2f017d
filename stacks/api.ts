import { mayPublish } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createFunction } from "./functions.ts";
import { type createStores, ledgerIndex } from "./ledger.ts";
import { mayKnowKeys, mayReadLog } from "./log.ts";
import { objects } from "./log-bucket.ts";
import type { createLogKeys } from "./log-keys.ts";
import { onRows, rows } from "./state.ts";

interface Given extends ReturnType<typeof createStores> {
  readonly bus: sst.aws.Bus;
  readonly bucket: aws.s3.Bucket;
  readonly logKeys: ReturnType<typeof createLogKeys>;
  readonly environment: { readonly [name: string]: $util.Input<string> };
}

/** HTTP API -> api -> ledger, log, projections and SLOs. */
export const createApi = (config: StageConfig, { bus, ledger, state, keys, bucket, logKeys, environment }: Given) =>
  createFunction(config, "api", {
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
