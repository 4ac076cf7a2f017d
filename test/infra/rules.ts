import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Evaluation, Resource } from "./evaluate.ts";

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

  "the ledger itself takes appends from ingest and api alone": (evaluation) =>
    ledgers(evaluation).flatMap(({ name, arn }) =>
      refusals(evaluation, { action: "dynamodb:PutItem", resource: arn, context: {} }, (role) =>
        functions(evaluation).some(({ inputs }) => inputs.role === role && /-(ingest|api)$/.test(inputs.name)),
      ).map((wrong) => `${name} ${wrong}`),
    ),

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
      .filter(({ effect }) => effect === "Allow")
      .map(({ name, actions }) => `${name} allows ${actions}`),

  "who may read records may read nothing else": (evaluation) => {
    const readable = ["/$default/GET/v1/records", "/$default/GET/v1/records/*"];
    const policies = new Map<string, string[]>();
    for (const { role, action, resource } of grants(evaluation).filter(({ action }) =>
      /^(\*|execute-api:)/.test(action),
    ))
      policies.set(role, [
        ...(policies.get(role) ?? []),
        `${action} ${resource.replace(/^arn:aws:execute-api:[^/]*/, "")}`,
      ]);
    const wanted = readable.map((path) => `execute-api:Invoke ${path}`).join();
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
    ofType(evaluation, "aws:cloudwatch/eventTarget:EventTarget").flatMap(({ name, inputs }) => {
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
      ...(inputs.timeout <= 60 ? [] : [`${name} runs ${inputs.timeout} s`]),
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
        ["Errors", "Throttles"]
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
      const there = dimensionValues(evaluation);
      const dimensions = Object.entries<string>(inputs.dimensions ?? {});
      return [
        ...(known?.metrics[inputs.metricName] === inputs.statistic
          ? []
          : [`${name}: ${inputs.statistic} of ${inputs.namespace} ${inputs.metricName}`]),
        ...(dimensions
          .map(([dimension]) => dimension)
          .sort()
          .join() === known?.dimensions
          ? []
          : [`${name}: dimensions`]),
        ...dimensions
          .filter(([dimension, value]) => !there[dimension]?.includes(value))
          .map(([dimension, value]) => `${name}: no ${dimension} ${value}`),
        ...(inputs.comparisonOperator === "GreaterThanThreshold" ? [] : [`${name}: ${inputs.comparisonOperator}`]),
      ];
    }),

  "every alarm tells somebody, and silence is no alarm": (evaluation) => {
    const topics = ofType(evaluation, "aws:sns/topic:Topic").map(({ arn }) => arn);
    return ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm")
      .filter(({ inputs }) => !topics.includes(inputs.alarmActions?.[0]) || inputs.treatMissingData !== "notBreaching")
      .map(({ name }) => name);
  },

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

  "a token that may read records may not touch quarantine": (evaluation) =>
    ofType(evaluation, "aws:apigatewayv2/route:Route")
      .filter(({ inputs }) => inputs.authorizationType === "JWT" && !/^GET \/v1\/records(\/|$)/.test(inputs.routeKey))
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
    return functions(evaluation).flatMap(({ arn, inputs: { name } }) => {
      const group = ofType(evaluation, "aws:codedeploy/deploymentGroup:DeploymentGroup").find(({ inputs }) =>
        name.endsWith(`-${inputs.deploymentGroupName}`),
      )?.inputs;
      const goesBack =
        group?.autoRollbackConfiguration?.enabled === true &&
        group.autoRollbackConfiguration.events.includes("DEPLOYMENT_STOP_ON_ALARM") &&
        group.alarmConfiguration?.enabled === true;
      // Of these, Lambda's own say nothing of a version that answers, and answers wrongly.
      const wanted = [
        ...["Errors", "Throttles"],
        ...(mappings(evaluation).some(({ queue, fn }) => queue !== undefined && fn?.arn === arn) ? ownAlarms : []),
        ...(integrations.some(({ inputs }) => String(inputs.integrationUri).startsWith(arn)) ? ["5xx"] : []),
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

/** What functions count, as their source says it. */
const ownMetrics = [
  ...readFileSync(join(import.meta.dirname, "../../functions/lib/handler.ts"), "utf8").matchAll(
    /addMetric\(([^)]*), MetricUnit/g,
  ),
].flatMap(([, names = ""]) => [...names.matchAll(/"([A-Z]\w+)"/g)].map(([, name = ""]) => name));

interface Known {
  /** By name, sorted. Of any other set CloudWatch has no data. */
  readonly dimensions: string;
  /** Which statistic of a metric tells something. */
  readonly metrics: { readonly [metric: string]: "Sum" | "Maximum" };
}

/** What CloudWatch has, as far as an alarm may look at it. */
const signals: { readonly [namespace: string]: Known } = {
  tooltrail: { dimensions: "service", metrics: Object.fromEntries(ownMetrics.map((metric) => [metric, "Sum"])) },
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
  FunctionName: functions(evaluation).map(({ inputs }) => inputs.name),
  QueueName: ofType(evaluation, "aws:sqs/queue:Queue").map(({ inputs }) => inputs.name),
  ApiId: ofType(evaluation, "aws:apigatewayv2/api:Api").map(({ arn }) => arn.replace(/^.*\//, "")),
  EventBusName: ofType(evaluation, "aws:cloudwatch/eventBus:EventBus").map(({ inputs }) => inputs.name),
  RuleName: ofType(evaluation, "aws:cloudwatch/eventRule:EventRule").map(({ inputs }) => inputs.name),
});

/** That no call fails by: a message that is not stored, or refused, is a call that went well. */
const ownAlarms = ["IngestRetry", "IngestFault", "Quarantined", "IntegrityConflict"];

/** From which number, and after how many such minutes at most. */
const mustRing = [
  { namespace: "tooltrail", metric: "IngestRetry", above: 0, minutes: 5 },
  { namespace: "tooltrail", metric: "IngestFault", above: 0, minutes: 1 },
  { namespace: "tooltrail", metric: "Quarantined", above: 25, minutes: 5 },
  { namespace: "tooltrail", metric: "IntegrityConflict", above: 0, minutes: 1 },
  { namespace: "AWS/ApiGateway", metric: "5xx", above: 0, minutes: 1 },
  { namespace: "AWS/Events", metric: "InvocationsFailedToBeSentToDlq", above: 0, minutes: 1 },
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
  /^arn:aws:execute-api:[^*]+\/GET\/v1\/records\/\*$/.test(resource);

export const ofType = ({ resources }: Evaluation, type: string): Resource[] =>
  resources.filter((resource) => resource.type === type);

export const functions = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:lambda/function:Function");
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

const redriveOf = (inputs: Resource["inputs"]): { deadLetterTargetArn: string } | undefined =>
  inputs.redrivePolicy === undefined ? undefined : JSON.parse(inputs.redrivePolicy);

interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** `Service:lambda.amazonaws.com` */
  readonly principals: readonly string[];
  readonly everybody: boolean;
  readonly condition: { readonly [test: string]: { readonly [variable: string]: readonly string[] } } | undefined;
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value : value === undefined ? [] : [String(value)]);

function statementsOf(policy: unknown): Statement[] {
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
      principals,
      everybody: Principal === "*" || principals.includes("AWS:*"),
      condition: Condition,
    };
  });
}

/** What identities are allowed, statement by statement: roles, and the policies that a person attaches. */
const allPolicies = (evaluation: Evaluation): (Statement & { readonly role: string })[] =>
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

/** Whether a table or a bus refuses something to somebody, whatever their own policies allow. */
export const refuses = (evaluation: Evaluation, principal: string, { context, ...asked }: Request): boolean =>
  resourcePolicies(evaluation).some(
    (statement) =>
      statement.effect === "Deny" &&
      statement.everybody &&
      isAbout(statement, { ...asked, context: { ...context, "aws:PrincipalArn": [principal] } }),
  );

const resourcePolicies = (evaluation: Evaluation): (Statement & { readonly name: string })[] =>
  ["aws:dynamodb/resourcePolicy:ResourcePolicy", "aws:cloudwatch/eventBusPolicy:EventBusPolicy"]
    .flatMap((type) => ofType(evaluation, type))
    .flatMap(({ name, inputs }) => statementsOf(inputs.policy).map((statement) => ({ ...statement, name })));

/** Every role, and somebody else of the account, of whom a resource refuses the wrong ones. */
const refusals = (evaluation: Evaluation, asked: Request, isWelcome: (role: string) => boolean): string[] =>
  [...ofType(evaluation, "aws:iam/role:Role").map(({ arn }) => arn), "arn:aws:iam::111122223333:role/somebody"]
    .filter((principal) => refuses(evaluation, principal, asked) === isWelcome(principal))
    .map((principal) => `${isWelcome(principal) ? "refuses" : "takes from"} ${principal}`);

const isAbout = ({ actions, resources, condition }: Statement, asked: Request): boolean =>
  actions.some((action) => matches(action, asked.action)) &&
  resources.some((resource) => matches(resource, asked.resource)) &&
  Object.entries(condition ?? {}).every(([test, variables]) =>
    Object.entries(variables).every(([variable, values]) => holds(test, values, asked.context[variable] ?? [])),
  );

function holds(test: string, values: readonly string[], given: readonly string[]): boolean {
  switch (test) {
    case "Null":
      return (given.length === 0) === (values[0] === "true");
    case "StringNotEquals":
      return !given.some((one) => values.includes(one));
    case "ForAnyValue:StringEquals":
      return given.some((one) => values.includes(one));
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
function matches(pattern: string, value: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${escaped}$`, "i").test(value);
}
