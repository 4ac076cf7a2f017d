import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { CommandContext } from "@stricli/core";
import type { Asked, IncidentAnswer } from "@tooltrail/api/types";
import { plainText } from "@tooltrail/core/telling/words";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { findIncidentId } from "./incident-id.ts";
import { possibleNow } from "./incident-next.ts";
import { askUntilAnswered, isUnanswered, type Waiting } from "./incident-retry.ts";
import { plain } from "./table.ts";

export interface SendFlags extends ConnectFlags {
  readonly json: boolean;
  readonly key?: string;
}

function parseKey(text: string): string {
  if (/^[!-~]{1,255}$/.test(text)) return text;
  throw new Error("a key is 1 to 255 visible ASCII characters");
}

export const jsonFlag = { kind: "boolean", brief: "print one JSON document", default: false } as const;

/** Of commands that change something. */
export const sendFlags = {
  ...connectFlags,
  json: jsonFlag,
  key: {
    kind: "parsed",
    parse: parseKey,
    optional: true,
    brief: "what is sent again with its key is done once; else random",
    placeholder: "KEY",
  },
} as const;

export const waitingFor = ({ process: { stderr } }: CommandContext): Waiting => ({
  now: Date.now,
  random: Math.random,
  wait: (ms) => wait(ms),
  say: (line) => void stderr.write(`tooltrail: ${plain(line)}\n`),
});

/** Random, unless one was given; where nobody answers, people are told how to ask again. */
export async function withKey<T>(
  { process: { stderr } }: CommandContext,
  { key = randomBytes(16).toString("hex") }: Pick<SendFlags, "key">,
  ask: (key: string) => Promise<T>,
): Promise<T> {
  try {
    return await ask(key);
  } catch (error) {
    if (isUnanswered(error))
      stderr.write(
        `tooltrail: It may have been done all the same. To ask again and have it done once, add --key ${plain(key)}\n`,
      );
    throw error;
  }
}

/** Gives an incident a command, and prints what it is then. */
export async function sendCommand(
  context: CommandContext,
  { data, json, ...flags }: SendFlags,
  id: string,
  ask: Asked | ((find: (id: string) => Promise<string>) => Promise<Asked>),
): Promise<void> {
  const client = connect({ ...(data && { data }) });
  const waiting = waitingFor(context);
  const find = (text: string): Promise<string> =>
    askUntilAnswered(waiting, (withinMs) => findIncidentId(client, text, { withinMs }));
  const incident = await find(id);
  const asked = typeof ask === "function" ? await ask(find) : ask;
  const answer = await withKey(context, flags, (idempotencyKey) =>
    askUntilAnswered(waiting, (withinMs) =>
      client.post<IncidentAnswer>(`/v1/incidents/${incident}/commands`, asked, { withinMs, idempotencyKey }),
    ),
  );
  context.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${sentenceOf(answer)}\n`);
}

/** `inc_…: acknowledged, page, availability of billing. Possible now: mitigate, status.` */
export function sentenceOf(answer: IncidentAnswer): string {
  const { id, status, severity, title, parent } = answer.incident;
  const now = possibleNow(answer);
  const into = parent === undefined ? "" : ` into ${parent}`;
  return plainText(
    `${id}: ${status}${into}, ${severity}, ${title}. ${now.length === 0 ? "Nothing more is possible." : `Possible now: ${now.join(", ")}.`}`,
  );
}
