export { busOf, eventBridgeBus, loopbackBus, type PutEvents } from "./bus.ts";
export { type Emitter, type EmitterOptions, openEmitter } from "./emitter.ts";
export type { Ending } from "./outcome.ts";
export { refusal, type Tracker } from "./tracker.ts";
