import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projections } from "@tooltrail/core/follow/projections";
import type { Evaluation, Resource } from "./evaluate.ts";
import { logRules } from "./log-rules.ts";
import {
  allows,
  allPolicies,
  functions,
  grants,
  isRoleOf,
  matches,
  ofType,
  type Request,
  refusals,
  resourcePolicies,
  statementsOf,
} from "./policies.ts";
import { stateRules } from "./state-rules.ts";

/**
 * What must hold of every deployment, each a function from all resources to what is wrong. They look for resources by type, never by name, so
 * that what somebody adds is held to them too.
 */
export const rules: { readonly [what: string]: (evaluation: Evaluation) => string[] } = {
  "no role can change or delete what is in the ledger": (evaluation) =>
    grants(evaluation)
      .filter(({ resource }) => ledgers(evaluation).some(({ arn }) => matches(resource, arn)))
      .flatMap(({ role, action }) =>
        ledgerIsClosedTo.filter((closed) => matches(action, closed)).map((closed) => `${role} may ${closed}`),
      ),

  "the ledger itself refuses changes from everybody": (evaluation) =>
    ledgers(evaluation).flatMap(({ name, arn }) => {
      const policies = ofType(evaluation, "aws:dynamodb/resourcePolicy:ResourcePolicy")
        .filter(({ inputs }) => inputs.resourceArn === arn)
        .flatMap(({ inputs }) => statementsOf(inputs.policy));
      return ledgerIsClosedTo
        .filter((closed) => !(closed === "dynamodb:DeleteTable" && evaluation.app.removal === "remove"))
        .filter(
          (closed) =>
            !policies.some(
              ({ effect, everybody, condition, actions }) =>
                effect === "Deny" && everybody && condition === undefined && actions.includes(closed),
            ),
        )
        .map((closed) => `${name} does not refuse ${closed}`);
    }),

  "the ledger takes appends from ingest, api and incidents alone, and no other role may": (evaluation) =>
    ledgers(evaluation).flatMap(({ name, arn }) => {
      const append: Request = { action: "dynamodb:PutItem", resource: arn, context: {} };
      const appends = isRoleOf(evaluation, "ingest", "api", "incidents");
      return [
        ...refusals(evaluation, append, appends).map((wrong) => `${name} ${wrong}`),
        ...ofType(evaluation, "aws:iam/role:Role")
          .filter((role) => allows(evaluation, role.name, append) !== appends(role.arn))
          .map((role) => `${role.name} ${appends(role.arn) ? "may not" : "may"} append to ${name}`),
      ];
    }),

  "a bus takes the pipeline's name from the pipeline alone": (evaluation) =>
    ofType(evaluation, "aws:cloudwatch/eventBus:EventBus").flatMap(({ name, arn }) => {
      const put = (...sources: string[]): Request => ({
        action: "events:PutEvents",
        resource: arn,
        context: { "events:source": sources },
      });
      const mayPut = (role: string): boolean => functions(evaluation).some(({ inputs }) => inputs.role === role);
      return [
        ...refusals(evaluation, put("billing", "tooltrail.pipeline"), mayPut),
        ...refusals(evaluation, put("billing"), () => true),
      ].map((wrong) => `${name} ${wrong}`);
    }),

  "a table's or a bus's own policy lets nobody in": (evaluation) =>
    resourcePolicies(evaluation)
      .filter(({ type, effect }) => /dynamodb|cloudwatch/.test(type) && effect === "Allow")
      .map(({ name, actions }) => `${name} allows ${actions}`),

  "who may read records may read nothing else": (evaluation) => {
    const readable = readerRoutes.map((route) => `/$default/${route.replace(" ", "")}`);
    const policies = new Map<string, string[]>();
    for (const { role, action, resource } of grants(evaluation).filter(({ action }) =>
      /^(\*|execute-api:)/.test(action),
    ))
      policies.set(role, [
        ...(policies.get(role) ?? []),
        `${action} ${resource.replace(/^arn:aws:execute-api:[^/]*/, "")}`,
      ]);
    const wanted = readable
      .map((path) => `execute-api:Invoke ${path}`)
      .sort()
      .join();
    return [...policies].filter(([, granted]) => granted.sort().join() !== wanted).map(([role]) => role);
  },

  "nothing is granted wider than it must be": (evaluation) =>
    grants(evaluation)
      .filter(({ action, resource }) => action.includes("*") || resource === "*" || !isNarrow(resource))
      .filter(({ action, resource }) => !(resource === "*" && action in hasNoResource))
      .map(({ role, action, resource }) => `${role} may ${action} on ${resource}`),

  "no role has a managed policy of somebody else's": (evaluation) => [
    ...ofType(evaluation, "aws:iam/role:Role")
      .filter(({ inputs }) => inputs.managedPolicyArns?.length > 0)
      .map(({ name, inputs }) => `${name}: ${inputs.managedPolicyArns}`),
    ...ofType(evaluation, "aws:iam/rolePolicyAttachment:RolePolicyAttachment").map(({ name }) => name),
  ],

  "a role is for one AWS service, and for nobody else": (evaluation) =>
    ofType(evaluation, "aws:iam/role:Role").flatMap(({ name, inputs }) =>
      statementsOf(inputs.assumeRolePolicy)
        .flatMap(({ principals }) => principals)
        .filter((principal) => !/^Service:(lambda|codedeploy)\.amazonaws\.com$/.test(principal))
        .map((principal) => `${name} trusts ${principal}`),
    ),

  "functions speak in the pipeline's name only, emitters in any other": (evaluation) =>
    allPolicies(evaluation)
      .filter(({ actions }) => actions.some((action) => matches(action, "events:PutEvents")))
      .filter(({ role, condition }) => {
        const test = role.endsWith("Role") ? "ForAllValues:StringEquals" : "ForAllValues:StringNotEquals";
        return (
          condition?.[test]?.["events:source"]?.[0] !== "tooltrail.pipeline" ||
          condition.Null?.["events:source"]?.[0] !== "false"
        );
      })
      .map(({ role }) => `${role} may speak in any name`),

  "a queue has a dead-letter queue, and is encrypted for 14 days": (evaluation) => {
    const queues = ofType(evaluation, "aws:sqs/queue:Queue");
    const dead = new Set([
      ...queues.map(({ inputs }) => redriveOf(inputs)?.deadLetterTargetArn),
      ...ofType(evaluation, "aws:cloudwatch/eventTarget:EventTarget").map(({ inputs }) => inputs.deadLetterConfig?.arn),
    ]);
    return queues.flatMap(({ name, arn, inputs }) => [
      ...(dead.has(arn) || queues.some((other) => other.arn === redriveOf(inputs)?.deadLetterTargetArn)
        ? []
        : [`${name} has no dead-letter queue`]),
      ...(inputs.sqsManagedSseEnabled === true ? [] : [`${name} is not encrypted`]),
      ...(inputs.messageRetentionSeconds === 1_209_600 ? [] : [`${name} forgets before 14 days`]),
    ]);
  },

  "a queue takes what the bus takes": (evaluation) =>
    ofType(evaluation, "aws:sqs/queue:Queue")
      .filter(({ inputs }) => inputs.maxMessageSize !== 1_048_576)
      .map(({ name, inputs }) => `${name} takes ${inputs.maxMessageSize ?? 262_144} bytes`),

  "only our rule sends to a queue, and only over TLS": (evaluation) => {
    const rulesArns = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").map(({ arn }) => arn);
    return ofType(evaluation, "aws:sqs/queue:Queue").flatMap(({ name, arn }) => {
      const statements = ofType(evaluation, "aws:sqs/queuePolicy:QueuePolicy")
        .flatMap(({ inputs }) => statementsOf(inputs.policy))
        .filter(({ resources }) => resources.includes(arn));
      const tls = statements.some(
        ({ effect, everybody, condition }) =>
          effect === "Deny" && everybody && condition?.Bool?.["aws:SecureTransport"]?.[0] === "false",
      );
      const open = statements.filter(
        ({ effect, condition, actions }) =>
          effect === "Allow" &&
          (actions.join() !== "sqs:SendMessage" ||
            !rulesArns.includes(condition?.ArnEquals?.["aws:SourceArn"]?.[0] ?? "")),
      );
      return [
        ...(tls ? [] : [`${name} takes plain HTTP`]),
        ...open.map(() => `${name} takes from others than our rule`),
      ];
    });
  },

  "a rule's target retries for a day and has a dead-letter queue that lets it in": (evaluation) =>
    targetsOf(evaluation, "sqs").flatMap(({ name, inputs }) => {
      const rule = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").find(
        (one) => one.inputs.name === inputs.rule,
      );
      const letsIn = (queue: string): boolean =>
        ofType(evaluation, "aws:sqs/queuePolicy:QueuePolicy")
          .flatMap((policy) => statementsOf(policy.inputs.policy))
          .some(
            ({ effect, resources, condition }) =>
              effect === "Allow" &&
              resources.includes(queue) &&
              condition?.ArnEquals?.["aws:SourceArn"]?.[0] === rule?.arn,
          );
      return [
        ...(inputs.retryPolicy?.maximumEventAgeInSeconds === 86_400 ? [] : [`${name} gives up before a day`]),
        ...[inputs.arn, inputs.deadLetterConfig?.arn]
          .filter((queue) => queue === undefined || !letsIn(queue))
          .map((queue) => `${name} cannot send to ${queue}`),
      ];
    }),

  "what wakes a function may do so, by its alias, and is not kept for later": (evaluation) => {
    const targets = ofType(evaluation, "aws:cloudwatch/eventTarget:EventTarget");
    const calls = targetsOf(evaluation, "lambda");
    return [
      ...targets
        .filter((target) => !calls.includes(target) && !targetsOf(evaluation, "sqs").includes(target))
        .map(({ name }) => `${name} calls neither a function nor a queue`),
      ...calls.flatMap(({ name, inputs }) => {
        const rule = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").find(
          (one) => one.inputs.name === inputs.rule,
        );
        const fn = functions(evaluation).find(({ arn }) => inputs.arn === `${arn}:live`)?.inputs.name;
        const of = (type: string, given: string) =>
          ofType(evaluation, type).find((one) => one.inputs[given] === fn && one.inputs.qualifier === "live");
        const permitted = ofType(evaluation, "aws:lambda/permission:Permission").some(
          (one) => one.inputs.function === fn && one.inputs.qualifier === "live" && one.inputs.sourceArn === rule?.arn,
        );
        const tries = of("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "functionName")?.inputs;
        return [
          ...(fn === undefined ? [`${name} calls past an alias`] : []),
          ...(permitted ? [] : [`${name} may not call`]),
          ...(inputs.retryPolicy?.maximumEventAgeInSeconds === 60 &&
          tries?.maximumEventAgeInSeconds === 60 &&
          tries.maximumRetryAttempts === 0
            ? []
            : [`${name} calls again later`]),
        ];
      }),
    ];
  },

  "who runs one at a time, and may miss what wakes it, is called by the clock each minute": (evaluation) =>
    functions(evaluation)
      .filter(({ inputs }) => inputs.reservedConcurrentExecutions === 1)
      .filter(
        ({ arn }) =>
          !targetsOf(evaluation, "lambda").some(
            (target) =>
              target.inputs.arn === `${arn}:live` &&
              ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").some(
                ({ inputs }) => inputs.name === target.inputs.rule && inputs.scheduleExpression === "rate(1 minute)",
              ),
          ),
      )
      .map(({ name }) => name),

  "a queue waits six times as long as its function runs": (evaluation) =>
    mappings(evaluation).flatMap(({ queue, fn }) =>
      queue !== undefined &&
      queue.inputs.visibilityTimeoutSeconds < 6 * (fn?.inputs.timeout ?? Number.POSITIVE_INFINITY)
        ? [`${queue.name} shows messages again after ${queue.inputs.visibilityTimeoutSeconds} s`]
        : [],
    ),

  "an event source reports which of its messages failed, and loses none": (evaluation) =>
    mappings(evaluation).flatMap(({ mapping: { name, inputs }, queue }) => [
      ...(inputs.functionResponseTypes?.includes("ReportBatchItemFailures") ? [] : [`${name} fails as a whole`]),
      ...(queue !== undefined || inputs.startingPosition === "TRIM_HORIZON" ? [] : [`${name} begins late`]),
      ...(queue !== undefined || (inputs.maximumRetryAttempts === -1 && inputs.maximumRecordAgeInSeconds === -1)
        ? []
        : [`${name} gives up`]),
      ...(queue === undefined || inputs.scalingConfig?.maximumConcurrency > 0 ? [] : [`${name} knows no bound`]),
      // Everything is called by its alias, which is what a release moves.
      ...(/:live$/.test(inputs.functionName) ? [] : [`${name} calls past the alias`]),
    ]),

  "a function is arm64, Node 24, traced, and its environment holds what it should": (evaluation) =>
    functions(evaluation).flatMap(({ name, inputs }) => [
      ...(inputs.architectures?.join() === "arm64" ? [] : [`${name} is not arm64`]),
      ...(inputs.runtime === "nodejs24.x" ? [] : [`${name} runs ${inputs.runtime}`]),
      ...(inputs.tracingConfig?.mode === "Active" ? [] : [`${name} is not traced`]),
      // What somebody waits for is short; what works on the log ends before the clock calls for the sixth time.
      ...(inputs.timeout <= (isWaitedFor(evaluation, name) ? 60 : 300) ? [] : [`${name} runs ${inputs.timeout} s`]),
      ...(inputs.publish === true ? [] : [`${name} has no versions`]),
      ...Object.keys(inputs.environment?.variables ?? {})
        .filter((variable) => !/^(TOOLTRAIL|POWERTOOLS)_/.test(variable))
        .map((variable) => `${name} gets ${variable}`),
    ]),

  "a function logs JSON into a group of its own, which forgets": (evaluation) =>
    functions(evaluation).flatMap(({ name, inputs }) => {
      const group = ofType(evaluation, "aws:cloudwatch/logGroup:LogGroup").find(
        (one) => one.inputs.name === inputs.loggingConfig?.logGroup,
      );
      return [
        ...(inputs.loggingConfig?.logFormat === "JSON" ? [] : [`${name} does not log JSON`]),
        // A metric's line has no level, and Lambda takes it for one at INFO.
        ...(["DEBUG", "INFO"].includes(inputs.loggingConfig?.applicationLogLevel) ? [] : [`${name} drops its metrics`]),
        ...(group?.inputs.retentionInDays > 0 ? [] : [`${name} logs for ever`]),
      ];
    }),

  "every log group forgets": (evaluation) =>
    ofType(evaluation, "aws:cloudwatch/logGroup:LogGroup")
      .filter(({ inputs }) => !(inputs.retentionInDays > 0))
      .map(({ name }) => name),

  "a function's errors and throttles ring, and so does whatever lies dead": (evaluation) => {
    const rings = (namespace: string, metric: string, dimension: string, value: string): boolean =>
      ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm").some(
        ({ inputs }) =>
          inputs.namespace === namespace &&
          inputs.metricName === metric &&
          inputs.dimensions?.[dimension] === value &&
          inputs.threshold === 0,
      );
    const dead = ofType(evaluation, "aws:sqs/queue:Queue").filter(({ inputs }) => redriveOf(inputs) === undefined);
    return [
      ...functions(evaluation).flatMap(({ inputs }) =>
        lambdaAlarms(inputs)
          .filter((metric) => !rings("AWS/Lambda", metric, "FunctionName", inputs.name))
          .map((metric) => `${inputs.name}: ${metric}`),
      ),
      ...dead
        .filter(({ inputs }) => !rings("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", inputs.name))
        .map(({ inputs }) => `${inputs.name}: messages`),
    ];
  },

  "an event source that falls behind rings": (evaluation) =>
    mappings(evaluation)
      .filter(({ queue, fn }) => {
        const [metric, dimension, value] =
          queue === undefined
            ? ["IteratorAge", "FunctionName", fn?.inputs.name]
            : ["ApproximateAgeOfOldestMessage", "QueueName", queue.inputs.name];
        return !ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm").some(
          ({ inputs }) => inputs.metricName === metric && inputs.dimensions?.[dimension] === value,
        );
      })
      .map(({ mapping }) => mapping.name),

  "what the pipeline says of itself rings": (evaluation) =>
    mustRing
      .filter(
        ({ namespace, metric, above, minutes }) =>
          !alarmsOf(evaluation).some(
            ({ inputs }) =>
              inputs.namespace === namespace &&
              inputs.metricName === metric &&
              inputs.threshold <= above &&
              inputs.period * (inputs.datapointsToAlarm ?? inputs.evaluationPeriods) <= minutes * 60,
          ),
      )
      .map(({ metric }) => metric),

  "what a rule can put nowhere rings": (evaluation) =>
    targetsOf(evaluation, "sqs")
      .filter(
        ({ inputs: target }) =>
          !alarmsOf(evaluation).some(
            ({ inputs }) =>
              inputs.metricName === "InvocationsFailedToBeSentToDlq" &&
              inputs.threshold === 0 &&
              inputs.dimensions?.RuleName === target.rule,
          ),
      )
      .map(({ name }) => name),

  "one message that fails again and again rings": (evaluation) =>
    mappings(evaluation).flatMap(({ queue }) =>
      alarmsOf(evaluation)
        .filter(({ inputs }) => queue !== undefined && inputs.metricName === "IngestRetry")
        // It fails once in the time that it is hidden for.
        .filter(
          ({ inputs: { period, evaluationPeriods, datapointsToAlarm } }) =>
            period * evaluationPeriods <
            (datapointsToAlarm ?? evaluationPeriods) * queue?.inputs.visibilityTimeoutSeconds,
        )
        .map(({ name }) => name),
    ),

  "an alarm looks at something that is there": (evaluation) =>
    alarmsOf(evaluation).flatMap(({ name, inputs }) => {
      const known = signals[inputs.namespace];
      const dimensionsOf = inputs.metricName.startsWith("FollowerLag") ? "projection,service" : known?.dimensions;
      const there = dimensionValues(evaluation);
      const dimensions = Object.entries<string>(inputs.dimensions ?? {});
      return [
        ...(known?.metrics[inputs.metricName] === inputs.statistic
          ? []
          : [`${name}: ${inputs.statistic} of ${inputs.namespace} ${inputs.metricName}`]),
        ...(dimensions
          .map(([dimension]) => dimension)
          .sort()
          .join() === dimensionsOf
          ? []
          : [`${name}: dimensions`]),
        ...dimensions
          .filter(([dimension, value]) => !there[dimension]?.includes(value))
          .map(([dimension, value]) => `${name}: no ${dimension} ${value}`),
        ...(inputs.comparisonOperator ===
        (mustHappen.includes(inputs.metricName) ? "LessThanThreshold" : "GreaterThanThreshold")
          ? []
          : [`${name}: ${inputs.comparisonOperator}`]),
      ];
    }),

  "every alarm tells somebody, and silence is one only where something must be said": (evaluation) => {
    const topics = ofType(evaluation, "aws:sns/topic:Topic").map(({ arn }) => arn);
    return alarmsOf(evaluation)
      .filter(
        ({ inputs }) =>
          !topics.includes(inputs.alarmActions?.[0]) ||
          inputs.treatMissingData !== (mustSpeak.includes(inputs.metricName) ? "breaching" : "notBreaching"),
      )
      .map(({ name }) => name);
  },

  "every projection that falls behind rings": (evaluation) =>
    projections
      .filter(
        ({ name }) =>
          !alarmsOf(evaluation).some(
            ({ inputs }) => inputs.metricName === "FollowerLagMs" && inputs.dimensions.projection === name,
          ),
      )
      .map(({ name }) => name),

  "a table is paid by use, can be restored, and cannot be dropped in production": (evaluation) =>
    tables(evaluation).flatMap(({ name, inputs, options }) => [
      ...(inputs.billingMode === "PAY_PER_REQUEST" ? [] : [`${name} is paid by the hour`]),
      ...(inputs.pointInTimeRecovery?.enabled === true ? [] : [`${name} cannot be restored`]),
      ...(evaluation.app.removal === "remove"
        ? []
        : [
            ...(inputs.deletionProtectionEnabled === true ? [] : [`${name} can be deleted`]),
            ...(options.retainOnDelete === true && options.protect === true ? [] : [`${name} goes with its stage`]),
          ]),
    ]),

  "the ledger says what befalls it, and keeps nothing for a while only": (evaluation) =>
    ledgers(evaluation).flatMap(({ name, inputs }) => [
      ...(inputs.streamViewType === "NEW_AND_OLD_IMAGES" ? [] : [`${name} has no stream of both images`]),
      ...(inputs.ttl === undefined ? [] : [`${name} expires`]),
    ]),

  "secrets have no value here, and stay in production": (evaluation) => [
    ...ofType(evaluation, "aws:secretsmanager/secretVersion:SecretVersion").map(({ name }) => `${name} is a value`),
    ...ofType(evaluation, "aws:secretsmanager/secret:Secret")
      .filter(({ options }) => evaluation.app.removal !== "remove" && !(options.retainOnDelete && options.protect))
      .map(({ name }) => `${name} goes with its stage`),
  ],

  "a secret is read by those whom it is for": (evaluation) =>
    ofType(evaluation, "aws:secretsmanager/secret:Secret").flatMap(({ name, arn, inputs }) => {
      const read: Request = { action: "secretsmanager:GetSecretValue", resource: arn, context: {} };
      const readers = isRoleOf(evaluation, ...(secretsOf[inputs.name.split("/").at(-1)] ?? []));
      return ofType(evaluation, "aws:iam/role:Role")
        .filter((role) => allows(evaluation, role.name, read) !== readers(role.arn))
        .map((role) => `${role.name} ${readers(role.arn) ? "may not" : "may"} read ${name}`);
    }),

  "nobody is told anything by email or in a topic but by respond": (evaluation) =>
    grants(evaluation)
      .filter(({ action }) => /^(\*|ses:|sns:)/i.test(action))
      .filter(
        ({ role }) =>
          !ofType(evaluation, "aws:iam/role:Role").some(
            ({ name, arn }) => name === role && isRoleOf(evaluation, "respond")(arn),
          ),
      )
      .map(({ role, action }) => `${role} may ${action}`),

  "every route wants an identity": (evaluation) => [
    ...ofType(evaluation, "aws:apigatewayv2/route:Route")
      .filter(
        ({ inputs }) =>
          inputs.authorizationType !== "AWS_IAM" &&
          !(inputs.authorizationType === "JWT" && inputs.authorizerId !== undefined),
      )
      .map(({ inputs }) => String(inputs.routeKey)),
    ...ofType(evaluation, "aws:lambda/functionUrl:FunctionUrl").map(({ name }) => `${name} is open`),
    ...ofType(evaluation, "aws:lambda/permission:Permission")
      .filter(({ inputs }) => inputs.principal === "*" || inputs.sourceArn === undefined)
      .map(({ name }) => `${name} lets anybody call`),
  ],

  "a token that may read may neither touch quarantine nor define anything": (evaluation) =>
    ofType(evaluation, "aws:apigatewayv2/route:Route")
      .filter(({ inputs }) => inputs.authorizationType === "JWT" && !isReaders(inputs.routeKey))
      .filter(({ inputs }) => !(inputs.authorizationScopes?.length > 0))
      .map(({ inputs }) => String(inputs.routeKey)),

  "the API is logged, throttled, and open to no other origin": (evaluation) => [
    ...ofType(evaluation, "aws:apigatewayv2/stage:Stage").flatMap(({ name, inputs }) => [
      ...(inputs.accessLogSettings?.destinationArn ? [] : [`${name} is not logged`]),
      ...(inputs.defaultRouteSettings?.throttlingRateLimit > 0 ? [] : [`${name} is not throttled`]),
    ]),
    ...ofType(evaluation, "aws:apigatewayv2/api:Api")
      .filter(({ inputs }) => inputs.corsConfiguration?.allowOrigins)
      .map(({ name }) => `${name} answers every origin`),
  ],

  "a release of any function stops at its alarms, and goes back": (evaluation) => {
    const alarms = alarmsOf(evaluation);
    const integrations = ofType(evaluation, "aws:apigatewayv2/integration:Integration");
    return functions(evaluation).flatMap(({ arn, inputs }) => {
      const { name } = inputs;
      const { variables } = inputs.environment;
      const isApi = integrations.some((one) => String(one.inputs.integrationUri).startsWith(arn));
      const group = ofType(evaluation, "aws:codedeploy/deploymentGroup:DeploymentGroup").find(({ inputs }) =>
        name.endsWith(`-${inputs.deploymentGroupName}`),
      )?.inputs;
      const goesBack =
        group?.autoRollbackConfiguration?.enabled === true &&
        group.autoRollbackConfiguration.events.includes("DEPLOYMENT_STOP_ON_ALARM") &&
        group.alarmConfiguration?.enabled === true;
      // Of these, Lambda's own say nothing of a version that answers, and answers wrongly.
      const wanted = [
        ...lambdaAlarms(inputs),
        ...(mappings(evaluation).some(({ queue, fn }) => queue !== undefined && fn?.arn === arn) &&
        variables.TOOLTRAIL_KEYS_SECRET
          ? ownAlarms
          : []),
        ...(variables.TOOLTRAIL_RESPONSE_SECRET ? ["NoticesGivenUp"] : []),
        ...(isApi ? ["5xx"] : []),
        ...(!isApi && variables.TOOLTRAIL_LOG_BUCKET ? ["LogHalted"] : []),
      ];
      return wanted
        .filter((metric) => {
          const telling = alarms.filter(
            ({ inputs }) => inputs.metricName === metric && [undefined, name].includes(inputs.dimensions?.FunctionName),
          );
          return !goesBack || !telling.some(({ inputs }) => group.alarmConfiguration.alarms.includes(inputs.name));
        })
        .map((metric) => `${name} is released whatever its ${metric}`);
    });
  },

  ...logRules,
  ...stateRules,
};

