import { AppError, errorCodes } from "@tooltrail/core/errors";
import type { Hono } from "hono";
import type { ErrorAnswer } from "./types.ts";

/** What is not there, and what goes wrong: `{"error":{"code","message"}}` with the status of `errorCodes`. */
export function answerErrors<Env extends object>(app: Hono<{ Bindings: Env }>, onError: (error: Error) => void): void {
  app.notFound((c) =>
    c.json(errorAnswer("not_found", `There is no ${c.req.method} ${c.req.path.slice(0, 200)}.`), 404),
  );
  app.onError((error, c) => {
    if (error instanceof AppError) {
      if (error.retryable) onError(error);
      return c.json(errorAnswer(error.code, error.message), errorCodes[error.code].http);
    }
    onError(error);
    return c.json(errorAnswer("internal", "Something went wrong here; the log has more."), 500);
  });
}

const errorAnswer = (code: string, message: string): ErrorAnswer => ({ error: { code, message } });
