import * as z from "zod";

/*
 * How a team responds: playbooks, runbooks, destinations, policies. A message of a pattern goes on after the value that it is about.
 */

const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "is not a name. Write lower-case letters, digits and inner hyphens.");
const sentence = z.string().min(1).max(1_024);
const paragraph = z.string().min(1).max(2_048);
const role = z.string().min(1).max(128);
/** `*` stands for any characters. */
const pattern = z.string().min(1).max(256);
const minutes = z.int().min(1).max(10_080);

/**
 * Where to send something: https, or http to this machine alone. Without a user, since a password would be next to it; and without a backslash, which some readers take for a slash.
 */
const address = z
  .string()
  .max(2_048)
  .regex(
    /^(https:\/\/[^\s/?#@\\]+|http:\/\/(127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|localhost|\[::1\])(:\d{1,5})?)([/?#][^\s\\]*)?$/,
    "is no address to send to. Write https://…, or http:// to this machine's loopback, without a user or a password.",
  );

/** Names a secret of the pipeline. What looks like a key of 32 hex digits or more is one, and no name of it. */
const secretRef = z.strictObject(
  {
    secret: z
      .string()
      .regex(
        /^(?![0-9a-f]{32,}$)[a-z0-9-]{1,63}$/,
        "is not the name of a secret. Write lower-case letters, digits and hyphens, at most 63, and not the secret itself.",
      ),
  },
  {
    error: ({ input }) =>
      typeof input === "string"
        ? "is a secret written in clear. Keep it where the pipeline's secrets are, change it if anybody has seen this, and write {secret: its name}."
        : undefined,
  },
);

const trigger = z.strictObject({
  signals: z
    .array(
      z.enum([
        "availability",
        "latency",
        "freshness",
        "quality",
        "schema",
        "auth_mismatch",
        "retry_storm",
        "retry_amplification",
        "silent_regression",
        "policy_drift",
        "schema_breakage",
        "data_degraded",
      ]),
    )
    .min(1)
    .max(12),
  severity: z.enum(["page", "ticket"]).exactOptional(),
  environment: pattern.exactOptional(),
  server: pattern.exactOptional(),
  tool: pattern.exactOptional(),
  releasedWithinMinutes: minutes.exactOptional(),
  changedWithinMinutes: minutes.exactOptional(),
  volumeRatio: z.number().gt(0).max(1_000).exactOptional(),
  environmentsDiffer: z.literal(true).exactOptional(),
});

const target = z.strictObject({
  sli: z.enum([
    "availability",
    "latency",
    "freshness",
    "quality",
    "schema",
    "burn",
    "retries",
    "refused",
    "throughput",
  ]),
  op: z.enum([">=", ">", "<=", "<"]),
  value: z.number().min(0).max(1_000_000),
  thresholdMs: z.int().min(1).max(1_000_000_000).exactOptional(),
  thresholdPermille: z.int().min(1).max(1_000).exactOptional(),
  windowMinutes: z.int().min(1).max(1_440),
  minCalls: z.int().min(1).max(1_000_000),
});

const playbook = z.strictObject({
  kind: z.literal("Playbook"),
  id: label,
  version: z.int().min(1),
  title: z.string().min(1).max(256),
  trigger: z.array(trigger).min(1).max(20),
  hypothesis: paragraph,
  immediateAction: z.strictObject({
    kind: z.enum(["cap_concurrency", "open_breaker", "pin_schema", "revert_policy", "rotate_credential", "degrade"]),
    params: z.record(
      z.string().regex(/^[A-Za-z]\w{0,63}$/),
      z.union([z.string().max(256), z.number(), z.boolean()], "is neither a text, a number, true nor false."),
    ),
    approval: z.enum(["required", "none"]),
    why: sentence,
  }),
  engineeringControl: paragraph,
  verificationTarget: z.array(target).min(1).max(10),
  rollbackTrigger: z.strictObject({ gate: z.literal("verification"), consecutiveFails: z.int().min(1).max(10) }),
  communication: z.strictObject({ owner: role, etaMinutes: minutes, cadenceMinutes: minutes }),
  learning: z.strictObject({
    postmortem: z.literal("required"),
    questions: z.array(sentence).min(1).max(20),
    testTemplates: z.array(z.literal("contract")).max(1),
  }),
});

const runbook = z.strictObject({
  kind: z.literal("Runbook"),
  name: label,
  server: pattern,
  environment: pattern.exactOptional(),
  versions: z.string().min(1).max(256),
  rollbackTo: z.string().min(1).max(128).exactOptional(),
  steps: z.array(sentence).min(1).max(50),
  url: address.exactOptional(),
  owner: role.exactOptional(),
});

const mailbox = z
  .string()
  .max(254)
  .regex(/^[^\s@<>,;"]+@[^\s@<>,;"]+$/, "is no email address.");
const named = { kind: z.literal("Destination"), name: label };

const destination = z.discriminatedUnion("type", [
  z.strictObject({ ...named, type: z.literal("pagerduty"), url: address.exactOptional(), routingKey: secretRef }),
  z.strictObject({ ...named, type: z.literal("slack"), url: secretRef }),
  z.strictObject({ ...named, type: z.literal("webhook"), url: address, signingKey: secretRef }),
  z.strictObject({ ...named, type: z.literal("email"), from: mailbox, to: z.array(mailbox).min(1).max(50) }),
  z.strictObject({
    ...named,
    type: z.literal("sns"),
    topicArn: z
      .string()
      .regex(
        /^arn:aws[a-z-]*:sns:[a-z0-9-]{1,32}:\d{12}:[\w-]{1,251}(\.fifo)?$/,
        "is no topic's ARN. Write it like arn:aws:sns:eu-central-1:123456789012:incidents.",
      ),
  }),
  z.strictObject({
    ...named,
    type: z.literal("github"),
    url: address.exactOptional(),
    repository: z
      .string()
      .max(140)
      .regex(/^[\w-]+\/[\w.-]+$/, "is no repository. Write it like owner/name."),
    token: secretRef,
    labels: z.array(z.string().min(1).max(50)).max(20).exactOptional(),
  }),
  z.strictObject({
    ...named,
    type: z.literal("jira"),
    url: address,
    project: z.string().regex(/^[A-Z][A-Z0-9_]{0,254}$/, "is no key of a project. Write it like OPS."),
    issueType: z.string().min(1).max(255).exactOptional(),
    user: z.string().min(1).max(254),
    token: secretRef,
  }),
  z.strictObject({ ...named, type: z.literal("folder"), path: z.string().min(1).max(1_024) }),
]);

const names = z.array(label).max(20);

const policy = z.strictObject({
  kind: z.literal("ResponsePolicy"),
  name: label,
  environment: pattern.exactOptional(),
  server: pattern.exactOptional(),
  levels: z
    .array(z.strictObject({ targets: names, waitMinutes: minutes }))
    .min(1)
    .max(10),
  rounds: z.int().min(1).max(5),
  acknowledgedForMinutes: minutes,
  tickets: names,
  executors: names,
});

/** One document. What its parts must be to each other (a range of versions, a threshold that an SLI needs) is told by core, which reads it. */
export const responseDocument = z.discriminatedUnion("kind", [playbook, runbook, destination, policy]);
