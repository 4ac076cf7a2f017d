import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stageConfig } from "../config.ts";
import { aws, Misused, runScript } from "./aws.ts";

/**
 * Puts what lies in the dead-letter queues of rules into the queues that it was meant for. SQS itself moves messages only out of dead-letter queues of queues, not
 * out of that of a rule.
 *
 * A message is sent, then deleted: killed in between it is there twice; the ledger takes it once, and an incident hears it once.
 */

const usage = "Usage: npm run redrive -- --stage STAGE";

const ways = [
  { from: "bus-dead", to: "ingest" },
  { from: "triage-bus-dead", to: "triage" },
];

interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
}

async function main(): Promise<number> {
  const { stage } = parseArgs({ options: { stage: { type: "string" } } }).values;
  if (stage === undefined) throw new Misused("--stage is missing.");
  const { name } = stageConfig(stage, {});
  // A message can be larger than an argument may be, and is for nobody else to read.
  const folder = await mkdtemp(join(tmpdir(), "tooltrail-redrive-"));
  try {
    for (const { from, to } of ways) await moveAll(`${name}-${from}`, `${name}-${to}`, join(folder, "message.json"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return 0;
}

async function moveAll(fromName: string, toName: string, file: string): Promise<void> {
  const from = await urlOf(fromName);
  const to = await urlOf(toName);
  let moved = 0;
  try {
    for (let messages = await receive(from); messages.length > 0; messages = await receive(from))
      for (const { Body, ReceiptHandle } of messages) {
        await writeFile(file, JSON.stringify({ QueueUrl: to, MessageBody: Body }), { mode: 0o600 });
        await aws("sqs", "send-message", "--cli-input-json", `file://${file}`);
        await aws("sqs", "delete-message", "--queue-url", from, "--receipt-handle", ReceiptHandle);
        moved += 1;
      }
  } finally {
    process.stderr.write(`${toName}: ${moved} messages moved.\n`);
  }
}

async function urlOf(name: string): Promise<string> {
  const { QueueUrl } = (await aws("sqs", "get-queue-url", "--queue-name", name)) as { QueueUrl: string };
  return QueueUrl;
}

async function receive(queue: string): Promise<Message[]> {
  const bounds = ["--max-number-of-messages", "10", "--wait-time-seconds", "5", "--visibility-timeout", "300"];
  const answer = (await aws("sqs", "receive-message", "--queue-url", queue, ...bounds)) as
    | { Messages?: Message[] }
    | undefined;
  return answer?.Messages ?? [];
}

runScript(main, usage);
