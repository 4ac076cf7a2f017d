import { ingest } from "@tooltrail/core/ingest";
import type { SQSEvent } from "aws-lambda";
import { ports } from "#ports";
import { eachRecord, lambda, loggerOf } from "./lib/handler.ts";

const logger = loggerOf("ingest");

/** Bus (through the queue) -> ledger. Answers with the messages worth another try; everything else is stored or quarantined. */
export const handler = lambda(logger, (event: SQSEvent) => eachRecord(logger, event, (body) => ingest(ports(), body)));
