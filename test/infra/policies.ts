import type { Evaluation, Resource } from "./evaluate.ts";

/** What policies of the stacks say, as IAM would read them. */

export const ofType = ({ resources }: Evaluation, type: string): Resource[] =>
  resources.filter((resource) => resource.type === type);

export const functions = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:lambda/function:Function");

export interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** What it is not about; then `resources` is everything. */
  readonly except: readonly string[];
  /** `Service:lambda.amazonaws.com` */
  readonly principals: readonly string[];
  readonly everybody: boolean;
  readonly condition: { readonly [test: string]: { readonly [variable: string]: readonly string[] } } | undefined;
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value : value === undefined ? [] : [String(value)]);

export function statementsOf(policy: unknown): Statement[] {
  const { Statement } = (typeof policy === "string" ? JSON.parse(policy) : policy) as {
    Statement: Resource["inputs"][];
  };
  return Statement.map(({ Effect, Action, NotAction, Resource, NotResource, Principal, Condition }) => {
    const principals = Object.entries((Principal ?? {}) as object).flatMap(([type, identifiers]) =>
      list(identifiers).map((identifier) => `${type}:${identifier}`),
    );
    return {
      effect: Effect,
      // What is said by what it is not is taken for everything.
      actions: NotAction === undefined ? list(Action) : ["*"],
      resources: NotResource === undefined ? list(Resource) : ["*"],
      except: list(NotResource),
      principals,
      everybody: Principal === "*" || principals.includes("AWS:*"),
      condition: Condition,
    };
  });
}

/** What identities are allowed, statement by statement: roles, and the policies that a person attaches. */
export const allPolicies = (evaluation: Evaluation): (Statement & { readonly role: string })[] =>
  evaluation.resources
    .flatMap(({ type, name, inputs }) => {
      const policies: unknown[] =
        type === "aws:iam/role:Role"
          ? (inputs.inlinePolicies ?? []).map(({ policy }: { policy: unknown }) => policy)
          : /^aws:iam\/(role|user|group)?[pP]olicy:/.test(type)
            ? [inputs.policy]
            : [];
      return policies.flatMap((policy) => statementsOf(policy).map((statement) => ({ ...statement, role: name })));
    })
    .filter(({ effect }) => effect === "Allow");

/** Something that is asked of AWS. */
export interface Request {
  readonly action: string;
  readonly resource: string;
  /** What conditions of policies look at. */
  readonly context: { readonly [variable: string]: readonly string[] };
}

/** Whether a role as the stack makes it allows something: its allow statements alone, since roles of ours deny nothing. */
export const allows = (evaluation: Evaluation, role: string, asked: Request): boolean =>
  allPolicies(evaluation).some((statement) => statement.role === role && isAbout(statement, asked));

/** Whether a table, a bus, a bucket or a key refuses something to somebody, whatever their own policies allow. */
export const refuses = (evaluation: Evaluation, principal: string, { context, ...asked }: Request): boolean =>
  resourcePolicies(evaluation).some(
    (statement) =>
      statement.effect === "Deny" &&
      statement.everybody &&
      isAbout(statement, { ...asked, context: { ...context, "aws:PrincipalArn": [principal] } }),
  );

/** What tables, buses, buckets and keys say themselves, of which a key's policy calls the key `*`. */
export const resourcePolicies = (
  evaluation: Evaluation,
): (Statement & { readonly name: string; readonly type: string })[] =>
  evaluation.resources
    .filter(({ type }) => /^aws:(dynamodb\/resource|cloudwatch\/eventBus|s3\/bucket|kms\/key)Policy:/.test(type))
    .flatMap(({ type, name, inputs }) => {
      const key = ofType(evaluation, "aws:kms/key:Key").find((one) => one.name === inputs.keyId);
      return statementsOf(inputs.policy).map((statement) => ({
        ...statement,
        ...(key && { resources: [key.arn] }),
        name,
        type,
      }));
    });

/** Whether a role is that of one of these functions. */
export const isRoleOf =
  (evaluation: Evaluation, ...names: readonly string[]) =>
  (role: string): boolean =>
    functions(evaluation).some(
      ({ inputs }) => inputs.role === role && names.some((name) => inputs.name.endsWith(`-${name}`)),
    );

/** Somebody else of the account, whose own policies allow everything. */
export const somebody = "arn:aws:iam::111122223333:role/somebody";

/** Every role, and somebody else, of whom a resource refuses the wrong ones. */
export const refusals = (evaluation: Evaluation, asked: Request, isWelcome: (role: string) => boolean): string[] =>
  [...ofType(evaluation, "aws:iam/role:Role").map(({ arn }) => arn), somebody]
    .filter((principal) => refuses(evaluation, principal, asked) === isWelcome(principal))
    .map((principal) => `${isWelcome(principal) ? "refuses" : "takes from"} ${principal}`);

export const isAbout = ({ actions, resources, except, condition }: Statement, asked: Request): boolean =>
  actions.some((action) => matches(action, asked.action)) &&
  resources.some((resource) => matches(resource, asked.resource)) &&
  !except.some((resource) => matches(resource, asked.resource)) &&
  Object.entries(condition ?? {}).every(([test, variables]) =>
    Object.entries(variables).every(([variable, values]) => holds(test, values, asked.context[variable] ?? [])),
  );

function holds(test: string, values: readonly string[], given: readonly string[]): boolean {
  switch (test) {
    case "Null":
      return (given.length === 0) === (values[0] === "true");
    case "Bool":
    case "StringEquals":
    case "ForAnyValue:StringEquals":
      return given.some((one) => values.includes(one));
    case "NumericLessThan":
      return given.some((one) => Number(one) < Number(values[0]));
    case "ForAnyValue:StringLike":
      return given.some((one) => values.some((value) => matches(value, one)));
    case "StringNotEquals":
      return !given.some((one) => values.includes(one));
    case "ForAllValues:StringEquals":
      return given.every((one) => values.includes(one));
    case "ForAllValues:StringNotEquals":
      return !given.some((one) => values.includes(one));
    case "ForAllValues:StringLike":
      return given.every((one) => values.some((value) => matches(value, one)));
    default:
      throw new Error(`The rules do not know the condition ${test}.`);
  }
}

export const grants = (evaluation: Evaluation): { role: string; action: string; resource: string }[] =>
  allPolicies(evaluation).flatMap(({ role, actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ role, action, resource }))),
  );

/** IAM's wildcards, without regard to case, as IAM compares actions. */
export function matches(pattern: string, value: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${escaped}$`, "i").test(value);
}
