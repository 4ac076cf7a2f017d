/** Names on the bus. A stack, an emitter and the one-machine bus must agree on them. */
export const busName = "tooltrail";
export const eventSource = "tooltrail";
export const detailTypes = { batch: "tooltrail.batch/1", plain: "MCP Tool Call" } as const;

/**
 * The bus's one rule: all that anybody puts on our bus goes to ingest, which quarantines what it does not know, so that a mistyped
 * detail-type is seen instead of lost. Only what tooltrail itself announces is left out; else it would ingest its own events.
 */
export const isForIngest = (event: { source: string; detailType: string }): boolean =>
  event.source !== eventSource || event.detailType.startsWith("tooltrail.batch/");
