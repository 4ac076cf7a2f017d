import { randomUUID } from "node:crypto";
import { AppError } from "@tooltrail/core/errors";
import type { Queue } from "./sqlite-queue.ts";

/**
 * EventBridge's PutEvents as its clients meet it: AWS JSON 1.1, its limits, its codes, an answer for each entry.
 *
 * This machine has one bus and one rule, which takes everything: where EventBridge would drop an event that no rule wants, ingest
 * quarantines what it does not know, so that a mistyped detail-type is seen. An entry that is answered with an EventId is in the queue, on disk.
 * Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
 */
export interface BusAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface Bus {
  /** @param target the `X-Amz-Target` header. @param body the request's body, not yet parsed. */
  answer(target: string | undefined, body: string): BusAnswer;
}

/** The account of events that never left this machine. */
export const localAccount = "000000000000";

const maxEntries = 10;
const maxRequestBytes = 262_144;

export function createBus(options: {
  readonly queue: Queue;
  /** In whose name nobody may put events, as the policy of a bus would have it. */
  readonly reservedSource?: string;
  readonly now: () => number;
  readonly onSent: () => void;
  readonly onError: (error: unknown) => void;
}): Bus {
  return {
    answer(target, body) {
      if (target !== "AWSEvents.PutEvents")
        return failure("UnknownOperationException", "This bus knows PutEvents only.");
      const entries = parseEntries(body);
      return Array.isArray(entries) ? put(entries) : entries;
    },
  };

  function put(entries: readonly Entry[]): BusAnswer {
    const events = entries.map((entry) => faultOf(entry, options.reservedSource) ?? eventOrFault(entry));
    const accepted = events.filter((event): event is Kept => "id" in event);
    const failed = send(accepted);
    const Entries = events.map((event) => ("id" in event ? (failed ?? { EventId: event.id }) : event));
    return { status: 200, body: { FailedEntryCount: Entries.filter((entry) => "ErrorCode" in entry).length, Entries } };
  }

  /** Nesting without end can be read, but not written again: that entry's fault, not its neighbours'. */
  function eventOrFault(entry: Entry): Kept | Fault {
    try {
      const event = eventOf(entry, options.now());
      return { id: event.id, body: JSON.stringify(event) };
    } catch {
      return malformed;
    }
  }

  /** @returns the answer for all of them where they could not be kept: the client is to try again. */
  function send(events: readonly Kept[]): Fault | undefined {
    try {
      if (events.length > 0)
        options.queue.send(
          events.map(({ id, body }) => ({ messageId: id, body })),
          options.now(),
        );
      options.onSent();
      return undefined;
    } catch (error) {
      options.onError(error);
      const why = error instanceof AppError ? error.message : "The event could not be kept.";
      return { ErrorCode: "InternalFailure", ErrorMessage: why };
    }
  }
}

/** An entry as the client sent it: nothing about it has been checked. */
interface Entry {
  readonly Time?: unknown;
  readonly Source?: unknown;
  readonly Resources?: unknown;
  readonly DetailType?: unknown;
  readonly Detail?: unknown;
}

interface Fault {
  readonly ErrorCode: string;
  readonly ErrorMessage: string;
}

/** An event that may go into the queue. */
interface Kept {
  readonly id: string;
  readonly body: string;
}

interface BusEvent {
  readonly version: "0";
  readonly id: string;
  readonly "detail-type": string;
  readonly source: string;
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

function parseEntries(body: string): Entry[] | BusAnswer {
  let request: { Entries?: unknown };
  try {
    request = JSON.parse(body);
  } catch {
    return failure("SerializationException", "The request is not JSON.");
  }
  const entries = request?.Entries;
  if (!Array.isArray(entries) || !entries.every((entry) => typeof entry === "object" && entry !== null)) {
    return invalid(
      `Value '${entries === undefined ? "null" : "[]"}' at 'entries' failed to satisfy constraint: Member must be a list of entries`,
    );
  }
  if (entries.length === 0)
    return invalid(
      "Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
  if (entries.length > maxEntries) {
    return invalid(
      `Value '[PutEventsRequestEntry]' at 'entries' failed to satisfy constraint: Member must have length less than or equal to ${maxEntries}`,
    );
  }
  const bytes = entries.reduce((sum: number, entry: Entry) => sum + sizeOf(entry), 0);
  if (bytes > maxRequestBytes)
    return failure("ValidationException", "Total size of the entries in the request is over the limit.");
  return entries;
}

/** As EventBridge counts: 14 bytes for a time, the other members in UTF-8. */
const sizeOf = ({ Time, Source, Resources, DetailType, Detail }: Entry): number =>
  [Source, DetailType, Detail, ...(Array.isArray(Resources) ? Resources : [])]
    .filter((text) => typeof text === "string")
    .reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14);

function faultOf(entry: Entry, reservedSource: string | undefined): Fault | undefined {
  for (const name of ["Source", "DetailType", "Detail"] as const) {
    const value = entry[name];
    if (typeof value === "string" && value !== "") continue;
    const reason =
      value === undefined || value === null || value === "" ? "is a required argument" : "must be a string";
    return { ErrorCode: "InvalidArgument", ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} ${reason}.` };
  }
  if ((entry.Source as string).startsWith("aws.") || entry.Source === reservedSource) {
    return { ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source." };
  }
  return isObjectText(entry.Detail as string) ? undefined : malformed;
}

const malformed: Fault = { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function eventOf(entry: Entry, nowMs: number): BusEvent {
  const time = typeof entry.Time === "number" ? entry.Time * 1_000 : nowMs;
  return {
    version: "0",
    id: randomUUID(),
    "detail-type": entry.DetailType as string,
    source: entry.Source as string,
    account: localAccount,
    time: isoSeconds(time) ?? isoSeconds(nowMs) ?? "",
    region: "local",
    resources: Array.isArray(entry.Resources) ? entry.Resources.filter((arn) => typeof arn === "string") : [],
    detail: JSON.parse(entry.Detail as string),
  };
}

/** EventBridge gives times in whole seconds. @returns undefined for a time that a Date cannot hold. */
const isoSeconds = (ms: number): string | undefined =>
  Math.abs(ms) <= 8.64e15 ? `${new Date(ms).toISOString().slice(0, 19)}Z` : undefined;

const failure = (type: string, message: string): BusAnswer => ({ status: 400, body: { __type: type, message } });
const invalid = (what: string): BusAnswer => failure("ValidationException", `1 validation error detected: ${what}`);
