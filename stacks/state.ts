import type { Permission } from "./functions.ts";

/** What follows the log, by name: each has its rows, and says how far it is behind. */
export const projections = ["inventory", "continuity", "postings", "counters"] as const;

/** A projection's, or what is kept in the same way beside them. The name ends at `#`, so `continuity` is not `continuity-said`. */
const rowsNamed = (name: string): string => `P#${name}#*`;

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
  /** Of all that has rows below: one partition. */
  cursors: ["CURSOR"],
  /** What follows the log, and what was said of it. */
  followed: [...projections, "continuity-said"].map(rowsNamed),
  counted: [rowsNamed("counters")],
  inventory: [rowsNamed("inventory")],
  /** SLOs and maintenance windows, as people want them. */
  defined: [rowsNamed("slo-definitions")],
  /** What evaluations remember of alerts, and what they measure of tooltrail itself. */
  alerts: [rowsNamed("slo-alerts")],
  measured: [rowsNamed("own-figures")],
  /** Incidents: their events, what is to be done because of them, and their postmortems. */
  incidents: [rowsNamed("incidents")],
  /** How a team responds: playbooks, runbooks, destinations and policies. */
  responses: [rowsNamed("response-documents")],
  /** What comes with a batch: a server's days, names and the way to them, and what was refused. */
  arrivals: ["DAYS", "DAYS#*", "NAME#*", "SUBJECT#*", "QUARANTINE", "QUARANTINE#*"],
  names: ["NAME#*"],
  quarantine: ["QUARANTINE", "QUARANTINE#*"],
  /** On which days servers have batches; and those of tooltrail's own records. */
  days: ["DAYS", "DAYS#*"],
  ownDays: ["DAYS#tooltrail"],
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
  readonly follower: sst.aws.Function;
  readonly api: sst.aws.Function;
  readonly evaluator: sst.aws.Function;
  readonly triager: sst.aws.Function;
  readonly responder: sst.aws.Function;
  /** What people ask of incidents, and say of how they respond. */
  readonly incidents: sst.aws.Function;
}

/**
 * The table itself takes the log's head and index from the sequencers alone, what was promised from the signer alone, and rows of projections, budgets and incidents from those who keep them, whatever a role
 * elsewhere in the account allows. Like the ledger's policy, an administrator can take it off; then the checkpoint that was published is what a rewritten head or promise fails by.
 */
export function sealState(
  state: sst.aws.Dynamo,
  { sequencers, signer, follower, api, evaluator, triager, responder, incidents }: Keepers,
) {
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
        only("OnlyTheFollowerCounts", rows.followed, [follower]),
        only("OnlyTheApiDefines", rows.defined, [api]),
        only("OnlyTheEvaluationRemembers", [...rows.alerts, ...rows.measured], [evaluator]),
        only("OnlyThoseWhoRespondKeepIncidents", rows.incidents, [triager, responder, incidents]),
        only("OnlyPeopleSayHowToRespond", rows.responses, [incidents]),
      ],
    }).json,
  });
}
