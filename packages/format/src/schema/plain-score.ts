import * as z from "zod";
import { plainEvent } from "./plain-event.ts";
import { score } from "./record.ts";

const { server, id, at, version, environment } = plainEvent.shape;

/** The detail of an `MCP Tool Score` event. */
export const plainScore = z.strictObject({ server, ...score, id, at, version, environment });
