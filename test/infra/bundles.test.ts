import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AttributeDefinition,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  type GlobalSecondaryIndex,
} from "@aws-sdk/client-dynamodb";
import { identityOf } from "@tooltrail/format";
import { makeDigestKey, makeInstallationKey } from "@tooltrail/format/keys";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { awsEnvironment, dynamoDbEndpoint, onDynamoDb } from "../support/adapters.ts";
import { type AwsServices, awsServices } from "../support/aws-services.ts";
import { aCall, aMessage, anEnvelope, aPlainMessage } from "../support/batches.ts";
import { needs } from "../support/requirements.ts";
import { type Evaluation, evaluate, type Resource, sstIsThere } from "./evaluate.ts";
import { type Policed, policed } from "./policed.ts";
import { functions, grants, ofType } from "./rules.ts";

/**
 * The functions as a deployment would upload them, each in a bare process with the environment that it would get, and AWS behind the role that
 * it would have.
 */

interface Running {
  readonly aws: Policed;
  /** Lines that it has printed, which on AWS are its log and its metrics. */
  readonly lines: string[];
  invoke(event: unknown): Promise<unknown>;
  end(): Promise<void>;
}

const there = needs("SST's platform (npm run sst-types)", sstIsThere()) && onDynamoDb;

describe.runIf(there)("functions as they are deployed", () => {
  let evaluation: Evaluation;
  let folder: string;
  let db: DynamoDBClient;
  let services: AwsServices;
  let running: { readonly [name in "ingest" | "api" | "watch"]: Running };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tooltrail-bundles-"));
    evaluation = await evaluate({ stage: "staging", bundle: true }, async (answer, artifacts) => {
      await cp(artifacts, folder, { recursive: true });
      return answer;
    });
    const dynamoDb = await dynamoDbEndpoint();
    db = new DynamoDBClient({
      endpoint: dynamoDb,
      region: "eu-central-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    });
    for (const table of ofType(evaluation, "aws:dynamodb/table:Table")) await db.send(tableOf(table));
    services = await awsServices(
      JSON.stringify({
        installationKey: makeInstallationKey(),
        digestKeys: [makeDigestKey()],
        enrolledKeys: [own.key],
      }),
    );
    const start = (name: string) => startFunction(evaluation, folder, name, { dynamoDb, services: services.endpoint });
    running = { ingest: await start("Ingest"), api: await start("Api"), watch: await start("Watch") };
  });
  afterAll(async () => {
    for (const one of Object.values(running ?? {})) await one.end();
    for (const { inputs } of evaluation ? ofType(evaluation, "aws:dynamodb/table:Table") : [])
      await db.send(new DeleteTableCommand({ TableName: inputs.name }));
    db?.destroy();
    await services?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const own = identityOf(makeInstallationKey(), new Uint8Array(16));
  const at = Date.now();

  test.each(["Ingest", "Api", "Watch"])("%s is smaller than 1 MB", async (name) => {
    const { size } = await stat(join(folder, name, "bundle.mjs"));
    expect(size).toBeGreaterThan(50_000);
    expect(size).toBeLessThan(1_000_000);
  });

  test("ingest stores, recognises and refuses, and only what may succeed later comes back", async () => {
    const batch = await anEnvelope({ identity: own, records: [aCall({ at })] });
    const other = await anEnvelope({ identity: own, records: [aCall({ at, tool: "other" })] });
    const answer = await running.ingest.invoke(
      anSqsEvent([
        aMessage(batch),
        aPlainMessage({ server: "billing", tool: "charge", outcome: "ok", principal: "ada", at }),
        "no JSON at all",
      ]),
    );
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(await running.ingest.invoke(anSqsEvent([aMessage(batch), aMessage(other)]))).toEqual({
      batchItemFailures: [],
    });
    expect(metricsOf(running.ingest)).toMatchObject({
      BatchStored: 2,
      RecordsStored: 2,
      BatchDuplicate: 1,
      Quarantined: 1,
      IntegrityConflict: 1,
    });
    expect(services.published.map((event) => event.detail)).toMatchObject([{ what: "batch_refused", seq: 0 }]);
  });

  test("api answers who is known, and nobody else", async () => {
    const records = await ask("GET", "/v1/records", { server: "files" });
    expect(records).toMatchObject({ status: 200, body: { records: [{ tool: "echo", enrolled: true }], next: null } });
    const [{ id }] = records.body.records;
    expect(await ask("GET", `/v1/records/${id}`)).toMatchObject({ status: 200, body: { id } });
    const byName = await ask("GET", "/v1/records", { principal: "ada" });
    expect(byName.body.records).toMatchObject([{ tool: "charge", principal: { subject: "ada" } }]);
    const audited = await ask("GET", "/v1/records", { kind: "control" });
    expect(audited.body.records.length).toBeGreaterThanOrEqual(3);
    expect(audited.body.records[0].principal.subject).toBe(caller.userArn);
    expect(await ask("GET", "/v1/records", {}, {})).toMatchObject({ status: 401 });
  });

  test("api replays and discards what was refused", async () => {
    const { body } = await ask("GET", "/v1/quarantine");
    expect(body.entries.map(({ reason }: { reason: string }) => reason).sort()).toEqual(["conflict", "not_json"]);
    for (const { id } of body.entries) {
      expect(await ask("POST", `/v1/quarantine/${id}/replay`)).toMatchObject({ body: { outcome: "quarantined" } });
      expect(await ask("DELETE", `/v1/quarantine/${id}`)).toMatchObject({ status: 200 });
    }
    expect((await ask("GET", "/v1/quarantine")).body.entries).toEqual([]);
  });

  test("watch says what befell the ledger", async () => {
    const dynamodb = { SequenceNumber: "1", Keys: { pk: { S: `E#${own.emitter}` }, sk: { S: "000000000000000" } } };
    const answer = await running.watch.invoke({ Records: [{ eventName: "REMOVE", dynamodb }] });
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(services.published.at(-1)).toMatchObject({
      "detail-type": "integrity.conflict",
      detail: { what: "ledger_removed", emitter: own.emitter, seq: 0 },
    });
    expect(metricsOf(running.watch)).toMatchObject({ IntegrityConflict: 1 });
  });

  test("no function asks for what its role does not allow", () => {
    expect(Object.values(running).flatMap(({ aws }) => aws.denied)).toEqual([]);
  });

  test("no role allows what its function never asks for", () => {
    const used = Object.entries(running).flatMap(([name, { aws }]) =>
      aws.allowed.map(({ action, resource }) => `${name} ${action} ${resource}`),
    );
    const granted = grants(evaluation)
      .filter(({ role, action }) => !role.startsWith("Release") && /^(dynamodb|events|secretsmanager):/.test(action))
      // Lambda itself reads the stream, in the function's name.
      .filter(({ action, resource }) => !resource.includes("/stream/") && action !== "dynamodb:ListStreams")
      .filter(({ role }) => role.endsWith("Role"))
      .map(({ role, action, resource }) => `${role.replace("Role", "").toLowerCase()} ${action} ${resource}`);
    expect(granted.filter((grant) => !used.includes(grant))).toEqual([]);
  });

  test("our own alarms and graphs look at what the functions say", () => {
    const said = new Set(
      Object.values(running).flatMap(({ lines }) =>
        emf(lines).flatMap(({ _aws, service }) =>
          _aws.CloudWatchMetrics.flatMap(({ Namespace, Metrics }) =>
            Metrics.map(({ Name }) => `${Namespace} ${service} ${Name}`),
          ),
        ),
      ),
    );
    const alarms = ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm")
      .map(({ inputs }) => inputs)
      .filter(
        ({ namespace, metricName }) =>
          !namespace.startsWith("AWS/") && !["IngestFault", "IngestRetry"].includes(metricName),
      );
    expect(alarms.length).toBe(2);
    for (const { namespace, dimensions, metricName } of alarms)
      expect(said).toContain(`${namespace} ${dimensions.service} ${metricName}`);
  });

  test("no key is ever logged", () => {
    const lines = Object.values(running).flatMap((one) => one.lines);
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => /PRIVATE KEY|digestKeys/.test(line))).toEqual([]);
  });

  const caller = { accountId: "111122223333", userArn: "arn:aws:iam::111122223333:user/ada" };
  async function ask(
    method: string,
    path: string,
    query: { readonly [name: string]: string } = {},
    authorizer: object = { iam: caller },
    // biome-ignore lint/suspicious/noExplicitAny: an answer of the API, whose shape each test says
  ): Promise<{ status: number; body: any }> {
    const { statusCode, body } = (await running.api.invoke({
      version: "2.0",
      routeKey: "$default",
      rawPath: path,
      rawQueryString: new URLSearchParams(query).toString(),
      headers: { host: "abcdef1234.execute-api.eu-central-1.amazonaws.com" },
      queryStringParameters: query,
      requestContext: {
        authorizer,
        domainName: "abcdef1234.execute-api.eu-central-1.amazonaws.com",
        http: { method, path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "test" },
        requestId: "r",
        stage: "$default",
      },
      isBase64Encoded: false,
    })) as { statusCode: number; body: string };
    return { status: statusCode, body: JSON.parse(body) };
  }
});

