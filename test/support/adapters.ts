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
import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoLedger } from "@tooltrail/aws/dynamo-ledger";
import { dynamoPrincipals } from "@tooltrail/aws/dynamo-principals";
import { dynamoQuarantine } from "@tooltrail/aws/dynamo-quarantine";
import { eventBridgeEvents } from "@tooltrail/aws/event-bridge-events";
import { keyType, ledgerTable, stateTable } from "@tooltrail/aws/tables";
import type { Ports } from "@tooltrail/core/ports";
import { fileEvents } from "@tooltrail/local/file-events";
import { openDatabase } from "@tooltrail/local/sqlite";
import { sqliteLedger } from "@tooltrail/local/sqlite-ledger";
import { sqlitePrincipals, sqliteQuarantine } from "@tooltrail/local/sqlite-state";
import { inject } from "vitest";
import { type AwsServices, awsServices } from "./aws-services.ts";
import { dynamoDbMissing } from "./dynamodb-local.ts";

export interface PublishedEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: { readonly [name: string]: unknown };
}

/** Ports on a real store, with a clock that the test holds. */
export interface OpenPorts extends Ports {
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
export const awsEnvironment = (endpoints: { readonly dynamoDb: string; readonly services: string }) => ({
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "local",
  AWS_SECRET_ACCESS_KEY: "local",
  AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamoDb,
  AWS_ENDPOINT_URL_EVENTBRIDGE: endpoints.services,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoints.services,
});

/** The run's one DynamoDB Local, started by the first who asks. */
export async function dynamoDbEndpoint(): Promise<string> {
  const answer = await fetch(inject("dynamoDbStarter"));
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

export interface Tables {
  readonly ledgerTable: string;
  readonly stateTable: string;
  readonly client: DynamoDBClient;
  remove(): Promise<void>;
}

/** The two tables, new and empty, in DynamoDB Local, as `packages/aws/src/tables.ts` describes them. */
export async function freshTables(endpoint: string): Promise<Tables> {
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
      StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" },
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
  reopen(): DynamoPorts;
}

/** @param through another endpoint for the adapters, where a test stands between them and DynamoDB. */
export async function dynamoPorts({
  through,
  requestTimeoutMs = 5_000,
}: {
  readonly through?: string;
  readonly requestTimeoutMs?: number;
} = {}): Promise<DynamoPorts> {
  const dynamoDb = await dynamoDbEndpoint();
  const tables = await freshTables(dynamoDb);
  const services = await awsServices();
  Object.assign(process.env, awsEnvironment({ dynamoDb: through ?? dynamoDb, services: services.endpoint }));
  const pause = async (): Promise<void> => undefined;
  const open = (): DynamoPorts => {
    const db = dynamo({ pause, requestTimeoutMs });
    return {
      ...aWorld(),
      tables,
      services,
      ledger: dynamoLedger(db, tables),
      principals: dynamoPrincipals(db, tables.stateTable),
      quarantine: dynamoQuarantine(db, tables.stateTable),
      events: eventBridgeEvents("tooltrail", { pause }),
      published: async () => services.published,
      reopen: open,
      async close() {
        await tables.remove();
        await services.close();
      },
    };
  };
  return open();
}

const missing = dynamoDbMissing();
if (missing !== undefined) process.stderr.write(`Left out, what runs on DynamoDB: ${missing}.\n`);
export const onDynamoDb = missing === undefined;

/** Every set of adapters; each suite runs on all of them. */
export const adapterSets: readonly (readonly [name: string, open: () => Promise<OpenPorts>])[] = [
  ["SQLite", async () => sqlitePorts()],
  ...(onDynamoDb ? [["DynamoDB", () => dynamoPorts()] as const] : []),
];
