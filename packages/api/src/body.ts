import { AppError } from "@tooltrail/core/errors";
import type { Context } from "hono";

/** @throws AppError `invalid` where it is no JSON. */
export async function bodyOf(c: Context): Promise<unknown> {
  try {
    return JSON.parse(await c.req.text());
  } catch {
    throw new AppError("invalid", "The body is not JSON.");
  }
}