async function startFunction(
  evaluation: Evaluation,
  folder: string,
  name: string,
  behind: { readonly dynamoDb: string; readonly services: string },
): Promise<Running> {
  const fn = functions(evaluation).find((resource) => resource.name === `${name}Function`);
  const aws = await policed(evaluation, `${name}Role`, behind);
  const child = fork(join(import.meta.dirname, "bare.ts"), [join(folder, name, "bundle.mjs")], {
    env: {
      ...fn?.inputs.environment.variables,
      ...awsEnvironment({ dynamoDb: aws.endpoint, services: aws.endpoint }),
      AWS_LAMBDA_FUNCTION_NAME: fn?.inputs.name,
    },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (printed += chunk));
  const answered = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`${name} ended: ${printed}`));
      child.once("exit", ended);
      child.once("message", (message) => {
        child.off("exit", ended);
        resolve(message);
      });
    });
  await answered();
  return {
    aws,
    get lines() {
      return printed.split("\n").filter(Boolean);
    },
    async invoke(event) {
      child.send(event as object);
      const { answer, error } = (await answered()) as { answer?: unknown; error?: string };
      if (error !== undefined) throw new Error(`${error}\n${printed}`);
      return answer;
    },
    async end() {
      await ended(child);
      await aws.close();
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The table as the stack makes it, as far as DynamoDB Local knows what it says. */
const tableOf = ({ inputs }: Resource): CreateTableCommand => {
  const keys = (hashKey: string, rangeKey: string) => [
    { AttributeName: hashKey, KeyType: "HASH" as const },
    { AttributeName: rangeKey, KeyType: "RANGE" as const },
  ];
  const indexes: GlobalSecondaryIndex[] = inputs.globalSecondaryIndexes.map((index: Resource["inputs"]) => ({
    IndexName: index.name,
    KeySchema: keys(index.hashKey, index.rangeKey),
    Projection: { ProjectionType: index.projectionType },
  }));
  return new CreateTableCommand({
    TableName: inputs.name,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: keys(inputs.hashKey, inputs.rangeKey),
    AttributeDefinitions: inputs.attributes.map(
      ({ name, type }: { name: string; type: "S" }): AttributeDefinition => ({
        AttributeName: name,
        AttributeType: type,
      }),
    ),
    ...(indexes.length > 0 && { GlobalSecondaryIndexes: indexes }),
  });
};

const anSqsEvent = (bodies: readonly string[]) => ({
  Records: bodies.map((body, i) => ({
    messageId: `message-${i}`,
    receiptHandle: "r",
    body,
    attributes: { ApproximateReceiveCount: "1" },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-central-1:111122223333:tooltrail-ingest",
    awsRegion: "eu-central-1",
  })),
});

interface Emf {
  readonly _aws: { readonly CloudWatchMetrics: readonly { Namespace: string; Metrics: readonly { Name: string }[] }[] };
  readonly service: string;
  readonly [metric: string]: unknown;
}

const emf = (lines: readonly string[]): Emf[] =>
  lines.filter((line) => line.includes('"_aws"')).map((line) => JSON.parse(line) as Emf);

/** Sums of what it has counted. */
function metricsOf({ lines }: Running): { [metric: string]: number } {
  const sums: { [metric: string]: number } = {};
  for (const line of emf(lines))
    for (const { Name } of line._aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics))
      sums[Name] = (sums[Name] ?? 0) + [line[Name]].flat().reduce((sum: number, one) => sum + Number(one), 0);
  return sums;
}
