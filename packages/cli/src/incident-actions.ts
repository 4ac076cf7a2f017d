import { buildCommand, type CommandContext } from "@stricli/core";
import { type ActionKind, actionKinds } from "@tooltrail/core/response/response";
import { idParameter } from "./incident-id.ts";
import { paramsOf, parseActionKind, parsePair } from "./incident-input.ts";
import { type SendFlags, sendCommand, sendFlags } from "./incident-send.ts";

const ofAction = {
  kind: "tuple",
  parameters: [idParameter, { parse: String, brief: "the action: a1, a2, …", placeholder: "ACTION" }],
} as const;

const words = (brief: string) => ({ kind: "parsed", parse: String, brief, placeholder: "TEXT" }) as const;

interface ActFlags extends SendFlags {
  readonly param?: readonly (readonly [string, string])[];
}

export const actCommand = buildCommand<ActFlags, [string, ActionKind], CommandContext>({
  docs: {
    brief: "Ask for an action: executors are told, once it is approved",
    fullDescription:
      "What the playbook lets go without an approval starts at once. Parameters that look like numbers, true or false are those; in double quotes they are texts.",
  },
  parameters: {
    flags: {
      ...sendFlags,
      param: {
        kind: "parsed",
        parse: parsePair,
        variadic: true,
        optional: true,
        brief: "a parameter; may be repeated",
        placeholder: "NAME=VALUE",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [idParameter, { parse: parseActionKind, brief: actionKinds.join(", "), placeholder: "KIND" }],
    },
  },
  async func({ param = [], ...flags }, id, kind) {
    await sendCommand(this, flags, id, { type: "act", kind, params: paramsOf(param) });
  },
});

export const approveCommand = buildCommand<SendFlags, [string, string], CommandContext>({
  docs: { brief: "Let an action start" },
  parameters: { flags: sendFlags, positional: ofAction },
  async func(flags, id, action) {
    await sendCommand(this, flags, id, { type: "approve", action });
  },
});

export const rejectCommand = buildCommand<SendFlags & { readonly reason: string }, [string, string], CommandContext>({
  docs: { brief: "Say that an action is not to be" },
  parameters: { flags: { ...sendFlags, reason: words("why") }, positional: ofAction },
  async func({ reason, ...flags }, id, action) {
    await sendCommand(this, flags, id, { type: "reject", action, reason });
  },
});

interface FinishFlags extends SendFlags {
  readonly detail: string;
  readonly failed: boolean;
}

export const finishCommand = buildCommand<FinishFlags, [string, string], CommandContext>({
  docs: { brief: "Say what came of an action, or of its undoing" },
  parameters: {
    flags: {
      ...sendFlags,
      detail: words("what was done"),
      failed: { kind: "boolean", brief: "it could not be done", default: false },
    },
    positional: ofAction,
  },
  async func({ detail, failed, ...flags }, id, action) {
    await sendCommand(this, flags, id, { type: "finish", action, isDone: !failed, detail });
  },
});

export const undoCommand = buildCommand<SendFlags, [string, string], CommandContext>({
  docs: { brief: "Take an action back: executors are told" },
  parameters: { flags: sendFlags, positional: ofAction },
  async func(flags, id, action) {
    await sendCommand(this, flags, id, { type: "undo", action });
  },
});
