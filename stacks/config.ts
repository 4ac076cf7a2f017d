import { busName } from "@tooltrail/format";

/** What distinguishes one deployment from another. */
export interface StageConfig {
  readonly production: boolean;
  /** Begins the name of everything that a person types: `tooltrail` in production, `tooltrail-<stage>` elsewhere. It is the bus's name, too. */
  readonly name: string;
  /** Who may query: holders of this issuer's tokens, and quarantine those with the operators' scope. Where it is absent, whoever IAM lets invoke the API. */
  readonly jwt:
    | { readonly issuer: string; readonly audiences: readonly string[]; readonly operatorScope: string }
    | undefined;
  readonly log: LogConfig;
  readonly response: ResponseConfig;
  /** Gets a message for every alarm, once it has confirmed the subscription. */
  readonly alarmEmail: string | undefined;
  /** Said in each function's description, so that a version tells its commit; a new value alone makes new versions. */
  readonly release: string;
  readonly logLevel: string;
}

export interface LogConfig {
  /** The log's name for ever: it is in every checkpoint and every receipt. Absent: made of the account, the region and the stage. */
  readonly origin: string | undefined;
  /** Which of the log's keys signs, from 1 on. Each has its own; a rotation is the next number. */
  readonly keyGeneration: number;
  /** Until when the key before it signs, too: an ISO time. Of the first there is none. */
  readonly formerKeyUntil: string | undefined;
  /** Whom the signer asks for cosignatures, and how many of them a verifier needs: a C2SP tlog-policy. */
  readonly witnessPolicy: string | undefined;
  /** Whether anybody may read the records (pseudonymised) as well as their hashes. */
  readonly publicEntries: boolean;
  /** Where the log is served besides CloudFront's own name, with a certificate (ACM, us-east-1) for it. */
  readonly domain: { readonly name: string; readonly certificateArn: string } | undefined;
  /** How long nobody at all can delete what is final, from when it was written. Undefined: no lock, so that the stage can be removed. */
  readonly lockDays: number | undefined;
}

/** By which ways of AWS somebody may be told of incidents. Over HTTP everybody may; what destinations there are, documents say. */
export interface ResponseConfig {
  /** Whose name emails bear: a verified identity of SES. Absent: none are sent. */
  readonly emailIdentityArn: string | undefined;
  /** Standard ones: a FIFO topic takes no message without a group. */
  readonly topicArns: readonly string[];
}

/** Seven years. */
const defaultLockDays = 2_557;
/** Half of what Lambda takes as environment. */
const maxPolicyBytes = 2_048;

/** Not WARN or ERROR: Lambda would drop the metrics, which it takes for lines at INFO. */
const logLevels = ["DEBUG", "INFO"];

const defaultOperatorScope = "tooltrail/operate";

/**
 * Everything that a deployment takes from outside, read here and nowhere else in the stacks.
 *
 * @throws Error that names every variable that cannot be used, and why.
 */
