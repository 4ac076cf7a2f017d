import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createApi as createApp } from "@tooltrail/api";
import { keyType, ledgerTable, stateTable } from "@tooltrail/aws/tables";
import { beforeAll, describe, expect, test } from "vitest";
import { needs } from "../support/requirements.ts";
import { type Evaluation, evaluate, type Resource, sstIsThere } from "./evaluate.ts";
import { ofType, rules } from "./rules.ts";

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
    expect(count("aws:lambda/function:Function")).toBe(3);
    expect(count("aws:lambda/eventSourceMapping:EventSourceMapping")).toBe(2);
    expect(count("aws:sqs/queue:Queue")).toBe(3);
    expect(count("aws:dynamodb/table:Table")).toBe(2);
    expect(count("aws:iam/role:Role")).toBe(4);
    expect(count("aws:apigatewayv2/route:Route")).toBe(5);
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

  test("the rule hears everything on the bus but the pipeline", () => {
    const [rule] = ofType(evaluation, "aws:cloudwatch/eventRule:EventRule");
    expect(JSON.parse(rule?.inputs.eventPattern)).toEqual({ source: [{ "anything-but": ["tooltrail.pipeline"] }] });
  });

  test("the stream is filtered to what must not happen", () => {
    const filtered = ofType(evaluation, "aws:lambda/eventSourceMapping:EventSourceMapping").flatMap(
      ({ inputs }) => inputs.filterCriteria?.filters ?? [],
    );
    expect(filtered.map(({ pattern }) => JSON.parse(pattern))).toEqual([{ eventName: ["MODIFY", "REMOVE"] }]);
  });

  test("the API has the routes that the app answers", () => {
    const unused = () => {
      throw new Error("not asked");
    };
    const app = createApp({ ports: unused, audit: unused, callerOf: unused, onError: unused });
    const answered = app.routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(
      ofType(evaluation, "aws:apigatewayv2/route:Route")
        .map(({ inputs }) => inputs.routeKey)
        .sort(),
    ).toEqual(answered.sort());
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
      const scopes = ofType(evaluation, "aws:apigatewayv2/route:Route").map(({ inputs }) => [
        inputs.routeKey.split("/")[2],
        inputs.authorizationScopes,
      ]);
      expect(Object.fromEntries(scopes)).toEqual({ records: undefined, quarantine: ["tooltrail/operate"] });
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
    expect(ignored).toEqual([expected, expected, expected]);
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
      "readerPolicyArn",
    ]);
  });
});
