import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stageConfig } from "../config.ts";
import { aws, Misused, runScript } from "./aws.ts";

/**
 * Puts what lies in `bus-dead` into the queue that it was meant for. SQS itself moves messages only out of dead-letter queues of queues, not
 * out of that of a rule.
 *
 * A message is sent, then deleted: killed in between it is there twice, and the ledger takes it once.
 */

const usage = "Usage: npm run redrive -- --stage STAGE";

interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
}

async function main(): Promise<number> {
  const { stage } = parseArgs({ options: { stage: { type: "string" } } }).values;
  if (stage === undefined) throw new Misused("--stage is missing.");
  const { name } = stageConfig(stage, {});
  const from = await urlOf(`${name}-bus-dead`);
  const to = await urlOf(`${name}-ingest`);
  // A message can be larger than an argument may be, and is for nobody else to read.
  const folder = await mkdtemp(join(tmpdir(), "tooltrail-redrive-"));
  let moved = 0;
  try {
    for (let messages = await receive(from); messages.length > 0; messages = await receive(from))
      for (const { Body, ReceiptHandle } of messages) {
        const file = join(folder, "message.json");
        await writeFile(file, JSON.stringify({ QueueUrl: to, MessageBody: Body }), { mode: 0o600 });
        await aws("sqs", "send-message", "--cli-input-json", `file://${file}`);
        await aws("sqs", "delete-message", "--queue-url", from, "--receipt-handle", ReceiptHandle);
        moved += 1;
      }
  } finally {
    await rm(folder, { recursive: true, force: true });
    process.stderr.write(`${moved} messages moved.\n`);
  }
  return 0;
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
