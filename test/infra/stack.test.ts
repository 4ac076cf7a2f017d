import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createApi as createApp } from "@tooltrail/api";
import { createIncidentsApi } from "@tooltrail/api/incidents";
import { keyType, ledgerTable, permissions, stateTable } from "@tooltrail/aws/tables";
import { alertingTypes } from "@tooltrail/core/incidents/alert";
import { ownActTypes } from "@tooltrail/format";
import { beforeAll, describe, expect, test } from "vitest";
import { needs } from "../support/requirements.ts";
import { type Evaluation, evaluate, type Resource, sstIsThere } from "./evaluate.ts";
import { allPolicies, functions, grants, ofType } from "./policies.ts";
import { rules } from "./rules.ts";

const root = join(import.meta.dirname, "../..");

/** What a stage may be, as far as the stacks differ by it. */
const stages = [
  { called: "production", stage: "production", env: {} },
  {
    called: "production with tokens",
    stage: "production",
    env: {
      TOOLTRAIL_JWT_ISSUER: "https://login.example.com/",
      TOOLTRAIL_JWT_AUDIENCE: "tooltrail,auditors",
      TOOLTRAIL_ALARM_EMAIL: "on-call@example.com",
    },
  },
  {
    called: "production with a rotated key and a domain",
    stage: "production",
    env: {
      TOOLTRAIL_LOG_KEY: "3",
      TOOLTRAIL_LOG_FORMER_KEY_UNTIL: "2027-01-31T00:00:00Z",
      TOOLTRAIL_LOG_DOMAIN: "log.example.com",
      TOOLTRAIL_LOG_CERTIFICATE: "arn:aws:acm:us-east-1:111122223333:certificate/c",
      TOOLTRAIL_LOG_ORIGIN: "log.example.com/audit",
    },
  },
  {
    called: "production that tells by email and in topics",
    stage: "production",
    env: {
      TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: "arn:aws:ses:eu-central-1:111122223333:identity/example.com",
      TOOLTRAIL_RESPONSE_TOPICS:
        "arn:aws:sns:eu-central-1:111122223333:pages,arn:aws:sns:eu-central-1:111122223333:tickets",
    },
  },
  { called: "another stage", stage: "staging", env: {} },
];

