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
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, GetObjectTaggingCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoProjections } from "@tooltrail/aws/dynamo-projections";
import { batchOf, imageOf, itemOf } from "@tooltrail/aws/ledger-item";
import { projections } from "@tooltrail/core/follow/projections";
import { runCommand } from "@tooltrail/core/incidents/command";
import { windowMs } from "@tooltrail/core/incidents/evolve";
import { collections, transact } from "@tooltrail/core/incidents/store";
import { tellsOfOwnAct } from "@tooltrail/core/own-acts";
import type { StoredBatch } from "@tooltrail/core/ports";
import { ownSlos } from "@tooltrail/core/slo/defaults";
import { headersHash, identityOf } from "@tooltrail/format";
import { makeDigestKey, makeInstallationKey } from "@tooltrail/format/keys";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { awsEnvironment, dynamoDbEndpoint, onDynamoDb, type PublishedEvent, s3Endpoint } from "../support/adapters.ts";
import { type AwsServices, awsServices } from "../support/aws-services.ts";
import { aCall, aMessage, anEnvelope, aPlainMessage } from "../support/batches.ts";
import { anAvailability, breakingRecords } from "../support/breaking.ts";
import { type GitHub, startGitHub } from "../support/destinations/github.ts";
import { startWebhook, type WebhookReceiver } from "../support/destinations/webhook.ts";
import { needs } from "../support/requirements.ts";
import { s3Missing } from "../support/s3-server.ts";
import { type Evaluation, evaluate, type Resource, sstIsThere } from "./evaluate.ts";
import { type Policed, policed } from "./policed.ts";
import { functions, grants, matches, ofType } from "./policies.ts";

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

const there = needs("SST's platform (npm run sst-types)", sstIsThere()) && onDynamoDb && s3Missing() === undefined;
const names = [
  ...(["ingest", "api", "watch", "sequence", "reconcile", "sign", "follow", "evaluate"] as const),
  ...(["triage", "respond", "incidents"] as const),
];

