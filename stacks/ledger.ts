import type { StageConfig } from "./config.ts";

/** The index of the ledger: keys alone, so an append writes one narrow row besides itself. */
export const ledgerIndex = "byServerDay";

/**
 * The two tables and the two secrets: what a deployment must not lose.
 *
 * In production each is protected three times: against a change of the stacks (`protect`), against the stage's removal (retained), and against
 * DeleteTable by anybody (deletion protection).
 */
export function createStores(config: StageConfig) {
  const kept = { protect: config.production, retainOnDelete: config.production };

  const ledger = new sst.aws.Dynamo("Ledger", {
    fields: { pk: "string", sk: "string", gpk: "string", gsk: "string" },
    primaryIndex: { hashKey: "pk", rangeKey: "sk" },
    globalIndexes: { [ledgerIndex]: { hashKey: "gpk", rangeKey: "gsk", projection: "keys-only" } },
    stream: "new-and-old-images",
    deletionProtection: config.production,
    transform: {
      table(args, opts) {
        args.name = `${config.name}-ledger`;
        Object.assign(opts, kept);
      },
    },
  });

  const state = new sst.aws.Dynamo("State", {
    fields: { pk: "string", sk: "string" },
    primaryIndex: { hashKey: "pk", rangeKey: "sk" },
    ttl: "expiresAt",
    deletionProtection: config.production,
    transform: {
      table(args, opts) {
        args.name = `${config.name}-state`;
        Object.assign(opts, kept);
      },
    },
  });

  // Without a value: a person puts it, so that it is in no state file and no log of a deployment.
  const secret = (id: string, name: string, description: string) =>
    new aws.secretsmanager.Secret(
      id,
      { name: `${config.name}/${name}`, description, recoveryWindowInDays: config.production ? 30 : 0 },
      kept,
    );
  const keys = secret("Keys", "keys", "tooltrail: installation key, digest keys, enrolled keys");
  const response = secret(
    "Response",
    "response",
    "tooltrail: what destinations of incidents want to be shown, by name",
  );

  return { ledger, state, keys, response };
}

/**
 * The table itself refuses what no function may do, whatever a role elsewhere in the account allows: nobody changes or deletes an item, and
 * nobody but the functions that append puts one.
 *
 * An administrator can still take this policy off, in one call that CloudTrail keeps; and PutItem over an existing key cannot be told from an
 * append by any policy, which is why `watch` reads the stream.
 */
export function sealLedger(config: StageConfig, ledger: sst.aws.Dynamo, appenders: readonly sst.aws.Function[]) {
  const everybody = [{ type: "*", identifiers: ["*"] }];
  new aws.dynamodb.ResourcePolicy("LedgerPolicy", {
    resourceArn: ledger.arn,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          sid: "NobodyRewrites",
          effect: "Deny",
          principals: everybody,
          actions: [
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:PartiQLInsert",
            "dynamodb:PartiQLUpdate",
            "dynamodb:PartiQLDelete",
            // Elsewhere the stage can be removed.
            ...(config.production ? ["dynamodb:DeleteTable"] : []),
          ],
          resources: [ledger.arn],
        },
        {
          sid: "OnlyThePipelineAppends",
          effect: "Deny",
          principals: everybody,
          actions: ["dynamodb:PutItem"],
          resources: [ledger.arn],
          conditions: [
            {
              test: "StringNotEquals",
              variable: "aws:PrincipalArn",
              values: appenders.map((appender) => appender.nodes.role.arn),
            },
          ],
        },
      ],
    }).json,
  });
}