describe.runIf(needs("SST's platform (npm run sst-types)", sstIsThere())).each(stages)("$called", ({ stage, env }) => {
  let evaluation: Evaluation;
  beforeAll(async () => {
    evaluation = await evaluate({ stage, env }, (answer) => answer);
  });

  test.each(Object.entries(rules))("%s", (_, broken) => expect(broken(evaluation)).toEqual([]));

  test("has what the rules look at", () => {
    const count = (type: string): number => ofType(evaluation, type).length;
    expect(count("aws:lambda/function:Function")).toBe(11);
    expect(count("aws:lambda/eventSourceMapping:EventSourceMapping")).toBe(4);
    expect(count("aws:sqs/queue:Queue")).toBe(6);
    expect(count("aws:dynamodb/table:Table")).toBe(2);
    expect(count("aws:secretsmanager/secret:Secret")).toBe(2);
    expect(count("aws:iam/role:Role")).toBe(12);
    expect(count("aws:apigatewayv2/route:Route")).toBe(35);
    expect(count("aws:cloudwatch/eventTarget:EventTarget")).toBe(11);
    expect(count("aws:s3/bucket:Bucket")).toBe(1);
    expect(count("aws:cloudfront/distribution:Distribution")).toBe(1);
    expect(count("aws:kms/key:Key")).toBe("TOOLTRAIL_LOG_KEY" in env ? 3 : 1);
  });

  test("is named so that a person can type it, and that stages do not meet", () => {
    const name = stage === "production" ? "tooltrail" : `tooltrail-${stage}`;
    const named = [
      "aws:cloudwatch/eventBus:EventBus",
      "aws:lambda/function:Function",
      "aws:sqs/queue:Queue",
      "aws:dynamodb/table:Table",
      "aws:secretsmanager/secret:Secret",
      "aws:cloudwatch/metricAlarm:MetricAlarm",
      "aws:sns/topic:Topic",
    ].flatMap((type) => ofType(evaluation, type).map(({ inputs }) => inputs.name));
    expect(named.filter((one) => !new RegExp(`^${name}($|[-/])`).test(one))).toEqual([]);
  });

  test("tables are what the adapters rely on", () => {
    const [ledger, state] = ["LedgerTable", "StateTable"].map(
      (name) => evaluation.resources.find((resource) => resource.name === name) as Resource,
    );
    const { name, hashKey, rangeKey, projection } = ledgerTable.index;
    expect(ledger?.inputs).toMatchObject({
      hashKey: ledgerTable.hashKey,
      rangeKey: ledgerTable.rangeKey,
      globalSecondaryIndexes: [{ name, hashKey, rangeKey, projectionType: projection }],
    });
    expect(ledger?.inputs.attributes).toEqual(
      [ledgerTable.hashKey, ledgerTable.rangeKey, hashKey, rangeKey].map((key) => ({ name: key, type: keyType })),
    );
    expect(state?.inputs).toMatchObject({
      hashKey: stateTable.hashKey,
      rangeKey: stateTable.rangeKey,
      ttl: { attributeName: stateTable.timeToLive, enabled: true },
    });
  });

  test.each(Object.entries(permissions))(
    "%s may do what the adapters ask for, on those rows, and no more",
    (name, asked) => {
      const of = (table: string) =>
        allPolicies(evaluation).filter(
          ({ role, resources }) =>
            role.toLowerCase() === `${name}role` &&
            resources.every((one) => new RegExp(`:table/[^/]+-${table}(/index/.*)?$`).test(one)),
        );
      const actionsOn = (table: string): string[] => [
        ...new Set(of(table).flatMap(({ actions }) => actions.map((action) => action.replace("dynamodb:", "")))),
      ];
      expect({ ledger: actionsOn("ledger").sort(), state: actionsOn("state").sort() }).toEqual({
        ledger: asked.ledger,
        state: asked.state,
      });
      const keys = of("state").flatMap(
        ({ condition }) => condition?.["ForAllValues:StringLike"]?.["dynamodb:LeadingKeys"] ?? [],
      );
      const partitions = new Set(keys.map((key) => /^(?:P#)?[^#]+/.exec(key)?.[0] ?? key));
      if ("partitions" in asked) expect([...partitions].sort()).toEqual(asked.partitions);
    },
  );

  test("ingest hears everything on the bus, of the pipeline what it does by itself; who listens to the pipeline hears what is for them", () => {
    const heard = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule")
      .filter(({ inputs }) => inputs.eventPattern !== undefined)
      .map(({ inputs }) => [inputs.name.split("-").at(-1), JSON.parse(inputs.eventPattern)]);
    const pipeline = ["tooltrail.pipeline"];
    expect(Object.fromEntries(heard)).toEqual({
      ingest: {
        $or: [
          { source: [{ "anything-but": pipeline }] },
          { source: pipeline, "detail-type": [...ownActTypes], detail: { record: [{ exists: false }] } },
          {
            source: pipeline,
            "detail-type": ["incident.alerted"],
            detail: { record: [{ exists: false }], raised: [true] },
          },
        ],
      },
      sign: { source: pipeline, "detail-type": ["log.sequenced"] },
      follow: { source: pipeline, "detail-type": ["log.advanced"] },
      evaluate: { source: pipeline, "detail-type": ["counters.advanced"] },
      triage: { source: pipeline, "detail-type": [...alertingTypes] },
      respond: { source: pipeline, "detail-type": ["incidents.advanced"] },
    });
  });

  test("sign, follow, evaluate, respond and reconcile are called by the clock, too", () => {
    const clocks = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule")
      .filter(({ inputs }) => inputs.scheduleExpression !== undefined)
      .map(({ inputs }) => [inputs.name.split("-").at(-2), inputs.scheduleExpression, inputs.eventBusName]);
    expect(clocks.sort()).toEqual([
      ["evaluate", "rate(1 minute)", undefined],
      ["follow", "rate(1 minute)", undefined],
      ["reconcile", "rate(1 hour)", undefined],
      ["respond", "rate(1 minute)", undefined],
      ["sign", "rate(1 minute)", undefined],
    ]);
  });

  test("watch gets from the stream what must not happen, sequence what must, for five seconds at a time", () => {
    const streams = ofType(evaluation, "aws:lambda/eventSourceMapping:EventSourceMapping")
      .map(({ inputs }) => inputs)
      .filter(({ eventSourceArn }) => eventSourceArn.includes("/stream/"));
    const filters = streams.map(({ functionName, filterCriteria }) => [
      functionName.split(":").at(-2).split("-").at(-1),
      filterCriteria.filters.map(({ pattern }: { pattern: string }) => JSON.parse(pattern)),
    ]);
    expect(Object.fromEntries(filters)).toEqual({
      watch: [{ eventName: ["MODIFY", "REMOVE"] }],
      sequence: [{ eventName: ["INSERT"] }],
    });
    expect(streams.find(({ functionName }) => functionName.includes("-sequence:"))).toMatchObject({
      maximumBatchingWindowInSeconds: 5,
      parallelizationFactor: 1,
      batchSize: 500,
    });
  });

  test("a hundred alerts come at once, to two that triage", () => {
    const feeds = ofType(evaluation, "aws:lambda/eventSourceMapping:EventSourceMapping")
      .map(({ inputs }) => inputs)
      .filter(({ eventSourceArn }) => eventSourceArn.includes(":sqs:"))
      .map(({ functionName, batchSize, maximumBatchingWindowInSeconds: window, scalingConfig }) => [
        functionName.split(":").at(-2).split("-").at(-1),
        { batchSize, window, atOnce: scalingConfig.maximumConcurrency },
      ]);
    expect(Object.fromEntries(feeds)).toEqual({
      ingest: { batchSize: 25, window: 1, atOnce: 20 },
      triage: { batchSize: 100, window: 1, atOnce: 2 },
    });
  });

  test("emails and messages are allowed where the stage names from whom and where to, and nowhere else", () => {
    const { TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: identity, TOOLTRAIL_RESPONSE_TOPICS: topics } = env as {
      readonly [name: string]: string | undefined;
    };
    const allowed = grants(evaluation)
      .filter(({ action }) => /^(ses|sns):/.test(action))
      .map(({ role, action, resource }) => [role, action, resource]);
    expect(allowed).toEqual([
      ...(identity === undefined ? [] : [["RespondRole", "ses:SendEmail", identity]]),
      ...(topics?.split(",") ?? []).map((topic) => ["RespondRole", "sns:Publish", topic]),
    ]);
  });

  test("sign, follow, evaluate and respond run once at a time", () => {
    const reserved = ofType(evaluation, "aws:lambda/function:Function")
      .filter(({ inputs }) => inputs.reservedConcurrentExecutions === 1)
      .map(({ inputs }) => inputs.name.split("-").at(-1));
    expect(reserved.sort()).toEqual(["evaluate", "follow", "respond", "sign"]);
  });

  test("the log is called by its name, and signed by the last key, with the one before it for a stated time", () => {
    const told = ofType(evaluation, "aws:lambda/function:Function").map(({ inputs }) => inputs.environment.variables);
    const key = (generation: number): string | undefined =>
      ofType(evaluation, "aws:kms/key:Key").find(({ name }) => name === `LogKey${generation}`)?.arn;
    const rotated = "TOOLTRAIL_LOG_KEY" in env;
    const keys = rotated ? `${key(3)},${key(2)}@2027-01-31T00:00:00Z` : key(1);
    const origin = `tooltrail.aws/111122223333/eu-central-1/${stage === "production" ? "tooltrail" : `tooltrail-${stage}`}`;
    expect(told.flatMap(({ TOOLTRAIL_LOG_KEYS: one }) => one ?? [])).toEqual(Array(6).fill(keys));
    expect(new Set(told.flatMap(({ TOOLTRAIL_LOG_ORIGIN: one }) => one ?? []))).toEqual(
      new Set([rotated ? "log.example.com/audit" : origin]),
    );
    expect(evaluation.outputs.logUrl).toBe(
      `https://${rotated ? "log.example.com" : "d111111abcdef8.cloudfront.net"}/log/`,
    );
  });

  test("what is final is locked for seven years, and elsewhere can be removed", () => {
    const days = ofType(evaluation, "aws:lambda/function:Function").flatMap(
      ({ inputs }) => inputs.environment.variables.TOOLTRAIL_LOG_LOCK_DAYS ?? [],
    );
    expect(days).toEqual(stage === "production" ? ["2557", "2557"] : []);
    const [bucket] = ofType(evaluation, "aws:s3/bucket:Bucket");
    expect(bucket?.inputs.forceDestroy).toBe(stage !== "production");
  });

  test("the API has the routes that the apps answer, each to the function that it is in", () => {
    const unused = () => {
      throw new Error("not asked");
    };
    const ports = { ports: unused, projections: unused, audit: unused, callerOf: unused, onError: unused };
    const apps = { api: createApp({ ...ports, log: unused }), incidents: createIncidentsApi(ports) };
    const answered = Object.entries(apps).flatMap(([name, { routes }]) =>
      routes.map(({ method, path }) => `${name} ${method} ${path.replace(/:(\w+)/g, "{$1}")}`),
    );
    const integrations = ofType(evaluation, "aws:apigatewayv2/integration:Integration");
    const routed = ofType(evaluation, "aws:apigatewayv2/route:Route").map(({ inputs: { routeKey, target } }) => {
      const uri = integrations.find(({ name }) => target === `integrations/${name}-id`)?.inputs.integrationUri;
      return `${functions(evaluation)
        .find(({ arn }) => uri === `${arn}:live`)
        ?.inputs.name.split("-")
        .at(-1)} ${routeKey}`;
    });
    expect(routed.sort()).toEqual(answered.sort());
  });

  test("who may query is who the stage says", () => {
    const authorizers = ofType(evaluation, "aws:apigatewayv2/authorizer:Authorizer");
    const types = new Set(
      ofType(evaluation, "aws:apigatewayv2/route:Route").map(({ inputs }) => inputs.authorizationType),
    );
    if ("TOOLTRAIL_JWT_ISSUER" in env) {
      expect([...types]).toEqual(["JWT"]);
      expect(authorizers[0]?.inputs.jwtConfiguration).toEqual({
        issuer: env.TOOLTRAIL_JWT_ISSUER,
        audiences: ["tooltrail", "auditors"],
      });
      const scoped = ofType(evaluation, "aws:apigatewayv2/route:Route").filter(
        ({ inputs }) => inputs.authorizationScopes !== undefined,
      );
      expect(scoped.map(({ inputs }) => inputs.routeKey).sort()).toEqual([
        "DELETE /v1/maintenance/{id}",
        "DELETE /v1/quarantine/{id}",
        "DELETE /v1/response/{kind}/{name}",
        "DELETE /v1/slos/{name}",
        "GET /v1/quarantine",
        "POST /v1/incidents/undelivered/retry",
        "POST /v1/incidents/{id}/commands",
        "POST /v1/maintenance",
        "POST /v1/postmortems/{id}/edits",
        "POST /v1/projections/{name}/rebuild",
        "POST /v1/quarantine/{id}/replay",
        "POST /v1/response",
        "POST /v1/slos",
      ]);
      for (const { inputs } of scoped) expect(inputs.authorizationScopes).toEqual(["tooltrail/operate"]);
    } else {
      expect([...types]).toEqual(["AWS_IAM"]);
      expect(authorizers).toEqual([]);
    }
  });

  test("production is protected, and other stages can be removed", () => {
    expect(evaluation.app).toMatchObject(
      stage === "production" ? { protect: true, removal: "retain" } : { protect: false, removal: "remove" },
    );
    expect(evaluation.resources.some(({ options }) => options.protect === true)).toBe(stage === "production");
  });

  test("in production an alias stays until a release moves it", () => {
    const ignored = ofType(evaluation, "aws:lambda/alias:Alias").map(({ options }) => options.ignoreChanges);
    const expected = stage === "production" ? ["functionVersion", "routingConfig"] : [];
    expect(ignored).toEqual(Array(11).fill(expected));
  });

  test("alarms reach a mailbox where the stage names one", () => {
    const endpoints = ofType(evaluation, "aws:sns/topicSubscription:TopicSubscription").map(
      ({ inputs }) => inputs.endpoint,
    );
    expect(endpoints).toEqual("TOOLTRAIL_ALARM_EMAIL" in env ? [env.TOOLTRAIL_ALARM_EMAIL] : []);
  });

  test("the runbook has a section for each alarm, and none for another", () => {
    const prefix = stage === "production" ? "tooltrail-" : `tooltrail-${stage}-`;
    const alarms = ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm").map(({ inputs }) =>
      inputs.name.slice(prefix.length),
    );
    const headings = readFileSync(join(root, "stacks/RUNBOOK.md"), "utf8").matchAll(/^### (.+)$/gm);
    const sections = [...headings].flatMap(([, heading = ""]) => heading.split(", "));
    expect(sections.sort()).toEqual(alarms.sort());
  });

  test("says what a person needs to go on", () => {
    expect(Object.keys(evaluation.outputs).sort()).toEqual([
      "_protect",
      "alarmTopicArn",
      "api",
      "bus",
      "emitterPolicyArn",
      "keysSecret",
      "logBucket",
      "logOrigin",
      "logSite",
      "logUrl",
      "readerPolicyArn",
      "responseSecret",
    ]);
  });
});

test.runIf(needs("SST's platform (npm run sst-types)", sstIsThere()))(
  "a stage may show its records to the world, and nothing else changes",
  async () => {
    const broken = await evaluate({ env: { TOOLTRAIL_LOG_PUBLIC: "entries" } }, (evaluation) =>
      Object.entries(rules).flatMap(([, isBroken]) => isBroken(evaluation)),
    );
    expect(broken).toEqual(["log/tile/entries/000 is shown", "log/tile/entries/x001/067.p/9 is shown"]);
  },
);

test("the rule that the README gives takes pages, and nothing else of what the pipeline says", () => {
  const [, pattern = ""] =
    /--event-pattern \\\n +'(.+)'\)/.exec(readFileSync(join(root, "stacks/README.md"), "utf8")) ?? [];
  const said = globSync("packages/format/examples/pipeline-event-*.json", { cwd: root })
    .map((file) => JSON.parse(readFileSync(join(root, file), "utf8")))
    .flatMap((event) =>
      event.detail.severity === undefined
        ? [event]
        : ["page", "ticket"].map((severity) => ({ ...event, detail: { ...event.detail, severity } })),
    );
  const taken = said.filter((event) => fitsPattern(JSON.parse(pattern), event));
  expect(new Set(taken.map(({ detail }) => detail.severity))).toEqual(new Set(["page"]));
  expect(taken.map((event) => event["detail-type"]).sort()).toEqual(
    said
      .filter((event) => event.detail.severity === "page" && alertingTypes.includes(event["detail-type"]))
      .map((event) => event["detail-type"])
      .sort(),
  );
  expect(taken.length).toBe(4);
});

/** As EventBridge reads a pattern of ours: each field is one of what is listed, or begins with it. */
const fitsPattern = (
  pattern: { readonly [field: string]: unknown },
  event: { readonly [field: string]: unknown },
): boolean =>
  Object.entries(pattern).every(([field, wanted]) =>
    Array.isArray(wanted)
      ? wanted.some((one) =>
          typeof one === "string" ? one === event[field] : String(event[field]).startsWith(one.prefix),
        )
      : fitsPattern(wanted as { readonly [field: string]: unknown }, (event[field] ?? {}) as typeof event),
  );
