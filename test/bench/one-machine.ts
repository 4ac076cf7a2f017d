import { readFileSync } from "node:fs";
import { join } from "node:path";
import { busName, detailTypes, type Envelope, eventSource } from "@tooltrail/format";
import { sleep, start } from "../chaos/processes.ts";
import { source, stop } from "./processes.ts";

/** The real pipeline in a process of its own, and how to speak with it. */
export interface OneMachine {
  readonly pid: number;
  /** PutEvents, at most ten entries. @throws where one was not taken. */
  put(entries: readonly string[], detailType?: string): Promise<void>;
  /** GET with the bearer token, read to its end. */
  get(path: string): Promise<{ status: number; body: string }>;
  /** Waits until a record can be read. Each look leaves an audit record, so it does not look too often. */
  untilReadable(id: string): Promise<void>;
  /** Works off its queue and ends. */
  stop(): Promise<void>;
}

const readyWithinMs = 30_000;
const storedWithinMs = 600_000;

/** @param dir holds its data and keys. @param more of its environment. */
export async function startOneMachine(dir: string, more: NodeJS.ProcessEnv = {}): Promise<OneMachine> {
  const env = { ...process.env, ...more, TOOLTRAIL_DATA: join(dir, "data"), TOOLTRAIL_SPOOL: join(dir, "spool") };
  const running = start([source("functions/start.js"), "--port", "0"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const endpoint = await readyLine(running.child.stderr);
  const headers = { authorization: `Bearer ${readFileSync(join(dir, "data/token"), "utf8").trim()}` };

  async function get(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(endpoint + path, { headers });
    return { status: response.status, body: await response.text() };
  }

  return {
    pid: running.pid,
    get,
    async put(entries, detailType = detailTypes.batch) {
      const body = requestOf(entries, detailType);
      const response = await fetch(endpoint, { method: "POST", headers: putEvents, body });
      const { FailedEntryCount } = (await response.json()) as { FailedEntryCount?: number };
      if (FailedEntryCount !== 0) throw new Error(`PutEvents answered ${response.status}, ${FailedEntryCount} failed.`);
    },
    async untilReadable(id) {
      for (const until = Date.now() + storedWithinMs; Date.now() < until; await sleep(10))
        if ((await get(`/v1/records/${id}`)).status === 200) return;
      throw new Error(`${id} is not in the ledger.`);
    },
    stop: () => stop(running),
  };
}

/** An entry's `Detail`. */
export const detailOf = (envelope: Envelope): string => JSON.stringify(envelope);

const putEvents = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" };

const requestOf = (details: readonly string[], detailType: string): string =>
  JSON.stringify({
    Entries: details.map((Detail) => ({
      Source: eventSource,
      DetailType: detailType,
      EventBusName: busName,
      Detail,
    })),
  });

/** @returns the address. What else it says is said on. */
function readyLine(stderr: NodeJS.ReadableStream | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`The pipeline is not ready after ${readyWithinMs} ms.`)),
      readyWithinMs,
    );
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      const address = / on (http:\/\/127\.0\.0\.1:\d+),/.exec(text)?.[1];
      if (address === undefined) return void process.stderr.write(text);
      clearTimeout(timer);
      resolve(address);
    });
  });
}
