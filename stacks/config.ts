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
  /** Gets a message for every alarm, once it has confirmed the subscription. */
  readonly alarmEmail: string | undefined;
  /** Said in each function's description, so that a version tells its commit; a new value alone makes new versions. */
  readonly release: string;
  readonly logLevel: string;
}

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
  const logLevel = env.TOOLTRAIL_LOG_LEVEL || "INFO";

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
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new Error(problems.join("\n"));

  const production = stage === "production";
  return {
    production,
    name: production ? busName : `${busName}-${stage}`,
    jwt: issuer === undefined ? undefined : { issuer, audiences, operatorScope: operatorScope ?? defaultOperatorScope },
    alarmEmail,
    release,
    logLevel,
  };
}
