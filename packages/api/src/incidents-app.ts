import { Hono } from "hono";
import { answerErrors } from "./answer-errors.ts";
import { addIncidentRoutes, type IncidentRoutesOptions } from "./incidents.ts";
import { addPostmortemRoutes } from "./postmortems.ts";
import { addResponseRoutes } from "./response.ts";

/** Incidents, postmortems, and how a team responds: an app of its own, since it may write what queries may not. */
export function createIncidentsApi<Env extends object>(
  options: IncidentRoutesOptions<Env> & { readonly onError: (error: Error) => void },
): Hono<{ Bindings: Env }> {
  const app = new Hono<{ Bindings: Env }>();
  addIncidentRoutes(app, options);
  addPostmortemRoutes(app, options);
  addResponseRoutes(app, options);
  answerErrors(app, options.onError);
  return app;
}
