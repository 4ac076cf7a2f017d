import { randomUUID } from "node:crypto";
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import type { Message, Queue } from "./sqlite-queue.ts";

export type QueueFunction = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

/**
 * Lambda's event source mapping for a queue: takes what is visible, calls the function with it, deletes what it did not name as failed, and
 * shows the rest again later. A message that has failed often enough is handed to `onPoison` and deleted once that has it.
 */
export interface Poller {
  /** There is something new. */
  wake(): void;
  /** Works until nothing is visible, then stops; gives up at the deadline. What is left stays in the queue. */
  drain(deadlineMs: number): Promise<void>;
}

export interface PollerOptions {
  readonly name: string;
  readonly queue: Queue;
  readonly run: QueueFunction;
  readonly onPoison: (body: string, receives: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly now: () => number;
  /** As the queue's redrive policy on AWS. */
  readonly maxReceives: number;
}

const batchSize = 100;
/** Lambda's payload limit, less the envelope. */
const maxBytes = 5_000_000;
const visibilityMs = 60_000;
const maxBackoffMs = 60_000;
const restAfterFailureMs = 1_000;

export function createPoller({ name, queue, run, onPoison, onError, now, maxReceives }: PollerOptions): Poller {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  let deadlineAtMs = Number.POSITIVE_INFINITY;

  function wake(): void {
    if (stopped || running) return;
    clearTimeout(timer);
    timer = undefined;
    running = pollOnce().then((restMs) => {
      running = undefined;
      sleepUntilNext(restMs);
    });
  }

  /** @returns how long to leave a queue alone: one that failed (a full disk) would fail again at once. */
  async function pollOnce(): Promise<number> {
    try {
      await poll();
      return 0;
    } catch (error) {
      onError(error);
      return restAfterFailureMs;
    }
  }

  function sleepUntilNext(restMs: number): void {
    if (stopped) return;
    const at = nextVisible();
    if (at !== undefined) timer = setTimeout(wake, Math.min(Math.max(at - now(), restMs), maxBackoffMs));
  }

  function nextVisible(): number | undefined {
    try {
      return queue.nextVisibleAtMs();
    } catch (error) {
      onError(error);
      return now() + restAfterFailureMs;
    }
  }

  async function poll(): Promise<void> {
    while (now() < deadlineAtMs) {
      const messages = queue.receive(batchSize, maxBytes, now(), now() + visibilityMs);
      if (messages.length === 0) return;
      await deliver(messages);
      // SQLite answers at once, so nothing else in this process would ever get a turn.
      await new Promise(setImmediate);
    }
  }

  async function deliver(messages: readonly Message[]): Promise<void> {
    const failed = await failuresOf(messages);
    queue.delete(messages.filter(({ messageId }) => !failed.has(messageId)).map(({ id }) => id));
    for (const { id, body, receives, messageId } of messages) {
      if (!failed.has(messageId)) continue;
      if (receives < maxReceives) queue.release(id, now() + Math.min(maxBackoffMs, 500 * 2 ** receives));
      else {
        await onPoison(body, receives);
        queue.delete([id]);
      }
    }
  }

  /** As Lambda does: a function that throws has failed on all of them. */
  async function failuresOf(messages: readonly Message[]): Promise<ReadonlySet<string>> {
    try {
      const { batchItemFailures } = await run(eventOf(name, messages), contextOf(name));
      return new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    } catch (error) {
      onError(error);
      return new Set(messages.map(({ messageId }) => messageId));
    }
  }

  return {
    wake,
    async drain(deadlineMs) {
      stopped = true;
      deadlineAtMs = now() + deadlineMs;
      clearTimeout(timer);
      await running;
      await poll().catch(onError);
    },
  };
}

const eventOf = (name: string, messages: readonly Message[]): SQSEvent => ({
  Records: messages.map(({ id, messageId, body, receives, sentAtMs }) => ({
    messageId,
    receiptHandle: String(id),
    body,
    attributes: {
      ApproximateReceiveCount: String(receives),
      SentTimestamp: String(sentAtMs),
      SenderId: "tooltrail",
      ApproximateFirstReceiveTimestamp: String(sentAtMs),
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:local:000000000000:tooltrail-${name}`,
    awsRegion: "local",
  })),
});

/** The context that Lambda gives. @param remainingMs how long the call may still take. */
export function contextOf(name: string, remainingMs: () => number = () => 30_000): Context {
  const functionName = `tooltrail-${name}`;
  const nothing = (): void => undefined;
  return {
    functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: "1024",
    awsRequestId: randomUUID(),
    logGroupName: functionName,
    logStreamName: "local",
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: remainingMs,
    done: nothing,
    fail: nothing,
    succeed: nothing,
  };
}
