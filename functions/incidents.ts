import { createIncidentsApi } from "@tooltrail/api/incidents";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { handle } from "hono/aws-lambda";
import { incidentRows } from "#incidents";
import { audit, callerOf, ports } from "#ports";
import { lambda, loggerOf } from "./lib/handler.ts";

interface Env {
  readonly event: APIGatewayProxyEventV2;
}

const logger = loggerOf("incidents");

const app = createIncidentsApi<Env>({
  ports,
  projections: incidentRows,
  audit,
  callerOf: ({ event }) => callerOf(event),
  onError: (error) => logger.error("a command failed", error),
});
/** Hono names the events of every service that can call a Lambda; ours come from API Gateway alone. */
const answer = handle(app) as unknown as (
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>;

/** HTTP API -> incidents, postmortems, and how a team responds. Every request leaves a record of itself before it is answered. */
export const handler = lambda(logger, answer);