/** What a reader may ask, with IAM's stars. */
const readerRoutes = [
  "GET /v1/records",
  "GET /v1/records/*",
  "GET /v1/batches",
  "GET /v1/inventory/*",
  "GET /v1/emitters",
  "GET /v1/slos",
  "GET /v1/slos/*",
  "POST /v1/series",
  "GET /v1/maintenance",
  "GET /metrics",
  "GET /v1/incidents",
  "GET /v1/incidents/*",
  "GET /v1/postmortems/*",
  "GET /v1/response",
  "GET /v1/response/*",
  "GET /v1/runbooks/missing",
];
const isReaders = (routeKey: string): boolean => readerRoutes.some((route) => matches(route, routeKey));

/** Who reads which secret, by what its name ends with. */
const secretsOf: { readonly [name: string]: readonly string[] } = {
  keys: ["ingest", "api", "incidents"],
  response: ["respond"],
};

/** Everything that makes something else of an item, or nothing. PutItem is what an append is. */
const ledgerIsClosedTo = [
  "dynamodb:UpdateItem",
  "dynamodb:DeleteItem",
  "dynamodb:BatchWriteItem",
  "dynamodb:PartiQLInsert",
  "dynamodb:PartiQLUpdate",
  "dynamodb:PartiQLDelete",
  "dynamodb:DeleteTable",
];

