import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeleteItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import type { RecordPage } from "@tooltrail/api/types";
import { projections } from "@tooltrail/core/follow/projections";
import { recordId } from "@tooltrail/format";
import { makeDigestKey, makeInstallationKey } from "@tooltrail/format/keys";
import { parseLeaf, parseReceipt } from "@tooltrail/format/log";
import type { APIGatewayProxyStructuredResultV2, DynamoDBRecord, SQSBatchResponse } from "aws-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  awsEnvironment,
  dynamoDbEndpoint,
  freshBucket,
  freshTables,
  onDynamoDb,
  s3Endpoint,
  type Tables,
} from "../support/adapters.ts";
import { type AwsServices, awsServices, kmsKey } from "../support/aws-services.ts";
import { type BareFunction, startFunction } from "../support/bare-function.ts";
import { aCall, aMessage, anEnvelope, anIdentity, aPlainMessage } from "../support/batches.ts";
import { bundleFunction } from "../support/bundle.ts";
import { seeLog } from "../support/log-reader.ts";
import { type FaultyWire, faultyWire } from "../support/wire-faults.ts";

const maxBundleBytes = 1_000_000;
const all = [
  ...(["ingest", "api", "watch", "sequence", "sign", "follow", "evaluate", "reconcile"] as const),
  ...(["triage", "respond", "incidents"] as const),
];

