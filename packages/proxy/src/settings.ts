// Apart, so that a command that only asks does not load an emitter.
export { readSettings, type Settings } from "@tooltrail/emitter/settings";
