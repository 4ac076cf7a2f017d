import type { Permission } from "./functions.ts";

/**
 * The rows of State by their partition keys, which is what IAM can tell apart. `#` ends a key's first word, so none of them begins another.
 */
export const rows = {
  /** Where the log ends: the sequencer's. */
  head: ["LOG"],
  /** Which leaf a batch begins at: the sequencer's, too. */
  leaves: ["LEAF#*"],
  /** What the signer has promised. */
  promised: ["SIGNER"],
  /** Cursors and rows of the projections. */
  cursors: ["CURSOR"],
  projections: ["P#*"],
  /** What comes with a batch: a server's days, names and the way to them, and what was refused. */
  arrivals: ["DAYS", "DAYS#*", "NAME#*", "SUBJECT#*", "QUARANTINE", "QUARANTINE#*"],
  quarantine: ["QUARANTINE", "QUARANTINE#*"],
} as const;

/** Actions on some rows of State, and no others. */
export const onRows = (
  state: sst.aws.Dynamo,
  actions: readonly `dynamodb:${string}`[],
  ...keys: readonly (readonly string[])[]
): Permission => ({
  actions: [...actions],
  resources: [state.arn],
  conditions: [{ test: "ForAllValues:StringLike", variable: "dynamodb:LeadingKeys", values: keys.flat() }],
});

const writes = [
  "dynamodb:PutItem",
  "dynamodb:UpdateItem",
  "dynamodb:DeleteItem",
  "dynamodb:BatchWriteItem",
  "dynamodb:PartiQLInsert",
  "dynamodb:PartiQLUpdate",
  "dynamodb:PartiQLDelete",
];

interface Keepers {
  /** Sequence and reconcile. */
  readonly sequencers: readonly sst.aws.Function[];
  readonly signer: sst.aws.Function;
}

/**
 * The table itself takes the log's head and index from the sequencers alone, and what was promised from the signer alone, whatever a role elsewhere in the account
 * allows. Like the ledger's policy, an administrator can take it off; then the checkpoint that was published is what a rewritten head or promise fails by.
 */
export function sealState(state: sst.aws.Dynamo, { sequencers, signer }: Keepers) {
  const only = (sid: string, keys: readonly string[], functions: readonly sst.aws.Function[]) => ({
    sid,
    effect: "Deny",
    principals: [{ type: "*", identifiers: ["*"] }],
    actions: writes,
    resources: [state.arn],
    conditions: [
      { test: "ForAnyValue:StringLike", variable: "dynamodb:LeadingKeys", values: [...keys] },
      {
        test: "StringNotEquals",
        variable: "aws:PrincipalArn",
        values: functions.map((fn) => fn.nodes.role.arn),
      },
    ],
  });
  new aws.dynamodb.ResourcePolicy("StatePolicy", {
    resourceArn: state.arn,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        only("OnlyTheSequencerMovesTheHead", [...rows.head, ...rows.leaves], sequencers),
        only("OnlyTheSignerPromises", rows.promised, [signer]),
      ],
    }).json,
  });
}
