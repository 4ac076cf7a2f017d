import { type Checkpoint, LogFormatError, parseCheckpointBody, parseNote } from "@tooltrail/format/log";
import { halt } from "./halt.ts";

/** What a published checkpoint says, whoever signed it. @throws AppError halted where it says nothing. */
export function saidBy(text: string): Checkpoint {
  try {
    return parseCheckpointBody(parseNote(text).body);
  } catch (error) {
    if (error instanceof LogFormatError) throw halt("checkpoint", error.message, error);
    throw error;
  }
}

export const signedSize = (text: string): number => saidBy(text).size;
