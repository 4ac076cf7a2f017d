import * as z from "zod";
import { outcomeClasses } from "../record.ts";
import { server } from "./batch.ts";
import { attempt, client, decision, outcome, timeMs, toolName, traceparent } from "./record.ts";

const subject = z.string().min(1).max(512);

/** The detail of an `MCP Tool Call` event. */
export const plainEvent = z.strictObject({
  server: server.shape.id,
  tool: toolName,
  outcome: z.union([z.enum(outcomeClasses), outcome], {
    error: `is none of ${outcomeClasses.join(", ")}, nor an object with a class of these, and a reason or code that there is`,
  }),
  id: z.string().min(1).max(256).optional(),
  principal: z.union([subject, z.strictObject({ issuer: z.string().max(512).optional(), subject })]).optional(),
  at: z.union([z.iso.datetime({ offset: true }), timeMs]).optional(),
  durationUs: z.int().min(0).optional(),
  version: server.shape.version,
  environment: server.shape.environment,
  traceparent: traceparent.optional(),
  sessionId: z.string().min(1).max(256).optional(),
  requestId: z.string().min(1).max(128).optional(),
  tenant: z.string().min(1).max(128).optional(),
  client: client.optional(),
  attempt: attempt.optional(),
  final: z.boolean().optional(),
  // An approver would be a name, and only the principal's is made a pseudonym.
  decision: decision.omit({ approver: true }).optional(),
});
