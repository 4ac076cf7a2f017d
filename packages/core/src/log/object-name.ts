import { AppError } from "../errors.ts";

/** In a folder, so neither `checkpoint` nor `vkey`; no part begins with a dot, so none leads out of the log's folder. */
const pattern = /^([a-z0-9][a-z0-9.]*\/)+[a-z0-9][a-z0-9.]*$/;

export const isObjectName = (name: string): boolean => pattern.test(name);

/** The name of an object of the log, as every store takes it. @throws AppError invalid, outcome not-applied. */
export function objectName(name: string): string {
  if (isObjectName(name)) return name;
  throw new AppError("invalid", `${JSON.stringify(name)} is no name of an object.`, { outcome: "not-applied" });
}