export function stageConfig(stage: string, env: { readonly [name: string]: string | undefined }): StageConfig {
  const issuer = env.TOOLTRAIL_JWT_ISSUER || undefined;
  const audiences = (env.TOOLTRAIL_JWT_AUDIENCE ?? "").split(",").filter(Boolean);
  const operatorScope = env.TOOLTRAIL_JWT_OPERATOR_SCOPE || undefined;
  const alarmEmail = env.TOOLTRAIL_ALARM_EMAIL || undefined;
  const release = env.TOOLTRAIL_RELEASE || "unnamed";
  const production = stage === "production";
  const logLevel = env.TOOLTRAIL_LOG_LEVEL || "INFO";
  const log = logConfig(production, env);
  const response = responseConfig(env);

  const problems = [
    // Names are made of it, and the shortest limit is a function's 64 characters.
    !/^[a-z][a-z0-9-]{0,29}$/.test(stage) && `--stage: "${stage}" is not 1 to 30 of a-z, 0-9 and -, a letter first.`,
    issuer !== undefined && !issuer.startsWith("https://") && `TOOLTRAIL_JWT_ISSUER: "${issuer}" is no https address.`,
    issuer !== undefined && audiences.length === 0 && "TOOLTRAIL_JWT_AUDIENCE: is needed with TOOLTRAIL_JWT_ISSUER.",
    issuer === undefined && audiences.length > 0 && "TOOLTRAIL_JWT_ISSUER: is needed with TOOLTRAIL_JWT_AUDIENCE.",
    operatorScope !== undefined &&
      issuer === undefined &&
      "TOOLTRAIL_JWT_ISSUER: is needed with TOOLTRAIL_JWT_OPERATOR_SCOPE.",
    // As RFC 6749 writes one, as long as API Gateway takes it.
    operatorScope !== undefined &&
      !/^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(operatorScope) &&
      `TOOLTRAIL_JWT_OPERATOR_SCOPE: "${operatorScope}" is not one scope of 1 to 64 characters.`,
    alarmEmail !== undefined &&
      !/^\S+@\S+$/.test(alarmEmail) &&
      `TOOLTRAIL_ALARM_EMAIL: "${alarmEmail}" is no address of a mailbox.`,
    !/^[\w.-]{1,64}$/.test(release) &&
      `TOOLTRAIL_RELEASE: "${release}" is not 1 to 64 letters, digits, dots or dashes.`,
    !logLevels.includes(logLevel) &&
      `TOOLTRAIL_LOG_LEVEL: "${logLevel}" is none of ${logLevels.join(", ")}. Above INFO, Lambda drops the metrics.`,
    ...log.problems,
    ...response.problems,
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new Error(problems.join("\n"));

  return {
    production,
    name: production ? busName : `${busName}-${stage}`,
    jwt: issuer === undefined ? undefined : { issuer, audiences, operatorScope: operatorScope ?? defaultOperatorScope },
    log: log.config,
    response: response.config,
    alarmEmail,
    release,
    logLevel,
  };
}

function logConfig(
  production: boolean,
  env: { readonly [name: string]: string | undefined },
): { config: LogConfig; problems: (string | false)[] } {
  const origin = env.TOOLTRAIL_LOG_ORIGIN || undefined;
  const generation = env.TOOLTRAIL_LOG_KEY || "1";
  const formerKeyUntil = env.TOOLTRAIL_LOG_FORMER_KEY_UNTIL || undefined;
  const witnessPolicy = env.TOOLTRAIL_WITNESS_POLICY || undefined;
  const shown = env.TOOLTRAIL_LOG_PUBLIC || "hashes";
  const domain = env.TOOLTRAIL_LOG_DOMAIN || undefined;
  const certificateArn = env.TOOLTRAIL_LOG_CERTIFICATE || undefined;
  const lock = env.TOOLTRAIL_LOG_LOCK_DAYS || String(production ? defaultLockDays : 0);

  const problems = [
    // A key's name in a note has neither white space nor a plus.
    origin !== undefined &&
      !/^[A-Za-z0-9][A-Za-z0-9./_-]{0,199}$/.test(origin) &&
      `TOOLTRAIL_LOG_ORIGIN: "${origin}" is not 1 to 200 letters, digits, dots, dashes and slashes.`,
    !/^[1-9][0-9]?$/.test(generation) && `TOOLTRAIL_LOG_KEY: "${generation}" is no number from 1 to 99.`,
    formerKeyUntil !== undefined &&
      !isUtcTime(formerKeyUntil) &&
      `TOOLTRAIL_LOG_FORMER_KEY_UNTIL: "${formerKeyUntil}" is no time such as 2027-01-31T00:00:00Z.`,
    (generation === "1") !== (formerKeyUntil === undefined) &&
      "TOOLTRAIL_LOG_FORMER_KEY_UNTIL: is needed from the second TOOLTRAIL_LOG_KEY on, and only there.",
    Buffer.byteLength(witnessPolicy ?? "") > maxPolicyBytes &&
      `TOOLTRAIL_WITNESS_POLICY: has more than ${maxPolicyBytes} bytes.`,
    !["hashes", "entries"].includes(shown) && `TOOLTRAIL_LOG_PUBLIC: "${shown}" is neither hashes nor entries.`,
    domain !== undefined &&
      !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain) &&
      `TOOLTRAIL_LOG_DOMAIN: "${domain}" is no host's name.`,
    (domain === undefined) !== (certificateArn === undefined) &&
      "TOOLTRAIL_LOG_CERTIFICATE: is needed with TOOLTRAIL_LOG_DOMAIN, and only there.",
    certificateArn !== undefined &&
      !/^arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate\/\S+$/.test(certificateArn) &&
      `TOOLTRAIL_LOG_CERTIFICATE: "${certificateArn}" is no certificate's ARN in us-east-1, where CloudFront looks.`,
    !/^\d{1,5}$/.test(lock) && `TOOLTRAIL_LOG_LOCK_DAYS: "${lock}" is no number of days.`,
    production && Number(lock) === 0 && "TOOLTRAIL_LOG_LOCK_DAYS: production has a lock of a day at least.",
  ];
  return {
    config: {
      origin,
      keyGeneration: Number(generation),
      formerKeyUntil,
      witnessPolicy,
      publicEntries: shown === "entries",
      domain: domain === undefined || certificateArn === undefined ? undefined : { name: domain, certificateArn },
      lockDays: Number(lock) || undefined,
    },
    problems,
  };
}

const isUtcTime = (text: string): boolean =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) && !Number.isNaN(Date.parse(text));

/** A role has 10,240 characters for all that it may. */
const maxTopics = 20;

function responseConfig(env: { readonly [name: string]: string | undefined }): {
  config: ResponseConfig;
  problems: (string | false)[];
} {
  const emailIdentityArn = env.TOOLTRAIL_RESPONSE_EMAIL_IDENTITY || undefined;
  const topicArns = (env.TOOLTRAIL_RESPONSE_TOPICS ?? "").split(",").filter(Boolean);
  return {
    config: { emailIdentityArn, topicArns },
    problems: [
      // No star in either: it would be one for IAM, too.
      emailIdentityArn !== undefined &&
        !/^arn:aws[a-z-]*:ses:[a-z0-9-]+:\d{12}:identity\/[A-Za-z0-9.@_+-]+$/.test(emailIdentityArn) &&
        `TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: "${emailIdentityArn}" is no ARN of an identity of SES.`,
      ...topicArns
        .filter((arn) => !/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/.test(arn))
        .map((arn) => `TOOLTRAIL_RESPONSE_TOPICS: "${arn}" is no ARN of a topic of SNS.`),
      topicArns.length > maxTopics && `TOOLTRAIL_RESPONSE_TOPICS: names more than ${maxTopics} topics.`,
    ],
  };
}