describe.runIf(there)("functions as they are deployed", () => {
  let evaluation: Evaluation;
  let folder: string;
  let db: DynamoDBClient;
  let services: AwsServices;
  let hook: WebhookReceiver;
  let issues: GitHub;
  let s3: S3Client;
  let bucket: string;
  let running: { readonly [name in (typeof names)[number]]: Running };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tooltrail-bundles-"));
    evaluation = await evaluate({ stage: "staging", env, bundle: true }, async (answer, bundles) => {
      await cp(bundles, folder, { recursive: true });
      return answer;
    });
    const dynamoDb = await dynamoDbEndpoint();
    db = new DynamoDBClient({
      endpoint: dynamoDb,
      region: "eu-central-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    });
    for (const table of ofType(evaluation, "aws:dynamodb/table:Table")) await db.send(tableOf(table));
    hook = await startWebhook();
    issues = await startGitHub();
    services = await awsServices(
      JSON.stringify({
        installationKey: makeInstallationKey(),
        digestKeys: [makeDigestKey()],
        enrolledKeys: [own.key],
      }),
      JSON.stringify({ "hook-key": hook.signingKey, "issues-token": issues.token }),
    );
    const s3At = await s3Endpoint();
    s3 = new S3Client({
      endpoint: s3At,
      region: "us-east-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      forcePathStyle: true,
    });
    bucket = ofType(evaluation, "aws:s3/bucket:Bucket")[0]?.inputs.bucket;
    await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const behind = { dynamoDb, services: services.endpoint, s3: s3At };
    running = Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, await startFunction(evaluation, folder, pascal(name), behind)]),
      ),
    );
  }, 330_000);
  afterAll(async () => {
    for (const one of Object.values(running ?? {})) await one.end();
    for (const { inputs } of evaluation ? ofType(evaluation, "aws:dynamodb/table:Table") : [])
      await db.send(new DeleteTableCommand({ TableName: inputs.name }));
    db?.destroy();
    s3?.destroy();
    await services?.close();
    await hook?.stop();
    await issues?.stop();
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  const own = identityOf(makeInstallationKey(), new Uint8Array(16));
  const at = Date.now();
  const filler = identityOf(makeInstallationKey(), new Uint8Array(16));
  let missing: string;
  const aCharge = { server: "billing", version: "2.1.0", tool: "charge" };
  /** What was said of budgets and by detectors, as the bus carries it. */
  const alerts: PublishedEvent[] = [];
  const topic = "arn:aws:sns:eu-central-1:111122223333:pages";
  const env = {
    // So that locks are put, which another stage than production leaves out.
    TOOLTRAIL_LOG_LOCK_DAYS: "30",
    TOOLTRAIL_RESPONSE_EMAIL_IDENTITY: "arn:aws:ses:eu-central-1:111122223333:identity/example.com",
    TOOLTRAIL_RESPONSE_TOPICS: topic,
  };

  test.each(names.map(pascal))("%s is smaller than 1 MB", async (name) => {
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
        // Old enough for an evaluation to ask whether it is in the log.
        aPlainMessage({ ...aCharge, outcome: "ok", principal: "ada", at: at - 130_000 }),
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
    expect(await ask("GET", "/v1/records", {}, undefined, {})).toMatchObject({ status: 401 });
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

  test("before there is a log, nobody fails for it", async () => {
    expect(await running.sign.invoke({})).toMatchObject({ outcome: "empty" });
    expect(await running.follow.invoke({})).toMatchObject(projections.map(() => ({ leaf: 0 })));
    expect(await running.evaluate.invoke({})).toMatchObject({ slos: ownSlos.length, firing: 0 });
    expect(await proofOfOne()).toMatchObject({ status: 404 });
  });

  test("sequence and sign make a log of what is stored, and lock what is final", async () => {
    const many = Array.from({ length: 90 }, (_, i) => aCall({ at: at + i }));
    let prev: string | undefined;
    for (const seq of [0, 1, 2, 3, 4]) {
      const envelope = await anEnvelope({ identity: filler, seq, records: many, ...(prev && { prev }) });
      prev = headersHash(envelope.headers);
      if (seq === 3) missing = aMessage(envelope);
      else expect(await running.ingest.invoke(anSqsEvent([aMessage(envelope)]))).toEqual({ batchItemFailures: [] });
    }
    const batches = await stored();
    const [last] = batches.slice(-1);
    for (const some of [batches.slice(0, 2), batches.slice(1, -1)])
      expect(await running.sequence.invoke(aStreamEvent(some))).toEqual({ batchItemFailures: [] });
    expect(await proofOfOne()).toMatchObject({ status: 404 }); // in the log, and not signed yet
    expect(await running.sign.invoke(wokenBy("log.sequenced"))).toMatchObject({ outcome: "published" });
    const size = batches.slice(0, -1).reduce((sum, { headers }) => sum + headers.count, 0);
    expect(size).toBeGreaterThan(256);
    expect(metricsOf(running.sequence)).toMatchObject({ LeavesSequenced: size });
    expect(services.published.at(-1)).toMatchObject({ "detail-type": "log.advanced", detail: { size } });

    const head = (key: string) => s3.send(new HeadObjectCommand({ Bucket: bucket, Key: `log/${key}` }));
    for (const full of ["tile/0/000", "tile/entries/000"])
      expect(await head(full)).toMatchObject({ ObjectLockMode: "COMPLIANCE" });
    expect((await head(`tile/0/001.p/${size - 256}`)).ObjectLockMode).toBeUndefined();
    const superseded = batches.slice(0, 2).reduce((sum, { headers }) => sum + headers.count, 0);
    const tags = await s3.send(
      new GetObjectTaggingCommand({ Bucket: bucket, Key: `log/tile/entries/000.p/${superseded}` }),
    );
    expect(tags.TagSet).toEqual([{ Key: "superseded", Value: "true" }]);

    // What the stream never brought, and has been there for an hour.
    const late = { ...(last as StoredBatch), receivedAtMs: at - 3_600_000 };
    await db.send(new PutItemCommand({ TableName: tableName("Ledger"), Item: itemOf(late) }));
    expect(await running.reconcile.invoke({})).toMatchObject({ found: 1 });
    expect(await running.sign.invoke({})).toMatchObject({ outcome: "published" });
    expect(await running.reconcile.invoke({ rebuild: true })).toMatchObject({ completed: 0 });
  });

  test("follow makes projections, and api proves and answers from them", async () => {
    const progress = await running.follow.invoke(wokenBy("log.advanced"));
    expect(progress).toMatchObject(projections.map(() => ({ behind: 0 })));
    await running.follow.invoke({});
    expect(services.published.at(-1)).toMatchObject({
      "detail-type": "emitter.gap",
      detail: { state: "open", emitter: filler.emitter, from: 3, to: 3 },
    });
    const proof = await proofOfOne();
    expect([proof.status, proof.body.split("\n")[0]]).toEqual([200, "c2sp.org/tlog-proof@v1"]);
    expect(await ask("GET", "/v1/batches", { leaf: "0" })).toMatchObject({ status: 200 });
    expect(await ask("GET", "/v1/batches")).toMatchObject({ status: 200 });
    expect((await ask("GET", "/v1/inventory/tools")).body.entries.length).toBeGreaterThan(0);
    expect(await ask("GET", "/v1/emitters")).toMatchObject({ status: 200 });
    expect(await ask("POST", "/v1/projections/inventory/rebuild")).toMatchObject({ status: 200 });
    // What was missing comes, and the gap is closed.
    await running.ingest.invoke(anSqsEvent([missing]));
    await running.sequence.invoke(aStreamEvent((await stored()).filter(({ headers }) => headers.seq === 3)));
    await running.sign.invoke({});
    expect(await running.follow.invoke({})).toMatchObject(projections.map(() => ({ behind: 0 })));
    expect(services.published.at(-1)).toMatchObject({ detail: { state: "closed", from: 3, to: 3 } });
  });

  test("evaluate says what burns and what has changed, and api tells who defined it", async () => {
    const documents = [anAvailability("payments-answer", "payments")];
    expect(await ask("POST", "/v1/slos", {}, { documents })).toMatchObject({ status: 200 });
    const window = { minutes: 5, reason: "a migration", server: "billing" };
    const { body: maintenance } = await ask("POST", "/v1/maintenance", {}, window);
    expect((await ask("GET", "/v1/maintenance")).body.windows).toMatchObject([{ id: maintenance.id }]);

    const identity = identityOf(makeInstallationKey(), new Uint8Array(16));
    const minute = Math.floor(Date.now() / 60_000);
    const breaking = breakingRecords(minute * 60_000);
    const [, changed] = breaking.flatMap((record) => (record.kind === "definition" ? [record.digest] : []));
    const args = { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 12, shape: { path: "string" } } as const;
    // So that a contract test can be made of them.
    const records = breaking.map((record) =>
      record.kind === "call" && changed ? { ...record, definition: changed, args } : record,
    );
    const message = aMessage(await anEnvelope({ identity, server: "payments", records }));
    expect(await running.ingest.invoke(anSqsEvent([message]))).toEqual({ batchItemFailures: [] });
    const arrived = (await stored()).filter(({ headers }) => headers.emitter === identity.emitter);
    expect(await running.sequence.invoke(aStreamEvent(arrived))).toEqual({ batchItemFailures: [] });
    await running.sign.invoke(wokenBy("log.sequenced"));
    await running.follow.invoke(wokenBy("log.advanced"));
    expect(services.published.at(-1)).toMatchObject({ "detail-type": "counters.advanced" });

    const heard = async () => {
      services.published.length = 0;
      const evaluation = await running.evaluate.invoke(wokenBy("counters.advanced"));
      alerts.push(...services.published);
      return { evaluation, said: services.published.map((event) => ({ type: event["detail-type"], ...event.detail })) };
    };
    const burning = await heard();
    expect(burning.evaluation).toMatchObject({ slos: expect.any(Number), firing: expect.any(Number) });
    expect(burning.said).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: "slo.burn.started", slo: "payments-answer", severity: "page" }),
        expect.objectContaining({ type: "detector.fired", detector: "schema_breakage", tool: "echo" }),
      ]),
    );
    const { firing, said } = (await heard()).evaluation as { firing: number; said: number };
    expect([firing > 0, said]).toEqual([true, 0]);

    const firingNow = await ask("GET", "/v1/slos", { firing: "true" });
    expect(firingNow.body.slos).toMatchObject([{ name: "payments-answer" }]);
    expect((await ask("GET", "/v1/slos/payments-answer")).body).toMatchObject({
      burners: { tools: [{ name: "echo", bad: 40 }], principals: [{ subject: "os:ada@workstation" }] },
      versions: [{ version: 1 }],
    });
    const minutes = [[minute, 40, 40]];
    expect((await ask("GET", "/v1/slos/payments-answer/series")).body).toMatchObject({ minutes });
    expect((await ask("POST", "/v1/series", {}, { document: documents[0] })).body).toMatchObject({ minutes });
    expect((await ask("GET", "/metrics")).body).toContain("payments-answer");

    expect(await ask("DELETE", `/v1/maintenance/${maintenance.id}`)).toMatchObject({ status: 200 });
    expect(await ask("DELETE", "/v1/slos/payments-answer")).toMatchObject({ status: 200 });
    expect((await heard()).said).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: "slo.burn.cleared", slo: "payments-answer", why: "removed" }),
        // Nobody has defined anything for it now, and it still fails.
        expect.objectContaining({ type: "slo.burn.started", slo: "availability:payments" }),
      ]),
    );
    expect(metricsOf(running.evaluate).AlertsFiring).toBeGreaterThan(0);
  });

  let incident: string;
  let other: string;
  const idOf = (incidents: readonly { id: string; cause: object }[], cause: object): string =>
    incidents.find((one) => Object.entries(cause).every(([name, value]) => one.cause[name as never] === value))?.id ??
    "none";

  test("alerts become incidents, whoever is to be told is told, and what people do is on record", async () => {
    const destination = (name: string, rest: object) => ({ kind: "Destination", name, ...rest });
    const documents = [
      destination("hook", { type: "webhook", url: hook.url, signingKey: { secret: "hook-key" } }),
      destination("mail", { type: "email", from: "tooltrail@example.com", to: ["on-call@example.com"] }),
      destination("topic", { type: "sns", topicArn: topic }),
      destination("issues", {
        type: "github",
        url: issues.url,
        repository: issues.repository,
        token: { secret: "issues-token" },
      }),
      {
        kind: "ResponsePolicy",
        name: "everybody",
        levels: [{ targets: ["hook", "mail", "topic"], waitMinutes: 5 }],
        rounds: 1,
        acknowledgedForMinutes: 30,
        tickets: ["issues"],
        executors: ["hook"],
      },
    ];
    expect(await askIncidents("POST", "/v1/response", {}, { documents })).toMatchObject({ status: 200 });
    expect((await askIncidents("GET", "/v1/response", {})).body.documents.length).toBeGreaterThan(5);
    expect(await askIncidents("GET", "/v1/response/Destination/hook")).toMatchObject({ status: 200 });
    const unguided = { server: aCharge.server, version: aCharge.version };
    expect((await askIncidents("GET", "/v1/runbooks/missing")).body.missing).toMatchObject([unguided]);

    services.published.length = 0;
    const bodies = alerts.map((event) => JSON.stringify(event));
    const started = alerts.find((event) => event["detail-type"] === "slo.burn.started");
    // Of three tools of a server, the server is what fails.
    const [first = "", second = "", third = ""] = ["a", "b", "c"].map((tool) =>
      JSON.stringify({ ...started, detail: { ...started?.detail, server: "depot", tool } }),
    );
    expect(await running.triage.invoke(anSqsEvent([...bodies, first, second]))).toEqual({ batchItemFailures: [] });
    expect(await running.triage.invoke(anSqsEvent([...bodies, third, "no event"]))).toEqual({
      batchItemFailures: [{ itemIdentifier: `message-${bodies.length + 1}` }],
    });
    expect(metricsOf(running.triage).IncidentsOpened).toBeGreaterThan(0);
    expect(services.published.map((event) => event["detail-type"])).toContain("incidents.advanced");

    await running.respond.invoke(wokenBy("incidents.advanced"));
    expect(hook.deliveries().map(({ type }) => type)).toContain("incident.opened");
    expect(new Set(services.told.map(({ to }) => to))).toEqual(new Set(["on-call@example.com", topic]));
    expect(services.published.map((event) => event["detail-type"])).toEqual(
      expect.arrayContaining(["incident.opened", "incident.alerted", "runbook.missing"]),
    );

    // By the bus, what the pipeline did by itself comes to ingest, and is on record.
    const own = services.published.filter(tellsOfOwnAct);
    const arriving = own.map((event, i) =>
      JSON.stringify({ ...event, id: `own-${i}`, account: "111122223333", time: new Date().toISOString() }),
    );
    expect(await running.ingest.invoke(anSqsEvent(arriving))).toEqual({ batchItemFailures: [] });
    const onRecord = (await ask("GET", "/v1/records", { kind: "control", principal: "pipeline" })).body.records;
    expect(onRecord.map(({ action }: { action: string }) => action).sort()).toEqual(
      own.map((event) => event["detail-type"]).sort(),
    );

    const live = (await askIncidents("GET", "/v1/incidents", { status: "live" })).body.incidents;
    incident = idOf(live, { server: "payments", signal: "availability" });
    other = idOf(live, { server: "depot", tool: "" });
    for (const command of [{ type: "acknowledge" }, { type: "mitigate" }])
      expect(await askIncidents("POST", `/v1/incidents/${incident}/commands`, {}, command)).toMatchObject({
        status: 200,
        body: { names: expect.objectContaining({}) },
      });
    expect(await askIncidents("POST", `/v1/incidents/${incident}/commands`, {}, { type: "close" })).toMatchObject({
      status: 409,
    });
    const events = await askIncidents("GET", `/v1/incidents/${incident}/events`);
    expect(Object.values(events.body.names)).toContain(caller.userArn);
    const acknowledged = events.body.events.find(({ type }: { type: string }) => type === "incident.acknowledged");
    expect(await ask("GET", `/v1/records/${acknowledged.record}`)).toMatchObject({
      body: { action: "incident.acknowledge", principal: { ref: acknowledged.by } },
    });
  });

  test("a postmortem quotes records with their receipts, becomes a ticket, and is edited", async () => {
    // Windows of gates are minutes long: here they are over.
    vi.stubEnv("AWS_ENDPOINT_URL_DYNAMODB", await dynamoDbEndpoint());
    for (const [name, value] of Object.entries({
      REGION: "us-east-1",
      ACCESS_KEY_ID: "local",
      SECRET_ACCESS_KEY: "local",
    }))
      vi.stubEnv(`AWS_${name}`, value);
    const projections = dynamoProjections(dynamo(), tableName("State"));
    await transact(projections, async (transaction) => {
      const begun = await transaction.incident(incident);
      if (begun === undefined) throw new Error("It is not there.");
      const checks = { ...begun.checks, from: begun.checks.from - 900_000 };
      transaction.put(collections.incidents, incident, { ...begun, checks });
    });
    for (const _ of ["first", "second"]) {
      const { body } = await askIncidents("GET", `/v1/incidents/${incident}`);
      const { checks, playbook } = body.incident;
      const to = checks.from + windowMs(playbook.verificationTarget);
      const command = { type: "check", from: checks.from, to, result: "pass", measured: [] } as const;
      await runCommand(projections, { incident, command, nowMs: Date.now() });
    }
    expect(await askIncidents("POST", `/v1/incidents/${incident}/commands`, {}, { type: "resolve" })).toMatchObject({
      body: { incident: { status: "resolved" } },
    });

    // What people did is in the log before the postmortem is drafted.
    await running.sequence.invoke(aStreamEvent(await stored()));
    await running.sign.invoke(wokenBy("log.sequenced"));
    await running.follow.invoke(wokenBy("log.advanced"));
    await running.respond.invoke(wokenBy("incidents.advanced"));
    await running.respond.invoke(wokenBy("incidents.advanced"));
    const { body } = await askIncidents("GET", `/v1/postmortems/${incident}`);
    expect(body.postmortem.evidence.length).toBeGreaterThan(3);
    expect(body.postmortem.evidence.filter(({ receipt }: { receipt?: string }) => receipt === undefined)).toEqual([]);
    expect(body.postmortem.contractTests).toMatchObject([{ tool: "echo" }]);
    expect(issues.issues()).toMatchObject([{ title: expect.stringContaining("payments") }]);

    const edit = { rootCause: "A migration held a lock." };
    expect(await askIncidents("POST", `/v1/postmortems/${incident}/edits`, {}, edit)).toMatchObject({
      body: { postmortem: { revision: 2 } },
    });
    expect(await askIncidents("GET", `/v1/postmortems/${incident}/revisions/1`)).toMatchObject({ status: 200 });
    expect((await askIncidents("GET", `/v1/postmortems/${incident}/markdown`)).body).toContain("a lock");
  });

  test("what is refused for good is kept, and sent again by hand", async () => {
    hook.answerWith({ status: 410, body: "gone" });
    expect(await askIncidents("POST", `/v1/incidents/${other}/commands`, {}, { type: "acknowledge" })).toMatchObject({
      status: 200,
    });
    await running.respond.invoke(wokenBy("incidents.advanced"));
    hook.answerWith();
    const { body } = await askIncidents("GET", "/v1/incidents/undelivered");
    expect(body.undelivered.length).toBeGreaterThan(0);
    const retried = await askIncidents("POST", "/v1/incidents/undelivered/retry", {}, {});
    expect(retried.body).toEqual({ retried: body.undelivered.length });
    await running.respond.invoke(wokenBy("incidents.advanced"));
    expect(hook.deliveries().at(-1)?.type).toBe("incident.acknowledged");
    expect(metricsOf(running.respond)).toMatchObject({ NoticesGivenUp: 1 });
    // A policy names it.
    expect(await askIncidents("DELETE", "/v1/response/Destination/hook")).toMatchObject({ status: 409 });
    const { documents } = (await askIncidents("GET", "/v1/response")).body;
    for (const { kind, name } of documents.filter(({ kind }: { kind: string }) => kind === "ResponsePolicy"))
      expect(await askIncidents("DELETE", `/v1/response/${kind}/${name}`)).toMatchObject({ status: 200 });
    expect(await askIncidents("DELETE", "/v1/response/Destination/hook")).toMatchObject({ status: 200 });
  });

  test("sequence stands still at what is no batch, and says so", async () => {
    const dynamodb = { SequenceNumber: "7", NewImage: { pk: { S: "by hand" } } };
    const answer = await running.sequence.invoke({ Records: [{ eventName: "INSERT", dynamodb }] });
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: "7" }] });
  });

  test("no function asks for what its role does not allow", () => {
    expect(Object.values(running).flatMap(({ aws }) => aws.denied)).toEqual([]);
  });

  test("no role allows what its function never asks for", () => {
    // One after the other or instead of the other: what they may do with the log is the same.
    const twins: { readonly [name: string]: string } = { reconcile: "sequence" };
    const nameOf = (role: string): string => twins[role] ?? role;
    const used = Object.entries(running).flatMap(([name, { aws }]) =>
      aws.allowed.map(({ action, resource }) => `${nameOf(name)} ${action} ${resource}`),
    );
    const granted = grants(evaluation)
      .filter(
        ({ role, action }) =>
          !role.startsWith("Release") && /^(dynamodb|events|secretsmanager|s3|kms|ses|sns):/.test(action),
      )
      // Lambda itself reads the stream, in the function's name.
      .filter(({ action, resource }) => !resource.includes("/stream/") && action !== "dynamodb:ListStreams")
      // Whoever comes after one that was killed reads what that one staged.
      .filter(({ action, resource }) => !(action === "s3:GetObject" && resource.endsWith("/log/staged/*")))
      // Who drafts a postmortem before there is a checkpoint is told that there is none.
      .filter(({ role, action }) => !(role === "RespondRole" && action === "s3:ListBucket"))
      .filter(({ role }) => role.endsWith("Role"))
      .map(({ role, action, resource }) => `${nameOf(role.replace("Role", "").toLowerCase())} ${action} ${resource}`);
    expect(granted.filter((grant) => !used.some((one) => matches(grant, one)))).toEqual([]);
  });

  test("our own alarms and graphs look at what the functions say", () => {
    const said = new Set(
      Object.values(running).flatMap(({ lines }) =>
        emf(lines).flatMap(({ _aws, ...values }) =>
          _aws.CloudWatchMetrics.flatMap(({ Namespace, Metrics, Dimensions }) =>
            Metrics.flatMap(({ Name }) =>
              Dimensions.map((dimensions) =>
                [Namespace, Name, ...dimensions.map((name) => `${name}=${values[name]}`).sort()].join(" "),
              ),
            ),
          ),
        ),
      ),
    );
    const alarms = ofType(evaluation, "aws:cloudwatch/metricAlarm:MetricAlarm")
      .map(({ inputs }) => inputs)
      .filter(
        ({ namespace, metricName }) =>
          !namespace.startsWith("AWS/") && !["IngestFault", "IngestRetry", "SequenceRetry"].includes(metricName),
      );
    expect(alarms.length).toBe(15);
    for (const { namespace, dimensions, metricName } of alarms) {
      const wanted = Object.entries(dimensions).map(([name, value]) => `${name}=${value}`);
      expect(said).toContain([namespace, metricName, ...wanted.sort()].join(" "));
    }
  });

  test("no key is ever logged", () => {
    const lines = Object.values(running).flatMap((one) => one.lines);
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => /PRIVATE KEY|digestKeys/.test(line))).toEqual([]);
  });

  async function proofOfOne(): ReturnType<typeof ask> {
    const { body } = await ask("GET", "/v1/records", { server: "billing", kind: "call" });
    return ask("GET", `/v1/records/${body.records[0].id}/proof`);
  }

  const tableName = (name: string): string =>
    ofType(evaluation, "aws:dynamodb/table:Table").find((table) => table.name === `${name}Table`)?.inputs.name;

  /** The ledger's, in the order of their arrival. */
  async function stored(): Promise<StoredBatch[]> {
    const { Items = [] } = await db.send(new ScanCommand({ TableName: tableName("Ledger") }));
    return Items.map((item) => batchOf(item)).sort((a, b) => a.receivedAtMs - b.receivedAtMs);
  }

  const caller = { accountId: "111122223333", userArn: "arn:aws:iam::111122223333:user/ada" };
  const askIncidents = (method: string, path: string, query = {}, sent?: object): ReturnType<typeof ask> =>
    ask(method, path, query, sent, { iam: caller }, "incidents");
  async function ask(
    method: string,
    path: string,
    query: { readonly [name: string]: string } = {},
    sent?: object,
    authorizer: object = { iam: caller },
    whom: "api" | "incidents" = "api",
    // biome-ignore lint/suspicious/noExplicitAny: an answer of the API, whose shape each test says
  ): Promise<{ status: number; body: any }> {
    const { statusCode, body, isBase64Encoded } = (await running[whom].invoke({
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
      ...(sent && { body: JSON.stringify(sent) }),
      isBase64Encoded: false,
    })) as { statusCode: number; body: string; isBase64Encoded: boolean };
    const text = isBase64Encoded ? Buffer.from(body, "base64").toString() : body;
    return { status: statusCode, body: text.startsWith("{") ? JSON.parse(text) : text };
  }
});

