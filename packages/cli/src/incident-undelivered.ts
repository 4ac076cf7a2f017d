import { buildCommand, type CommandContext } from "@stricli/core";
import type { RetryAnswer, UndeliveredAnswer } from "@tooltrail/api/types";
import { plainText, timeText } from "@tooltrail/core/telling/words";
import { type Client, Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { askUntilAnswered } from "./incident-retry.ts";
import { jsonFlag, waitingFor } from "./incident-send.ts";
import { plain, type TextColumn, table } from "./table.ts";

interface UndeliveredFlags extends ConnectFlags {
  readonly retry: boolean;
  readonly json: boolean;
}

type Undelivered = UndeliveredAnswer["undelivered"][number];

const columns: readonly TextColumn<Undelivered>[] = [
  { name: "given up (UTC)", width: 23, of: ({ at }) => timeText(at) },
  { name: "what", width: 7, of: ({ effect }) => plain(effect.tasks.map(({ kind }) => kind).join(" ")) },
  { name: "to", width: 20, of: ({ effect }) => plain(effect.tasks.map(destinationOf).join(" ")) },
  { name: "why", width: 48, of: ({ why }) => plainText(why) },
  { name: "id", width: 0, of: ({ id }) => plain(id) },
];

const destinationOf = (task: Undelivered["effect"]["tasks"][number]): string =>
  "destination" in task ? task.destination : "";

export const undeliveredCommand = buildCommand<UndeliveredFlags, [string?], CommandContext>({
  docs: {
    brief: "List what destinations did not take, or put it back to be tried again",
    fullDescription: "Putting back exits with 1 where there was nothing to put back.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      retry: { kind: "boolean", brief: "put all of it back, or the one that is named", default: false },
      json: jsonFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "with --retry: this one alone", placeholder: "ID", optional: true }],
    },
  },
  async func({ data, retry, json }, id) {
    if (id !== undefined && !retry) throw new Refused(400, "An id goes with --retry.");
    const client = connect({ ...(data && { data }) });
    const { stdout } = this.process;
    if (!retry) {
      const answer = await client.get<UndeliveredAnswer>("/v1/incidents/undelivered");
      const none = "Everybody was told.\n";
      const text = answer.undelivered.length === 0 ? none : table(columns, answer.undelivered);
      stdout.write(json ? `${JSON.stringify(answer, undefined, 2)}\n` : text);
      return;
    }
    const answer = await putBack(client, this, id);
    stdout.write(json ? `${JSON.stringify(answer)}\n` : `${answer.retried} put back, to be tried now\n`);
    if (answer.retried === 0) process.exitCode = 1;
  },
});

/** Asked again, what was put back stays so: it needs no key. */
const putBack = ({ post }: Client, context: CommandContext, id: string | undefined): Promise<RetryAnswer> =>
  askUntilAnswered(waitingFor(context), (withinMs) =>
    post<RetryAnswer>("/v1/incidents/undelivered/retry", id === undefined ? {} : { id }, { withinMs }),
  );
