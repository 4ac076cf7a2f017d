import { ingest } from "@tooltrail/core/ingest";
import type { SQSEvent } from "aws-lambda";
import { ports } from "#ports";
import { eachRecord, lambda } from "./lib/handler.ts";

/** Bus (through the queue) -> ledger. Answers with the messages worth another try; everything else is stored or quarantined. */
export const handler = lambda("ingest", (event: SQSEvent) => eachRecord(event, (body) => ingest(ports(), body)));
