import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AttributeDefinition,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoBatchIndex } from "@tooltrail/aws/dynamo-batch-index";
import { dynamoLedger } from "@tooltrail/aws/dynamo-ledger";
import { dynamoPrincipals } from "@tooltrail/aws/dynamo-principals";
import { dynamoProjections } from "@tooltrail/aws/dynamo-projections";
import { dynamoQuarantine } from "@tooltrail/aws/dynamo-quarantine";
import { dynamoRegister, headKey, promisedKey } from "@tooltrail/aws/dynamo-register";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { kmsSigningKey } from "@tooltrail/aws/kms-signing-key";
import { bucket } from "@tooltrail/aws/s3";
import { s3Blobs } from "@tooltrail/aws/s3-blobs";
import { s3Checkpoints } from "@tooltrail/aws/s3-checkpoints";
import { keyType, ledgerTable, stateTable } from "@tooltrail/aws/tables";
import type { Projections } from "@tooltrail/core/follow/ports";
import type { BatchIndex, Blobs, Checkpoints, Head, Promised, Register, SigningKey } from "@tooltrail/core/log/ports";
import type { Ports } from "@tooltrail/core/ports";
import { fileBlobs } from "@tooltrail/local/file-blobs";
import { fileCheckpoints } from "@tooltrail/local/file-checkpoints";
import { fileEvents } from "@tooltrail/local/file-events";
import { loadLogKeys } from "@tooltrail/local/file-log-keys";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteBatchIndex } from "@tooltrail/local/sqlite-batch-index";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqliteProjections } from "@tooltrail/local/sqlite-projections";
import { sqliteRegister } from "@tooltrail/local/sqlite-register";
import { sqlitePrincipals, sqliteQuarantine } from "@tooltrail/local/sqlite-state";
import { inject } from "vitest";
import { type AwsServices, awsServices, kmsKey } from "./aws-services.ts";
import { dynamoDbMissing } from "./dynamodb-local.ts";
import { s3Missing } from "./s3-server.ts";
import { endpointOf } from "./started-once.ts";

export interface PublishedEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: { readonly [name: string]: unknown };
}

/** What the log and the projections stand on. */
export interface LogPorts {
  readonly head: Register<Head>;
  readonly promised: Register<Promised>;
  readonly blobs: Blobs;
  readonly checkpoints: Checkpoints;
  readonly index: BatchIndex;
  readonly projections: Projections;
  /** The log's only one. */
  readonly signingKey: SigningKey;
}

/** Ports on a real store, with a clock that the test holds. */
export interface OpenPorts extends Ports, LogPorts {
  readonly clock: { nowMs: number };
  readonly digestKey: Uint8Array;
  readonly formerDigestKeys: Uint8Array[];
  readonly enrolledKeys: Set<string>;
  /** What has been said on the bus, oldest first. */
  published(): Promise<PublishedEvent[]>;
  /** The same store, as a new process would find it. */
  reopen(): OpenPorts;
  close(): Promise<void>;
}

export const digestKey = new Uint8Array(32).fill(3);

/** What is the same whatever the store: a clock and keys that the test holds. */
function aWorld() {
  const clock = { nowMs: 1_800_000_000_000 };
  const formerDigestKeys: Uint8Array[] = [];
  const enrolledKeys = new Set<string>();
  const surroundings = { now: () => clock.nowMs, digestKey, formerDigestKeys, enrolledKeys };
  return { clock, digestKey, formerDigestKeys, enrolledKeys, surroundings };
}

function sqlitePorts(dir = mkdtempSync(join(tmpdir(), "tooltrail-ports-"))): OpenPorts {
  const db = openDatabase(dir, false);
  const world = aWorld();
  return {
    ...world,
    head: sqliteRegister(db, "head"),
    promised: sqliteRegister(db, "promised"),
    blobs: fileBlobs(dir, false),
    checkpoints: fileCheckpoints(dir, false),
    index: sqliteBatchIndex(db),
    projections: sqliteProjections(db),
    get signingKey() {
      const [key] = loadLogKeys(dir).keys;
      if (key === undefined) throw new Error("There is no key.");
      return key;
    },
    ledger: sqliteLedger(db),
    principals: sqlitePrincipals(db),
    quarantine: sqliteQuarantine(db),
    events: fileEvents(dir, world.surroundings.now),
    published: async () =>
      (await readFile(join(dir, "events.ndjson"), "utf8").catch(() => ""))
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as PublishedEvent),
    reopen() {
      db.close();
      return sqlitePorts(dir);
    },
    async close() {
      db.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The AWS clients' own way to be told where to go; DynamoDB Local and the stand-ins take any credentials. */
export const awsEnvironment = (endpoints: {
  readonly dynamoDb: string;
  readonly services: string;
  readonly s3?: string;
}) => ({
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "local",
  AWS_SECRET_ACCESS_KEY: "local",
  AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamoDb,
  AWS_ENDPOINT_URL_EVENTBRIDGE: endpoints.services,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoints.services,
  AWS_ENDPOINT_URL_KMS: endpoints.services,
  ...(endpoints.s3 !== undefined && { AWS_ENDPOINT_URL_S3: endpoints.s3 }),
});

/** The run's one DynamoDB Local, started by the first who asks. */
export const dynamoDbEndpoint = (): Promise<string> => endpointOf(inject("dynamoDbStarter"));

/** The run's one S3, started by the first who asks. */
export const s3Endpoint = (): Promise<string> => endpointOf(inject("s3Starter"));

/** A bucket, new and empty. It goes away with the server. */
export async function freshBucket(
  endpoint: string,
  { objectLock = false }: { readonly objectLock?: boolean } = {},
): Promise<{ readonly name: string; readonly client: S3Client }> {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new S3Client({ endpoint, region: "us-east-1", credentials, forcePathStyle: true });
  const name = `log-${randomBytes(8).toString("hex")}`;
  await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: objectLock }));
  return { name, client };
}

