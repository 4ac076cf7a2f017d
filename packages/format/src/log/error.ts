/** Something of the log is not what it must be: malformed, too large, or signed wrongly. The message names the object, line or field. */
export class LogFormatError extends Error {
  override readonly name = "LogFormatError";
}
