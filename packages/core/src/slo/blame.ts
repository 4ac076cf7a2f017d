import type { Outcome, OutcomeReason } from "@tooltrail/format";

/**
 * Whose failure an outcome is. Only the server's counts against its availability; what a caller did, or what nobody knows, tells nothing of the server, for good or ill, and is
 * left out of the total as well.
 */
export type Blame = "nobody" | "server" | "caller" | "not known";

/**
 * By reason, where there is one: servers report one fault through different layers. A limit that was reached is the server's: whoever asks is not served, and the limit is its own or its upstream's. A key
 * that was refused may be the caller's or the server's own; bursts of them have a detector (`auth_mismatch`).
 */
const blameOfReason: { readonly [reason in OutcomeReason]: Blame } = {
  invalid_arguments: "caller",
  unknown_tool: "caller",
  unknown_method: "caller",
  unauthorized: "caller",
  forbidden: "caller",
  not_found: "caller",
  rate_limited: "server",
  upstream_timeout: "server",
  upstream_unreachable: "server",
  invalid_output: "server",
  internal_error: "server",
  server_exited: "server",
  client_gone: "caller",
  client_timeout: "server", // its patience ended before an answer came
  client_cancelled: "caller",
  emitter_died: "not known",
  id_reused: "not known",
  too_many_open: "not known",
  not_resumed: "not known",
  not_recorded: "not known",
  no_answer_due: "not known",
  task_started: "not known",
};

/** A failure without a reason is the server's, as long as nobody shows that it is not. */
export function blameOf({ class: layer, reason }: Outcome): Blame {
  switch (layer) {
    case "ok":
      return "nobody";
    case "cancelled":
    case "denied":
      return "caller";
    case "input_required":
    case "unknown":
      return "not known";
    case "tool_error":
    case "protocol_error":
    case "transport_error":
    case "timeout":
      return reason === undefined ? "server" : blameOfReason[reason];
  }
}

/** It was answered, and arguments or answer did not fit their schema, or what was asked for is not there (any more). */
export const isMisfit = ({ class: layer, reason }: Outcome): boolean =>
  wasAnswered(layer) && (reason === "invalid_arguments" || reason === "invalid_output" || reason === "unknown_tool");

export const wasAnswered = (layer: Outcome["class"]): boolean =>
  layer === "ok" || layer === "tool_error" || layer === "protocol_error";

/** 401 and 403, whichever layer says so. */
export const isRefusal = ({ reason }: Outcome): boolean => reason === "unauthorized" || reason === "forbidden";

/** A failure after which a caller may try the same again. */
export const isFailure = ({ class: layer }: Outcome): boolean =>
  layer === "tool_error" || layer === "protocol_error" || layer === "transport_error" || layer === "timeout";
