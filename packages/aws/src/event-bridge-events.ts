import { EventBridgeClient, PutEventsCommand, type PutEventsResultEntry } from "@aws-sdk/client-eventbridge";
import type { Events } from "@tooltrail/core/ports";
import { pipelineSource } from "@tooltrail/format";
import { clientOptions, jitter, type Pause, request } from "./request.ts";

/**
 * What the pipeline says, on the bus. PutEvents answers for each entry by itself, so an entry can fail although the request went well: it is
 * sent again like a request that failed.
 *
 * @param bus name or ARN.
 * @throws AppError as `request` does.
 */
export function eventBridgeEvents(
  bus: string,
  { requestTimeoutMs, pause = jitter }: { requestTimeoutMs?: number; pause?: Pause } = {},
): Events {
  const client = new EventBridgeClient(clientOptions(requestTimeoutMs));
  return {
    async publish({ type, ...detail }) {
      const entry = { EventBusName: bus, Source: pipelineSource, DetailType: type, Detail: JSON.stringify(detail) };
      await request("EventBridge", pause, async () => {
        const { Entries } = await client.send(new PutEventsCommand({ Entries: [entry] }));
        if (Entries?.[0]?.EventId === undefined) throw new EntryFailed(Entries?.[0] ?? {});
      });
    },
  };
}

/** An entry's failure in the shape of a request's. */
class EntryFailed extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  constructor({ ErrorCode = "NoAnswerForTheEntry", ErrorMessage }: PutEventsResultEntry) {
    super(ErrorMessage);
    this.name = ErrorCode;
    this.$metadata = { httpStatusCode: neverTaken.has(ErrorCode) ? 400 : 500 };
  }
}

/** A code that is not known here may pass, and is tried again. */
const neverTaken = new Set([
  "AccessDeniedException",
  "InvalidAccountIdException",
  "InvalidArgument",
  "InvalidArgumentException",
  "MalformedDetail",
  "NotAuthorizedException",
  "NotAuthorizedForDetailTypeException",
  "NotAuthorizedForSourceException",
]);
