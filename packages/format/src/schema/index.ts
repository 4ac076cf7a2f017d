/** Checks at the edges, apart from the shapes: an emitter does not carry zod. JSON Schemas in ../../schema are made from these. */
export { envelope } from "./batch.ts";
export { pipelineEvent } from "./pipeline-event.ts";
export { plainEvent } from "./plain-event.ts";
export { plainScore } from "./plain-score.ts";
export { record } from "./record.ts";
export { responseDocument } from "./response-document.ts";
