import { AppError, type WriteOutcome } from "@tooltrail/core/errors";

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** What is not there is no failure of a read, nor of a removal. A folder of tiles (`tile/0/x001`) is no object either. */
export function unlessAbsent(error: unknown): undefined {
  const code = codeOf(error);
  if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EISDIR") throw error;
}

const full = ["ENOSPC", "EDQUOT"];
/** A failure of the file system as the pipeline speaks of it. One that is translated already stays as it is. */
export function fileFailure(message: string, cause: unknown, outcome?: WriteOutcome): AppError {
  if (cause instanceof AppError) return cause;
  const more = { cause, ...(outcome && { outcome }) };
  return full.includes(codeOf(cause) ?? "")
    ? new AppError("storage_full", "The disk of the data folder is full.", more)
    : new AppError("unavailable", message, more);
}
