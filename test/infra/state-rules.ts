import { projections } from "@tooltrail/core/follow/projections";
import type { Evaluation } from "./evaluate.ts";
import { allows, functions, isRoleOf, ofType, type Request, refusals, refuses, somebody } from "./policies.ts";

/** Who keeps which rows of State, by their partition key: the table takes them from nobody else, and nobody else's role allows it. */
interface Kept {
  readonly key: string;
  readonly by: readonly string[];
  readonly action: string;
}

const put = "dynamodb:PutItem";
const remove = "dynamodb:DeleteItem";
/** As the adapter writes them: name, generation, partition. */
const rowsOf = (name: string): string => `P#${name}#1#a`;

const ofTheLog: readonly Kept[] = [
  { key: "LOG", by: ["sequence", "reconcile"], action: put },
  { key: "LEAF#abc", by: ["sequence", "reconcile"], action: "dynamodb:BatchWriteItem" },
  { key: "SIGNER", by: ["sign"], action: put },
];

const followed = [...projections.map(({ name }) => name), "continuity-said"].map(rowsOf);
const ofBudgets: readonly Kept[] = [
  ...followed.flatMap((key) => [put, remove].map((action) => ({ key, by: ["follow"], action }))),
  ...[put, remove].map((action) => ({ key: rowsOf("slo-definitions"), by: ["api"], action })),
  ...[put, remove].map((action) => ({ key: rowsOf("slo-alerts"), by: ["evaluate"], action })),
  { key: rowsOf("own-figures"), by: ["evaluate"], action: put },
];

const ofIncidents: readonly Kept[] = [
  ...[put, remove].map((action) => ({
    key: rowsOf("incidents"),
    by: ["triage", "respond", "incidents"],
    action,
  })),
  { key: rowsOf("response-documents"), by: ["incidents"], action: put },
];

/** What must hold of State. Like all rules, they look for resources by type. */
export const stateRules: { readonly [what: string]: (evaluation: Evaluation) => string[] } = {
  "the head is the sequencer's, and the promise the signer's": (evaluation) => misplaced(evaluation, ofTheLog),

  "what follows the log is the follower's, what is defined the api's, and what is remembered of it the evaluation's": (
    evaluation,
  ) => misplaced(evaluation, ofBudgets),

  "incidents are kept by those who deal with them, and how to respond is said by people": (evaluation) =>
    misplaced(evaluation, ofIncidents),
};

function misplaced(evaluation: Evaluation, all: readonly Kept[]): string[] {
  const tables = ofType(evaluation, "aws:dynamodb/table:Table").filter(({ inputs }) =>
    functions(evaluation).some((fn) => fn.inputs.environment?.variables?.TOOLTRAIL_STATE_TABLE === inputs.name),
  );
  return tables.flatMap(({ arn }) =>
    all.flatMap(({ key, by, action }) => {
      const write: Request = { action, resource: arn, context: { "dynamodb:LeadingKeys": ["NAME#x", key] } };
      const alone: Request = { ...write, context: { "dynamodb:LeadingKeys": [key] } };
      const keeps = isRoleOf(evaluation, ...by);
      return [
        ...["UpdateItem", "DeleteItem", "PartiQLUpdate"]
          .filter((other) => !refuses(evaluation, somebody, { ...write, action: `dynamodb:${other}` }))
          .map((other) => `${key} takes ${other}`),
        ...refusals(evaluation, write, keeps).map((wrong) => `${key} ${wrong}`),
        ...ofType(evaluation, "aws:iam/role:Role")
          .filter((role) => allows(evaluation, role.name, alone) !== keeps(role.arn))
          .map((role) => `${role.name} ${keeps(role.arn) ? "may not" : "may"} ${action} on ${key}`),
      ];
    }),
  );
}