async function startFunction(
  evaluation: Evaluation,
  folder: string,
  name: string,
  behind: { readonly dynamoDb: string; readonly services: string; readonly s3: string },
): Promise<Running> {
  const fn = functions(evaluation).find((resource) => resource.name === `${name}Function`);
  const aws = await policed(evaluation, `${name}Role`, behind);
  const child = fork(join(import.meta.dirname, "bare.ts"), [join(folder, name, "bundle.mjs")], {
    env: {
      ...fn?.inputs.environment.variables,
      ...awsEnvironment({ dynamoDb: aws.endpoint, services: aws.endpoint, s3: aws.endpoint }),
      AWS_ENDPOINT_URL_SESV2: aws.endpoint,
      AWS_ENDPOINT_URL_SNS: aws.endpoint,
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

const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

const aStreamEvent = (batches: readonly StoredBatch[]) => ({
  Records: batches.map((batch, i) => {
    const { keys, item } = imageOf(batch);
    return { eventName: "INSERT", dynamodb: { SequenceNumber: String(i), Keys: keys, NewImage: item } };
  }),
});

const wokenBy = (type: string) => ({
  "detail-type": type,
  source: "tooltrail.pipeline",
  time: new Date().toISOString(),
  detail: {},
});

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
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      Namespace: string;
      Metrics: readonly { Name: string }[];
      Dimensions: readonly (readonly string[])[];
    }[];
  };
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
