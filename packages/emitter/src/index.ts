export { type Emitter, type EmitterOptions, openEmitter } from "./emitter.ts";
export type { Ending } from "./outcome.ts";
export { loopbackBus } from "./sender.ts";
export type { Tracker } from "./tracker.ts";