export interface Tables {
  readonly ledgerTable: string;
  readonly stateTable: string;
  readonly client: DynamoDBClient;
  remove(): Promise<void>;
}

/**
 * The two tables, new and empty, in DynamoDB Local, as `packages/aws/src/tables.ts` describes them.
 *
 * @param stream whether the ledger has its stream. With each that it has seen, also of tables long gone, DynamoDB Local is slower for everybody.
 */
export async function freshTables(endpoint: string, { stream = false } = {}): Promise<Tables> {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new DynamoDBClient({ endpoint, region: "us-east-1", credentials });
  const name = randomBytes(8).toString("hex");
  const names = { ledgerTable: `ledger-${name}`, stateTable: `state-${name}` };
  const { index } = ledgerTable;
  const keys = ({ hashKey, rangeKey }: { hashKey: string; rangeKey: string }) => [
    { AttributeName: hashKey, KeyType: "HASH" as const },
    { AttributeName: rangeKey, KeyType: "RANGE" as const },
  ];
  const types = (...attributes: string[]): AttributeDefinition[] =>
    attributes.map((AttributeName) => ({ AttributeName, AttributeType: keyType }));
  await client.send(
    new CreateTableCommand({
      TableName: names.ledgerTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: keys(ledgerTable),
      AttributeDefinitions: types(ledgerTable.hashKey, ledgerTable.rangeKey, index.hashKey, index.rangeKey),
      GlobalSecondaryIndexes: [
        { IndexName: index.name, KeySchema: keys(index), Projection: { ProjectionType: index.projection } },
      ],
      ...(stream && { StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" } }),
    }),
  );
  await client.send(
    new CreateTableCommand({
      TableName: names.stateTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: keys(stateTable),
      AttributeDefinitions: types(stateTable.hashKey, stateTable.rangeKey),
    }),
  );
  return {
    ...names,
    client,
    async remove() {
      for (const TableName of Object.values(names)) await client.send(new DeleteTableCommand({ TableName }));
      client.destroy();
    },
  };
}

export interface DynamoPorts extends OpenPorts {
  readonly tables: Tables;
  readonly services: AwsServices;
  readonly bucket: string;
  reopen(requestTimeoutMs?: number): DynamoPorts;
}

/** @param through other endpoints for the adapters, where a test stands between them and DynamoDB, or S3. */
export async function dynamoPorts({
  through,
  throughS3,
  requestTimeoutMs = 5_000,
}: {
  readonly through?: string;
  readonly throughS3?: string;
  readonly requestTimeoutMs?: number;
} = {}): Promise<DynamoPorts> {
  const dynamoDb = await dynamoDbEndpoint();
  const tables = await freshTables(dynamoDb);
  const services = await awsServices();
  const s3 = await s3Endpoint();
  const { name, client } = await freshBucket(s3);
  const endpoints = { dynamoDb: through ?? dynamoDb, services: services.endpoint, s3: throughS3 ?? s3 };
  Object.assign(process.env, awsEnvironment(endpoints));
  const pause = async (): Promise<void> => undefined;
  const signingKey = await kmsSigningKey(kmsKey, { pause });
  const open = (timeoutMs = requestTimeoutMs): DynamoPorts => {
    const db = dynamo({ pause, requestTimeoutMs: timeoutMs });
    const log = bucket(name, { pause, requestTimeoutMs: timeoutMs });
    const world = aWorld();
    return {
      ...world,
      tables,
      services,
      bucket: name,
      head: dynamoRegister(db, tables.stateTable, headKey),
      promised: dynamoRegister(db, tables.stateTable, promisedKey),
      blobs: s3Blobs(log, { now: world.surroundings.now }),
      checkpoints: s3Checkpoints(log),
      index: dynamoBatchIndex(db, tables.stateTable),
      projections: dynamoProjections(db, tables.stateTable),
      signingKey,
      ledger: dynamoLedger(db, tables),
      principals: dynamoPrincipals(db, tables.stateTable),
      quarantine: dynamoQuarantine(db, tables.stateTable),
      events: eventBridgeEvents("tooltrail", { pause }),
      published: async () => services.published,
      reopen: open,
      async close() {
        await tables.remove();
        await services.close();
        client.destroy();
      },
    };
  };
  return open();
}

const missing = dynamoDbMissing() ?? s3Missing();
if (missing !== undefined) process.stderr.write(`Left out, what runs on DynamoDB and S3: ${missing}.\n`);
export const onDynamoDb = missing === undefined;

/** Every set of adapters; each suite runs on all of them. */
export const adapterSets: readonly (readonly [name: string, open: () => Promise<OpenPorts>])[] = [
  ["SQLite", async () => sqlitePorts()],
  ...(onDynamoDb ? [["DynamoDB", () => dynamoPorts()] as const] : []),
];
