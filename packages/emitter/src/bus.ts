import { request } from "node:http";
import { busName, detailTypes, eventSource, isLoopback } from "@tooltrail/format";
import { sayOnce, wordsOf } from "./say.ts";

/** One entry's answer from the bus. `refused` is final: it will never be taken as it is. */
export type Answer = "taken" | "later" | "refused";
/** @returns an answer for each detail, in order. @throws where the bus gave none. */
export type PutEvents = (details: readonly string[], signal: AbortSignal) => Promise<Answer[]>;

/** Where batches go: EventBridge on AWS where a bus is named, else a pipeline on this machine. @throws Error where the address is of neither kind. */
export const busOf = ({ bus, endpoint }: { readonly bus?: string; readonly endpoint: string }): PutEvents =>
  bus === undefined ? loopbackBus(endpoint) : eventBridgeBus(bus);

/**
 * PutEvents as EventBridge speaks it (AWS JSON 1.1), without credentials: for a pipeline on this machine.
 *
 * Not by `fetch`, whose requests keep a process alive until they are answered: a server that is done ends, whatever the pipeline does.
 *
 * @param endpoint a loopback URL; anything else is refused, since nothing would authenticate either side.
 */
export function loopbackBus(endpoint: string): PutEvents {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== "http:" || !isLoopback(url)) {
    throw new Error(
      `TOOLTRAIL_ENDPOINT must be an http address on this machine (http://127.0.0.1:4747), not ${endpoint}.`,
    );
  }
  return async (details, signal) => {
    const answer = await post(url, JSON.stringify({ Entries: entriesOf(details, busName) }), signal);
    const { Entries } = JSON.parse(answer) as { Entries: PutAnswer[] };
    return details.map((_, i) => answerOf(Entries[i]));
  };
}

const maxAnswerBytes = 1_048_576;

function post(url: URL, body: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" };
    const asked = request(url, { method: "POST", agent: false, signal, headers }, (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        return reject(new Error(`The bus answered ${response.statusCode}.`));
      }
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswerBytes) response.destroy(new Error("The bus answers without end."));
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    asked.on("socket", (socket) => socket.unref());
    asked.on("error", reject);
    asked.end(body);
  });
}

/**
 * EventBridge on AWS. Credentials and region come from where the AWS client finds them; a bus given by its ARN names its region itself.
 *
 * The client is loaded with the first batch, and does not retry: the sender does, entry by entry.
 *
 * @param bus a name or an ARN. @throws Error where it is neither.
 */
export function eventBridgeBus(bus: string): PutEvents {
  const [, region] = busArn.exec(bus) ?? [];
  if (region === undefined && !/^[\w./-]{1,256}$/.test(bus)) {
    throw new Error(`TOOLTRAIL_BUS must be the name or the ARN of an EventBridge bus, not ${bus}.`);
  }
  let loading: Promise<(details: readonly string[], signal: AbortSignal) => Promise<PutAnswer[]>> | undefined;
  let warned = false;
  const load = async () => {
    const { EventBridgeClient, PutEventsCommand } = await import("@aws-sdk/client-eventbridge");
    const client = new EventBridgeClient({ maxAttempts: 1, ...(region !== undefined && { region }) });
    return async (details: readonly string[], abortSignal: AbortSignal) => {
      const command = new PutEventsCommand({ Entries: entriesOf(details, bus) });
      return (await client.send(command, { abortSignal })).Entries ?? [];
    };
  };
  return async (details, signal) => {
    loading ??= load();
    try {
      const put = await loading;
      const entries = await put(details, signal);
      return details.map((_, i) => answerOf(entries[i]));
    } catch (error) {
      // Once: without a region, credentials or a permission nothing will ever arrive, and nobody reads a spool.
      if (!warned && !signal.aborted) sayOnce(`batches wait in the spool: ${(error as Error).name}: ${wordsOf(error)}`);
      warned = true;
      throw error;
    }
  };
}

const busArn = /^arn:aws[\w-]*:events:([a-z0-9-]+):\d{12}:event-bus\/[\w./-]{1,256}$/;

const entriesOf = (details: readonly string[], bus: string) =>
  details.map((Detail) => ({ Source: eventSource, DetailType: detailTypes.batch, EventBusName: bus, Detail }));

interface PutAnswer {
  readonly EventId?: string | undefined;
  readonly ErrorCode?: string | undefined;
}

const finalErrors = new Set(["InvalidArgument", "MalformedDetail", "NotAuthorizedForDetailTypeException"]);

function answerOf(entry: PutAnswer | undefined): Answer {
  if (entry?.EventId !== undefined && entry.ErrorCode === undefined) return "taken";
  return finalErrors.has(entry?.ErrorCode ?? "") ? "refused" : "later";
}
