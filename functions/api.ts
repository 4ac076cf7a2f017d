import { createApi } from "@tooltrail/api";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { handle } from "hono/aws-lambda";
import { reader } from "#log";
import { audit, callerOf, ports } from "#ports";
import { lambda, loggerOf } from "./lib/handler.ts";

interface Env {
  readonly event: APIGatewayProxyEventV2;
}

const logger = loggerOf("api");
const log = await reader();

const app = createApi<Env>({
  ports,
  projections: () => log().projections,
  log,
  audit,
  callerOf: ({ event }) => callerOf(event),
  onError: (error) => logger.error("a query failed", error),
});
/** Hono names the events of every service that can call a Lambda; ours come from API Gateway alone. */
const answer = handle(app) as unknown as (
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>;

/** HTTP API -> ledger, log and projections, read. Every query leaves a record of itself before it is answered. */
export const handler = lambda(logger, answer);
