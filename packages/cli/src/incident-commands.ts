import { buildCommand, type CommandContext } from "@stricli/core";
import type { Asked } from "@tooltrail/api/types";
import { idParameter } from "./incident-id.ts";
import { parseEta } from "./incident-input.ts";
import { type SendFlags, sendCommand, sendFlags } from "./incident-send.ts";

const ofIncident = { kind: "tuple", parameters: [idParameter] } as const;
const withText = {
  kind: "tuple",
  parameters: [idParameter, { parse: String, brief: "in quotes, what there is to say", placeholder: "TEXT" }],
} as const;

const words = (brief: string, placeholder = "TEXT") => ({ kind: "parsed", parse: String, brief, placeholder }) as const;

const simple = (asked: Asked, brief: string, fullDescription?: string) =>
  buildCommand<SendFlags, [string], CommandContext>({
    docs: { brief, ...(fullDescription !== undefined && { fullDescription }) },
    parameters: { flags: sendFlags, positional: ofIncident },
    async func(flags, id) {
      await sendCommand(this, flags, id, asked);
    },
  });

export const ackCommand = simple(
  { type: "acknowledge" },
  "Say that you are at it: nobody else is called",
  "For a while: where nobody goes on with it or gives a status, it is open again.",
);

export const mitigateCommand = simple(
  { type: "mitigate" },
  "Say that mitigation has begun: checks run from now on",
  "Two checks that pass make it mitigated; checks that fail ask for a rollback.",
);

export const resolveCommand = simple({ type: "resolve" }, "Say that it is over: a postmortem is drafted");

export const closeCommand = simple({ type: "close" }, "Say that its postmortem is complete");

interface StatusFlags extends SendFlags {
  readonly owner: string;
  readonly eta: number;
}

export const statusCommand = buildCommand<StatusFlags, [string, string], CommandContext>({
  docs: {
    brief: "Tell everybody how it stands, whose it is, and when it will be over",
    fullDescription: "With --key, give --eta as a time: 45m is another time with each request.",
  },
  parameters: {
    flags: {
      ...sendFlags,
      owner: words("whose it is", "NAME"),
      eta: {
        kind: "parsed",
        parse: (text: string) => parseEta(text),
        brief: "when it will be over: in 45m or 2h, or at 2026-01-31T12:30Z",
        placeholder: "TIME",
      },
    },
    positional: withText,
  },
  async func({ owner, eta, ...flags }, id, text) {
    await sendCommand(this, flags, id, { type: "status", text, owner, etaAt: eta });
  },
});

export const noteCommand = buildCommand<SendFlags, [string, string], CommandContext>({
  docs: { brief: "Put a note into its timeline" },
  parameters: { flags: sendFlags, positional: withText },
  async func(flags, id, text) {
    await sendCommand(this, flags, id, { type: "note", text });
  },
});

export const cancelCommand = buildCommand<SendFlags & { readonly reason: string }, [string], CommandContext>({
  docs: { brief: "Say that it was none" },
  parameters: { flags: { ...sendFlags, reason: words("why") }, positional: ofIncident },
  async func({ reason, ...flags }, id) {
    await sendCommand(this, flags, id, { type: "cancel", reason });
  },
});

const results = ["pass", "fail"] as const;

export const judgeCommand = buildCommand<
  SendFlags & { readonly reason: string },
  [string, (typeof results)[number]],
  CommandContext
>({
  docs: {
    brief: "Say whether its gate holds, after three checks that had too few calls to tell",
    fullDescription: "What you say counts: pass makes it mitigated, fail asks for a rollback.",
  },
  parameters: {
    flags: { ...sendFlags, reason: words("how you know") },
    positional: {
      kind: "tuple",
      parameters: [idParameter, { parse: oneOf(results), brief: "pass or fail", placeholder: "RESULT" }],
    },
  },
  async func({ reason, ...flags }, id, result) {
    await sendCommand(this, flags, id, { type: "judge", result, reason });
  },
});

function oneOf<Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const found = choices.find((one) => one === text);
    if (found === undefined) throw new Error(`"${text}" is neither ${choices.join(" nor ")}.`);
    return found;
  };
}

export const mergeCommand = buildCommand<SendFlags & { readonly into: string }, [string], CommandContext>({
  docs: { brief: "Make it part of another: its alerts are the other's then" },
  parameters: { flags: { ...sendFlags, into: words("the other one", "ID") }, positional: ofIncident },
  async func({ into, ...flags }, id) {
    await sendCommand(this, flags, id, async (find) => ({ type: "merge", into: await find(into) }));
  },
});
