import { randomUUID } from "node:crypto";
import { type CallRecord, detailTypes, type Envelope, eventSource } from "@tooltrail/format";
import { freshTables } from "../support/adapters.ts";
import { bundleFunction } from "../support/bundle.ts";
import { dynamoDbMissing, startDynamoDb } from "../support/dynamodb-local.ts";
import { functionEnvironment, startAwsFunction } from "./aws-function.ts";
import { type Attributes, type Command, itemBytes, startRecorder } from "./dynamo-recorder.ts";
import { type Figure, figure } from "./figures.ts";
import { detailOf } from "./one-machine.ts";
import { prices } from "./prices.ts";
import { sampleCalls } from "./sample-calls.ts";
import type { Scale } from "./scale.ts";
import { inScratch } from "./scratch.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

/** What cannot be measured here. The README says why each is what it is. */
const assumed = {
  /** As stacks/pipeline.ts and stacks/functions.ts set them. */
  messagesPerInvocation: 25,
  messagesPerRequest: 10,
  memoryGb: 0.5,
  /** Lambda gives a whole processor at 1,769 MB, and a share of it below. */
  processorShare: 512 / 1_769,
  /** What an invocation waits for DynamoDB and the bus, whatever its size: its messages wait at the same time. */
  waitMs: 30,
  /** A million calls a day are made by so many people on so many servers, and pass through so many environments of the function. */
  people: 3_000,
  servers: 60,
  environments: 20,
};

const sizes = [1, 10, 50, 250] as const;
const targets: { readonly [size: number]: number } = { 1: 4, 10: 0.7, 50: 0.35 };
const million = 1_000_000;

/** Dollars per million calls, from the requests that the real function sends for real batches and the units that those come to. */
export const benchCost = async ({ cost: { batches } }: Scale): Promise<Figure[] | { skipped: string }> => {
  const missing = dynamoDbMissing();
  if (missing !== undefined) return { skipped: missing };
  return inScratch(async (dir) => {
    const samples = await sampleCalls();
    const dynamoDb = await startDynamoDb();
    const tables = await freshTables(dynamoDb.endpoint);
    const recorder = await startRecorder(dynamoDb.endpoint);
    const { env, close } = await functionEnvironment(recorder.endpoint, tables);
    const ingest = await startAwsFunction((await bundleFunction("functions/ingest.ts", dir, "ingest")).path, env);
    const figures: Figure[] = [];
    for (const size of sizes) {
      const load = await makeLoad(samples, batches, size);
      recorder.commands.length = 0;
      const before = { cpuMs: ingest.cpuMs(), logged: ingest.loggedBytes() };
      for (let i = 0; i < load.length; i += assumed.messagesPerInvocation) {
        const answer = await ingest.invoke(queueEvent(load.slice(i, i + assumed.messagesPerInvocation)));
        if (JSON.stringify(answer) !== '{"batchItemFailures":[]}')
          throw new Error(`Not stored: ${JSON.stringify(answer)}`);
      }
      const used = {
        cpuMs: (ingest.cpuMs() - before.cpuMs) / load.length,
        logged: (ingest.loggedBytes() - before.logged) / load.length,
      };
      figures.push(...figuresOf(size, load, used, recorder.commands, tables));
    }
    await ingest.stop();
    await close();
    await recorder.close();
    await tables.remove();
    await dynamoDb.stop();
    return figures;
  });
};

/** One batch of an emitter each, so that everything that is new with an emitter is seen, too. */
async function makeLoad(samples: readonly CallRecord[], batches: number, size: number): Promise<string[]> {
  const load: string[] = [];
  for (let i = 0; i < batches; i += 1) {
    const emitter = createTrafficEmitter(`${size}-server-${i}`, samples);
    load.push(busEvent(await emitter.next(timesFrom(Date.now(), size, 0), [aCaller(size * million + i)])));
  }
  return load;
}

/** What EventBridge puts into the queue. */
const busEvent = (detail: Envelope): string =>
  JSON.stringify({
    version: "0",
    id: randomUUID(),
    "detail-type": detailTypes.batch,
    source: eventSource,
    account: "000000000000",
    time: "2026-11-22T23:00:00Z",
    region: "us-east-1",
    resources: [],
    detail,
  });

const queueEvent = (bodies: readonly string[]) => ({
  Records: bodies.map((body) => ({ messageId: randomUUID(), body })),
});