/** The functions as Lambda gets them: bundled, each in a bare process, with the events that the services send. */
describe.runIf(onDynamoDb)("on AWS", () => {
  const dir = mkdtempSync(join(tmpdir(), "tooltrail-functions-"));
  const digestKeys = [makeDigestKey(), makeDigestKey()];
  const secret = { installationKey: makeInstallationKey(), digestKeys, enrolledKeys: [anIdentity().key] };
  let dynamoDb: string;
  let wire: FaultyWire;
  let services: AwsServices;
  let tables: Tables;
  let env: NodeJS.ProcessEnv;
  const bundles = new Map<string, { path: string; bytes: number }>();
  const functions: BareFunction[] = [];
  let ingest: BareFunction;
  let api: BareFunction;
  let watch: BareFunction;
  let log: (name: string) => Promise<Uint8Array | undefined>;

  const start = async (name: string, environment = env): Promise<BareFunction> => {
    const started = await startFunction(bundles.get(name)?.path ?? "", environment);
    functions.push(started);
    return started;
  };

  beforeAll(async () => {
    for (const name of all) bundles.set(name, await bundleFunction(`functions/${name}.ts`, dir, name));
    dynamoDb = await dynamoDbEndpoint();
    wire = await faultyWire(dynamoDb);
    services = await awsServices(JSON.stringify(secret));
    tables = await freshTables(dynamoDb, { stream: true });
    const s3 = await s3Endpoint();
    const bucket = await freshBucket(s3);
    env = {
      ...awsEnvironment({ dynamoDb: wire.endpoint, services: services.endpoint, s3 }),
      TOOLTRAIL_LEDGER_TABLE: tables.ledgerTable,
      TOOLTRAIL_STATE_TABLE: tables.stateTable,
      TOOLTRAIL_KEYS_SECRET: "keys",
      TOOLTRAIL_BUS: "tooltrail",
      TOOLTRAIL_ACCOUNT: "123456789012",
      TOOLTRAIL_LOG_BUCKET: bucket.name,
      TOOLTRAIL_LOG_ORIGIN: "example.org/log",
      TOOLTRAIL_LOG_KEYS: kmsKey,
      TOOLTRAIL_RESPONSE_SECRET: "response",
    };
    log = overS3(bucket);
    ingest = await start("ingest");
    api = await start("api");
    // It has neither tables nor keys to know of.
    watch = await start("watch", {
      ...awsEnvironment({ dynamoDb: "http://127.0.0.1:9", services: services.endpoint }),
      TOOLTRAIL_BUS: "tooltrail",
    });
  });
  afterAll(async () => {
    for (const one of functions) await one.stop();
    await tables.remove();
    await services.close();
    await wire.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const deliver = async (...bodies: string[]): Promise<SQSBatchResponse> =>
    (await ingest.invoke({ Records: bodies.map((body, i) => ({ messageId: `m${i}`, body })) })) as SQSBatchResponse;

  type Authorizer = { jwt: { claims: object } } | { iam: object };
  const iam: Authorizer = {
    iam: { accountId: "123456789012", userArn: "arn:aws:sts::123456789012:assumed-role/Auditor/ada" },
  };
  const get = (path: string, authorizer?: Authorizer) => ask(api, "GET", path, authorizer);
  const ask = async (
    whom: BareFunction,
    method: "GET" | "POST",
    path: string,
    authorizer?: Authorizer,
    sent?: object,
  ): Promise<{ status: number | undefined; body: unknown }> => {
    const [rawPath = "", rawQueryString = ""] = path.split("?");
    const { statusCode, body, headers } = (await whom.invoke({
      version: "2.0",
      routeKey: "$default",
      rawPath,
      rawQueryString,
      headers: { host: "example.execute-api.us-east-1.amazonaws.com" },
      requestContext: {
        accountId: "123456789012",
        domainName: "example.execute-api.us-east-1.amazonaws.com",
        http: { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "curl" },
        requestId: "r",
        stage: "$default",
        ...(authorizer && { authorizer }),
      },
      ...(sent && { body: JSON.stringify(sent) }),
      isBase64Encoded: false,
    })) as APIGatewayProxyStructuredResultV2;
    const isJson = String(headers?.["content-type"]).startsWith("application/json");
    return { status: statusCode, body: isJson ? JSON.parse(body ?? "null") : body };
  };

  test.each(all)("the bundle of %s is under a megabyte", (name) => {
    expect(bundles.get(name)?.bytes).toBeLessThan(maxBundleBytes);
  });

  test("what the queue delivers is answered by the api, with names, and the reading is on record under the reader's name", async () => {
    const now = Date.now();
    const plain = { server: "billing", tool: "refund", outcome: "ok", principal: "grace", at: now };
    const signed = aMessage(await anEnvelope({ records: [aCall({ at: now - 1_000 })] }));
    expect(await deliver(signed, aPlainMessage(plain), "not JSON")).toEqual({ batchItemFailures: [] });

    const { status, body } = await get("/v1/records?limit=10", iam);
    expect(status).toBe(200);
    expect((body as RecordPage).records).toMatchObject([
      { tool: "refund", sealed: false, principal: { subject: "grace", verified: false } },
      { tool: "echo", sealed: true, enrolled: true, principal: { subject: "os:ada@workstation", verified: true } },
    ]);

    const claims = { iss: "https://idp.example", sub: "00u1" };
    const { body: reads } = await get("/v1/records?kind=control", { jwt: { claims } });
    const [own] = (reads as RecordPage).records.filter((record) => record.principal?.subject?.startsWith("arn:"));
    expect(own).toMatchObject({
      action: "records.query",
      principal: { subject: "arn:aws:sts::123456789012:assumed-role/Auditor/ada", method: "token", verified: true },
      server: { id: "tooltrail" },
      account: "123456789012",
      sealed: true,
      enrolled: true,
    });
    expect((reads as RecordPage).records.map(({ principal }) => principal?.subject)).toContain("00u1");
    expect(((await get("/v1/quarantine", iam)).body as { entries: unknown[] }).entries).toMatchObject([
      { reason: "not_json", body: "not JSON" },
    ]);
  });

  test.each([
    ["no authorizer", undefined],
    ["a token without a subject", { jwt: { claims: { iss: "https://idp.example" } } }],
    ["a signature without an ARN", { iam: { accountId: "123456789012" } }],
  ])("a request with %s is not answered", async (_, authorizer) => {
    expect(await get("/v1/records", authorizer)).toMatchObject({
      status: 401,
      body: { error: { code: "unauthorized" } },
    });
  });

  test("another batch under a taken number is said on the bus", async () => {
    const parts = { identity: anIdentity(2), records: [aCall({ at: Date.now() })] };
    await deliver(aMessage(await anEnvelope(parts)));
    await deliver(aMessage(await anEnvelope({ ...parts, server: "forged" })));
    expect(services.published.map(({ source, detail }) => [source, detail.what, detail.emitter])).toEqual([
      ["tooltrail.pipeline", "batch_refused", anIdentity(2).emitter],
    ]);
  });

  test("what arrived is sequenced, signed, followed, evaluated, and proven with nothing but the public key", async () => {
    const [sequence, sign, follow, evaluate, reconcile] = await Promise.all(
      (["sequence", "sign", "follow", "evaluate", "reconcile"] as const).map((name) => start(name)),
    );
    const Records = (await streamOf(dynamoDb, tables.ledgerTable)).filter(({ eventName }) => eventName === "INSERT");
    services.published.length = 0;
    expect(await sequence?.invoke({ Records })).toEqual({ batchItemFailures: [] });
    expect(await sequence?.invoke({ Records })).toEqual({ batchItemFailures: [] }); // again: nothing is added
    expect(await sign?.invoke({ "detail-type": "log.sequenced", time: new Date().toISOString() })).toMatchObject({
      outcome: "published",
      size: Records.length,
    });
    expect(await follow?.invoke({ "detail-type": "log.advanced" })).toMatchObject(
      projections.map(({ name: projection }) => ({ projection, leaf: Records.length, behind: 0 })),
    );
    expect(await follow?.invoke({ "detail-type": "Scheduled Event" })).toHaveLength(projections.length);
    expect(await evaluate?.invoke({ "detail-type": "Scheduled Event" })).toMatchObject({ firing: 0, said: 0 });
    expect(services.published.map((event) => event["detail-type"])).toEqual([
      "log.sequenced",
      "log.sequenced",
      "log.advanced",
    ]);
    const seen = await seeLog(log);
    expect((await seen?.leaves())?.map(({ emitter }) => `E#${emitter}`).sort()).toEqual(
      Records.map(({ dynamodb }) => dynamodb?.Keys?.pk?.S).sort(),
    );
    const [leaf] = (await seen?.leaves()) ?? [];
    const id = leaf && recordId(leaf);
    const { status, body } = await get(`/v1/records/${id}/proof`, iam);
    const { extra, checkpoint } = parseReceipt(String(body));
    expect([status, checkpoint, parseLeaf(extra ?? new Uint8Array())]).toEqual([200, seen?.text, leaf]);
    expect((await get("/v1/inventory/tools", iam)).body).toMatchObject({ entries: expect.any(Array) });
    // What is missing after this, the clock finds once it is older than what may still be on its way.
    expect(await reconcile?.invoke({})).toMatchObject({ found: 0 });
  });

  test("a budget that burns becomes an incident, which is said on the bus and acknowledged over HTTP", async () => {
    const [triage, respond, incidents] = await Promise.all(
      (["triage", "respond", "incidents"] as const).map((name) => start(name)),
    );
    if (!triage || !respond || !incidents) throw new Error("three were started");
    const now = Date.now();
    const detail = {
      ...{ slo: "billing-answers", rule: "fast", severity: "page", sli: "availability", at: now, startedAt: now },
      ...{ server: "billing", burnLong: 20, burnShort: 30, longMinutes: 60, shortMinutes: 5, budgetSpent: 0.1 },
      burners: { tools: [], versions: [], principals: [] },
    };
    const message = JSON.stringify({ source: "tooltrail.pipeline", "detail-type": "slo.burn.started", detail });
    services.published.length = 0;
    // Delivered twice, it is one.
    for (const body of [message, message])
      expect(await triage.invoke({ Records: [{ messageId: "m", body }] })).toEqual({ batchItemFailures: [] });
    const { body: page } = await ask(incidents, "GET", "/v1/incidents", iam);
    const [{ id = "" } = {}, ...others] = (page as { incidents: { id: string }[] }).incidents;
    expect(others).toEqual([]);
    const commands = `/v1/incidents/${id}/commands`;
    expect(await ask(incidents, "POST", commands, iam, { type: "acknowledge" })).toMatchObject({
      status: 200,
      body: { incident: { status: "acknowledged" } },
    });
    expect(await ask(incidents, "POST", commands, iam, { type: "resolve" })).toMatchObject({ status: 409 });
    await respond.invoke({ "detail-type": "incidents.advanced" });
    const said = services.published.filter((event) => event.detail.incident === id);
    expect(said.map((event) => event["detail-type"])).toEqual(
      expect.arrayContaining(["incident.opened", "incident.alerted", "incident.acknowledged"]),
    );
  });

  test("what is no batch holds up what is behind it, and nothing before it", async () => {
    const sequence = await start("sequence");
    const Records = (await streamOf(dynamoDb, tables.ledgerTable)).filter(({ eventName }) => eventName === "INSERT");
    const [first, second] = Records;
    const strange = { ...second, dynamodb: { ...second?.dynamodb, NewImage: { pk: { S: "E#x" } } } };
    expect(await sequence.invoke({ Records: [first, strange, ...Records.slice(2)] })).toEqual({
      batchItemFailures: [{ itemIdentifier: second?.dynamodb?.SequenceNumber }],
    });
  });

  test("a message that could not be stored comes back alone, and is stored then", async () => {
    const parts = { identity: anIdentity(3), records: [aCall({ at: Date.now() })] };
    const message = aMessage(await anEnvelope(parts));
    wire.break({ name: "PutItem", table: "ledger" }, "throttled", Number.MAX_SAFE_INTEGER);
    expect(await deliver("not JSON", message)).toEqual({ batchItemFailures: [{ itemIdentifier: "m1" }] });
    wire.heal();
    expect(await deliver(message)).toEqual({ batchItemFailures: [] });
    expect((await get(`/v1/records/rec_${anIdentity(3).emitter}_0_0`, iam)).status).toBe(200);
  });

  test("whoever gets past the permissions and changes or removes a row of the ledger is told on", async () => {
    const { emitter } = anIdentity(3);
    const row = { TableName: tables.ledgerTable, Key: { pk: { S: `E#${emitter}` }, sk: { S: "0".repeat(15) } } };
    await tables.client.send(
      new UpdateItemCommand({
        ...row,
        UpdateExpression: "SET account = :other",
        ExpressionAttributeValues: { ":other": { S: "other" } },
      }),
    );
    await tables.client.send(new DeleteItemCommand(row));
    const Records = await streamOf(dynamoDb, tables.ledgerTable);
    expect(Records.map(({ eventName }) => eventName)).toEqual(expect.arrayContaining(["INSERT", "MODIFY", "REMOVE"]));
    services.published.length = 0;
    expect(await watch.invoke({ Records })).toEqual({ batchItemFailures: [] });
    expect(services.published.map(({ detail }) => detail)).toEqual([
      { what: "ledger_modified", emitter, seq: 0 },
      { what: "ledger_removed", emitter, seq: 0 },
    ]);

    // From the one that could not be said everything comes again.
    const changes = Records.filter(({ eventName }) => eventName !== "INSERT");
    services.entryFaults.push("MalformedDetail");
    expect(await watch.invoke({ Records })).toEqual({
      batchItemFailures: [{ itemIdentifier: changes[0]?.dynamodb?.SequenceNumber }],
    });
    services.entryFaults.push("ThrottlingException", "InternalFailure"); // these pass
    expect(await watch.invoke({ Records: changes })).toEqual({ batchItemFailures: [] });
    expect(services.published).toHaveLength(4);
  });

  test("no key is ever in a log", () => {
    const logs = functions.map((one) => one.said()).join("");
    expect(logs).toContain("quarantined");
    for (const key of [...digestKeys, secret.installationKey.split("\n")[1] ?? ""]) expect(logs).not.toContain(key);
  });

  test.each([
    [
      "ingest",
      {},
      /Not set: TOOLTRAIL_LEDGER_TABLE, TOOLTRAIL_STATE_TABLE, TOOLTRAIL_KEYS_SECRET, TOOLTRAIL_BUS, TOOLTRAIL_ACCOUNT\./,
    ],
    [
      "api",
      { TOOLTRAIL_BUS: "b", TOOLTRAIL_ACCOUNT: "1" },
      /Not set: TOOLTRAIL_LEDGER_TABLE, TOOLTRAIL_STATE_TABLE, TOOLTRAIL_KEYS_SECRET\./,
    ],
    ["watch", {}, /Not set: TOOLTRAIL_BUS\./],
    ["sequence", {}, /TOOLTRAIL_STATE_TABLE, TOOLTRAIL_LOG_BUCKET\..* TOOLTRAIL_BUS\./],
    ["sign", {}, /TOOLTRAIL_LOG_BUCKET\..* TOOLTRAIL_LOG_ORIGIN, TOOLTRAIL_LOG_KEYS\..* TOOLTRAIL_BUS\./],
    ["follow", {}, /TOOLTRAIL_LOG_BUCKET\..* TOOLTRAIL_LOG_KEYS\..* TOOLTRAIL_LEDGER_TABLE\..* TOOLTRAIL_BUS\./],
    ["evaluate", {}, /TOOLTRAIL_LOG_BUCKET\..* TOOLTRAIL_LOG_KEYS\..* TOOLTRAIL_LEDGER_TABLE\..* TOOLTRAIL_BUS\./],
    ["triage", {}, /TOOLTRAIL_STATE_TABLE\..* TOOLTRAIL_LEDGER_TABLE\..* TOOLTRAIL_BUS\./],
    ["respond", {}, /TOOLTRAIL_RESPONSE_SECRET\./],
    ["incidents", {}, /TOOLTRAIL_LEDGER_TABLE, TOOLTRAIL_STATE_TABLE, TOOLTRAIL_KEYS_SECRET, TOOLTRAIL_BUS/],
    ["reconcile", {}, /TOOLTRAIL_LOG_BUCKET\..* TOOLTRAIL_LOG_KEYS\..* TOOLTRAIL_LEDGER_TABLE\..* TOOLTRAIL_BUS\./],
  ])("%s does not start without its configuration, and names what is missing", async (name, set, message) => {
    await expect(start(name, set)).rejects.toThrow(message);
  });

  test("a function does not start with a key that cannot be used, and does not say it", async () => {
    const wrong = await awsServices(JSON.stringify({ ...secret, digestKeys: ["short-secret"] }));
    const start2 = start("ingest", { ...env, AWS_ENDPOINT_URL_SECRETS_MANAGER: wrong.endpoint });
    const message = await start2.then(String, (error: Error) => error.message);
    expect(message).toMatch(/digestKeys needs at least one key, each of at least 32 bytes/);
    expect(message).not.toContain("short-secret");
    await wrong.close();
  });
});

/** The log as its readers get it. */
const overS3 =
  ({ name: Bucket, client }: Awaited<ReturnType<typeof freshBucket>>) =>
  async (name: string): Promise<Uint8Array | undefined> => {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `log/${name}` }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  };

/** A table's stream from its beginning, as Lambda would hand it over. */
async function streamOf(endpoint: string, table: string): Promise<DynamoDBRecord[]> {
  const call = async <T>(name: string, body: object): Promise<T> => {
    const answer = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDBStreams_20120810.${name}`,
        authorization:
          "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
      },
      body: JSON.stringify(body),
    });
    return (await answer.json()) as T;
  };
  const { Streams } = await call<{ Streams: { StreamArn: string }[] }>("ListStreams", { TableName: table });
  const StreamArn = Streams[0]?.StreamArn;
  const { StreamDescription } = await call<{ StreamDescription: { Shards: { ShardId: string }[] } }>("DescribeStream", {
    StreamArn,
  });
  const records: DynamoDBRecord[] = [];
  for (const { ShardId } of StreamDescription.Shards) {
    const { ShardIterator } = await call<{ ShardIterator: string }>("GetShardIterator", {
      StreamArn,
      ShardId,
      ShardIteratorType: "TRIM_HORIZON",
    });
    records.push(...(await call<{ Records: DynamoDBRecord[] }>("GetRecords", { ShardIterator })).Records);
  }
  return records;
}
