/** Names on the bus. A stack, an emitter and the one-machine bus must agree on them. */
export const busName = "tooltrail";
export const eventSource = "tooltrail";
export const detailTypes = { batch: "tooltrail.batch/1", plain: "MCP Tool Call" } as const;