function figuresOf(
  size: number,
  load: readonly string[],
  /** Of one batch. */
  { cpuMs, logged }: { readonly cpuMs: number; readonly logged: number },
  commands: readonly Command[],
  { ledgerTable, stateTable }: { readonly ledgerTable: string; readonly stateTable: string },
): Figure[] {
  const perMillion = million / size;
  const messageBytes = mean(load.map((body) => Buffer.byteLength(body)));
  const entryBytes = mean(load.map((body) => entryBytesOf(JSON.parse(body).detail)));
  const ledger = commands.filter(({ name, input }) => name === "PutItem" && input.TableName === ledgerTable);
  if (ledger.length !== load.length) throw new Error(`${load.length} batches made ${ledger.length} ledger writes.`);
  const items = ledger.map(({ input }) => input.Item ?? {});
  const writeUnits = mean(items.map(ledgerUnits));

  const eventBridge = perMillion * chunks(entryBytes, prices.eventBridge.chunkBytes) * prices.eventBridge.perChunk;
  const sqs = perMillion * queueRequests(messageBytes, assumed.messagesPerRequest) * prices.sqs.perRequest;
  const lambda = perMillion * invocationDollars(cpuMs, assumed.messagesPerInvocation);
  const logs = logDollars(logged, assumed.messagesPerInvocation) * perMillion;
  const dynamoLedger = perMillion * writeUnits * prices.dynamoDb.perWriteUnit;
  const dynamoState = stateDollars(commands, stateTable, load.length);
  const total = eventBridge + sqs + lambda + logs + dynamoLedger + dynamoState;
  // At its quietest, each message is received, worked and deleted alone.
  const quiet =
    eventBridge +
    perMillion * queueRequests(messageBytes, 1) * prices.sqs.perRequest +
    perMillion * invocationDollars(cpuMs, 1) +
    perMillion * logDollars(logged, 1) +
    dynamoLedger +
    dynamoState;

  const of = `${size} a batch`;
  const target = targets[size];
  return [
    figure(`${of}, all together`, total, "$", target === undefined ? {} : { target: { atMost: target } }),
    figure(`${of}, EventBridge`, eventBridge, "$"),
    figure(`${of}, SQS`, sqs, "$"),
    figure(`${of}, Lambda`, lambda, "$"),
    figure(`${of}, logs`, logs, "$"),
    figure(`${of}, DynamoDB ledger`, dynamoLedger, "$"),
    figure(`${of}, DynamoDB state`, dynamoState, "$"),
    figure(`${of}, all together where every batch comes alone`, quiet, "$"),
    figure(`${of}, entry`, entryBytes, "bytes"),
    figure(`${of}, ledger write`, writeUnits, "units"),
    figure(`${of}, processor time of ingest`, cpuMs, "ms a batch"),
    figure(
      `${of}, stored`,
      ((perMillion * mean(items.map(itemBytes))) / 2 ** 30) * prices.dynamoDb.perGbMonth,
      "$ a month",
    ),
  ];
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const chunks = (bytes: number, chunkBytes: number): number => Math.ceil(bytes / chunkBytes);

/** As EventBridge counts an entry without a time. */
const entryBytesOf = (envelope: Envelope): number =>
  Buffer.byteLength(detailOf(envelope)) + eventSource.length + detailTypes.batch.length;

/** Requests for one message: sent by the rule, and its share of a receive and of a delete. Payload counts in chunks; a delete has none. */
const queueRequests = (bytes: number, together: number): number =>
  chunks(bytes, prices.sqs.chunkBytes) + chunks(bytes * together, prices.sqs.chunkBytes) / together + 1 / together;

/** One message's share of an invocation. */
function invocationDollars(cpuMs: number, together: number): number {
  const seconds = (assumed.waitMs + (cpuMs * together) / assumed.processorShare) / 1_000;
  return (prices.lambda.perRequest + seconds * assumed.memoryGb * prices.lambda.perGbSecond) / together;
}

/** What Lambda itself logs of an invocation in JSON (start, report), besides what the function says. */
const platformLogBytes = 600;

/** One batch's share of the logs. */
const logDollars = (logged: number, together: number): number =>
  ((logged + platformLogBytes / together) / 2 ** 30) * prices.logs.perGb;

/** The item, and its keys once more in the index. */
const ledgerUnits = (item: Attributes): number =>
  writeUnitsOf(item) + writeUnitsOf(Object.fromEntries(Object.entries(item).filter(([name]) => indexed.has(name))));
const indexed = new Set(["pk", "sk", "gpk", "gsk"]);

const writeUnitsOf = (item: Attributes): number => chunks(itemBytes(item), prices.dynamoDb.writeUnitBytes);

/**
 * What is written once: a server's day by each environment, a person by the first, for whom the others look once. Every batch of the load was of a
 * new server and a new person, so that what one costs is what all cost, shared by the batches.
 */
function stateDollars(commands: readonly Command[], stateTable: string, batches: number): number {
  const { perWriteUnit, perReadUnit, transactionFactor } = prices.dynamoDb;
  const days = commands.filter(({ name, input }) => name === "PutItem" && input.TableName === stateTable);
  const people = commands.flatMap(({ input }) => input.TransactItems ?? []);
  const looks = commands.filter(({ name }) => name === "GetItem");
  const sum = (items: readonly (Attributes | undefined)[]): number =>
    items.reduce((units, item) => units + writeUnitsOf(item ?? {}), 0);
  const day = sum(days.map(({ input }) => input.Item)) / batches;
  const person = (sum(people.map(({ Put }) => Put?.Item)) * transactionFactor) / batches;
  const look = looks.reduce((units, { input }) => units + (input.ConsistentRead ? 1 : 0.5), 0) / batches;
  return (
    (day * assumed.servers * assumed.environments + person * assumed.people) * perWriteUnit +
    look * assumed.people * assumed.environments * perReadUnit
  );
}