const room = join(import.meta.dirname, "../../functions");
/** What functions count, as their source says it. */
const ownMetrics = globSync("{*,lib/*}.ts", { cwd: room })
  .map((file) => readFileSync(join(room, file), "utf8"))
  .flatMap((source) => [...source.matchAll(/(?:addMetric\(|\[)([^();]*?), MetricUnit/g)])
  .flatMap(([, names = ""]) => [...names.matchAll(/"([A-Z]\w+)"/g)].map(([, name = ""]) => name));

interface Known {
  /** By name, sorted. Of any other set CloudWatch has no data. */
  readonly dimensions: string;
  /** Which statistic of a metric tells something. */
  readonly metrics: { readonly [metric: string]: "Sum" | "Maximum" | "SampleCount" };
}

/** A look at incidents that finds nothing to tell is one, too: of this it tells something how often it is said. */
const counted = ["NoticesDone"];

/** What CloudWatch has, as far as an alarm may look at it. */
const signals: { readonly [namespace: string]: Known } = {
  tooltrail: {
    dimensions: "service",
    metrics: Object.fromEntries(
      ownMetrics.map((metric) => [
        metric,
        counted.includes(metric) ? "SampleCount" : metric.endsWith("Ms") ? "Maximum" : "Sum",
      ]),
    ),
  },
  "AWS/ApiGateway": { dimensions: "ApiId", metrics: { "5xx": "Sum" } },
  "AWS/Events": { dimensions: "EventBusName,RuleName", metrics: { InvocationsFailedToBeSentToDlq: "Sum" } },
  "AWS/Lambda": { dimensions: "FunctionName", metrics: { Errors: "Sum", Throttles: "Sum", IteratorAge: "Maximum" } },
  "AWS/SQS": {
    dimensions: "QueueName",
    metrics: { ApproximateNumberOfMessagesVisible: "Maximum", ApproximateAgeOfOldestMessage: "Maximum" },
  },
};

const dimensionValues = (evaluation: Evaluation): { readonly [dimension: string]: readonly unknown[] } => ({
  service: functions(evaluation).map(({ inputs }) => inputs.environment?.variables?.POWERTOOLS_SERVICE_NAME),
  projection: projections.map(({ name }) => name),
  FunctionName: functions(evaluation).map(({ inputs }) => inputs.name),
  QueueName: ofType(evaluation, "aws:sqs/queue:Queue").map(({ inputs }) => inputs.name),
  ApiId: ofType(evaluation, "aws:apigatewayv2/api:Api").map(({ arn }) => arn.replace(/^.*\//, "")),
  EventBusName: ofType(evaluation, "aws:cloudwatch/eventBus:EventBus").map(({ inputs }) => inputs.name),
  RuleName: ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").map(({ inputs }) => inputs.name),
});

/** That no call fails by: a message that is not stored, or refused, is a call that went well. */
const ownAlarms = ["IngestRetry", "IngestFault", "Quarantined", "IntegrityConflict"];

/** Of which none is what rings. */
const mustHappen = ["CheckpointsPublished", "SlosEvaluated", "NoticesDone"];
/** Said on the quietest day. */
const mustSpeak = [...mustHappen, "FollowerLagMs"];

/** Of a function that runs so many at once, being turned away is meant. */
const lambdaAlarms = ({ reservedConcurrentExecutions }: Resource["inputs"]): string[] =>
  reservedConcurrentExecutions > 0 ? ["Errors"] : ["Errors", "Throttles"];

/** From which number, and after how many such minutes at most. */
const mustRing = [
  { namespace: "tooltrail", metric: "IngestRetry", above: 0, minutes: 5 },
  { namespace: "tooltrail", metric: "IngestFault", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "SequenceRetry", above: 0, minutes: 5 },
  { namespace: "tooltrail", metric: "Quarantined", above: 25, minutes: 5 },
  { namespace: "tooltrail", metric: "IntegrityConflict", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "LogHalted", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "WitnessFailed", above: 0, minutes: 5 },
  { namespace: "tooltrail", metric: "EmitterGaps", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "CheckpointsPublished", above: 1, minutes: 20 },
  { namespace: "tooltrail", metric: "SlosEvaluated", above: 1, minutes: 5 },
  { namespace: "tooltrail", metric: "NoticesDone", above: 1, minutes: 5 },
  { namespace: "tooltrail", metric: "NoticesFailed", above: 0, minutes: 5 },
  { namespace: "tooltrail", metric: "NoticesGivenUp", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "EscalationExhausted", above: 0, minutes: 1 },
  { namespace: "AWS/ApiGateway", metric: "5xx", above: 0, minutes: 1 },
];

/** Actions that IAM knows no resource for, and why a role has them. */
const hasNoResource: { readonly [action: string]: string } = {
  "xray:PutTraceSegments": "active tracing",
  "xray:PutTelemetryRecords": "active tracing",
  "dynamodb:ListStreams": "Lambda's event source asks for it; it shows names",
  "cloudwatch:DescribeAlarms": "CodeDeploy looks whether an alarm rings",
};

/** A resource of ours by its name; at most a part of it (streams of a log group, versions of a function, paths below a route) is left open. */
const isNarrow = (resource: string): boolean =>
  !resource.includes("*") ||
  /^arn:aws:logs:[^*]+:log-group:[^*]+:\*$/.test(resource) ||
  /^arn:aws:lambda:[^*]+:function:[^*]+:\*$/.test(resource) ||
  readerRoutes.some((route) => resource.endsWith(`/$default/${route.replace(" ", "")}`)) ||
  /^arn:aws:s3:::[^*]+\/log\/(tile|staged)\/(\*\.p\/)?\*$/.test(resource);

const alarmsOf = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm");
const tables = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:dynamodb/table:Table");
/** Whatever functions call the ledger, and the table with a stream, even where they call it otherwise. */
const ledgers = (evaluation: Evaluation): Resource[] => {
  const named = new Set(
    functions(evaluation).map(({ inputs }) => inputs.environment?.variables?.TOOLTRAIL_LEDGER_TABLE),
  );
  return tables(evaluation).filter(({ inputs }) => named.has(inputs.name) || inputs.streamEnabled === true);
};

interface Mapping {
  readonly mapping: Resource;
  /** Absent where it reads a stream. */
  readonly queue: Resource | undefined;
  readonly fn: Resource | undefined;
}

const mappings = (evaluation: Evaluation): Mapping[] =>
  ofType(evaluation, "aws:lambda/eventSourceMapping:EventSourceMapping").map((mapping) => ({
    mapping,
    queue: ofType(evaluation, "aws:sqs/queue:Queue").find(({ arn }) => arn === mapping.inputs.eventSourceArn),
    fn: functions(evaluation).find(({ arn }) => String(mapping.inputs.functionName).startsWith(arn)),
  }));

/** Whether a queue or the API waits for its answer. */
const isWaitedFor = (evaluation: Evaluation, name: string): boolean =>
  mappings(evaluation).some(({ queue, fn }) => queue !== undefined && fn?.name === name) ||
  ofType(evaluation, "aws:apigatewayv2/integration:Integration").some(({ inputs }) =>
    functions(evaluation).some((fn) => fn.name === name && String(inputs.integrationUri).startsWith(`${fn.arn}:`)),
  );

/** Targets of rules, by the service that they call. */
const targetsOf = (evaluation: Evaluation, service: "sqs" | "lambda"): Resource[] =>
  ofType(evaluation, "aws:cloudwatch/eventTarget:EventTarget").filter(({ inputs }) =>
    String(inputs.arn).startsWith(`arn:aws:${service}:`),
  );

const redriveOf = (inputs: Resource["inputs"]): { deadLetterTargetArn: string } | undefined =>
  inputs.redrivePolicy === undefined ? undefined : JSON.parse(inputs.redrivePolicy);
