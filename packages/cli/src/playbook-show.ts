import { buildCommand, type CommandContext } from "@stricli/core";
import type { ResponseAnswer, ResponseEntry, ResponsePage } from "@tooltrail/api/types";
import type { ResponseDocument, ResponseKind } from "@tooltrail/core/response/response";
import { Refused } from "./client.ts";
import { connect } from "./connect.ts";
import { kindOf, kindsBrief, pathOf, type ResponseFlags, responseFlags } from "./playbook-flags.ts";
import { plain, type TextColumn, table } from "./table.ts";

const columns: readonly TextColumn<ResponseEntry>[] = [
  { name: "kind", width: 14, of: ({ kind }) => kind },
  { name: "name", width: 24, of: ({ name }) => plain(name) },
  { name: "version", width: 8, of: ({ version }) => String(version ?? "") },
  { name: "from", width: 8, of: ({ builtIn, source }) => (builtIn ? "built in" : plain(source)) },
  { name: "about", width: 0, of: ({ title }) => plain(title) },
];

const kindFlag = { kind: "parsed", parse: kindOf, brief: kindsBrief, placeholder: "KIND" } as const;

export const listCommand = buildCommand<ResponseFlags & { readonly kind?: ResponseKind }, [], CommandContext>({
  docs: { brief: "List playbooks, runbooks, destinations and policies that are in force" },
  parameters: { flags: { ...responseFlags, kind: { ...kindFlag, optional: true } } },
  async func({ data, json, kind }) {
    const page = await connect({ ...(data && { data }) }).get<ResponsePage>("/v1/response", { kind });
    const { stdout, stderr } = this.process;
    if (json) stdout.write(`${JSON.stringify(page, undefined, 2)}\n`);
    else {
      stdout.write(table(columns, page.documents));
      for (const { name, why } of page.unreadable)
        stderr.write(`tooltrail: ${plain(name)} cannot be read: ${plain(why)}\n`);
    }
  },
});

interface ShowFlags extends ResponseFlags {
  readonly kind: ResponseKind;
  readonly builtin: boolean;
}

export const showCommand = buildCommand<ShowFlags, [string], CommandContext>({
  docs: {
    brief: "Print one as a file that can be edited and applied",
    fullDescription:
      "As YAML; with --json, with its versions. A built-in playbook is replaced by one of your own with its id.",
  },
  parameters: {
    flags: {
      ...responseFlags,
      kind: { ...kindFlag, default: "playbook" },
      builtin: { kind: "boolean", brief: "a built-in playbook as it comes, without asking a pipeline", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "a playbook's id, or a name", placeholder: "ID" }],
    },
  },
  async func({ data, json, kind, builtin }, name) {
    const answer = builtin
      ? await builtInOf(kind, name)
      : await connect({ ...(data && { data }) }).get<ResponseAnswer>(pathOf(kind, name));
    const { stdout } = this.process;
    if (json) stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    else {
      const { yamlOf } = await import("@tooltrail/core/response/yaml");
      stdout.write(yamlOf(answer.document as ResponseDocument));
    }
  },
});

async function builtInOf(kind: ResponseKind, name: string): Promise<ResponseAnswer> {
  const { playbooks } = await import("@tooltrail/core/response/playbooks");
  const document = kind === "Playbook" ? playbooks.find(({ id }) => id === name) : undefined;
  if (document !== undefined) return { kind, name, builtIn: true, document, versions: [] };
  const ids = playbooks.map(({ id }) => id).join(", ");
  throw new Refused(404, `no built-in playbook is called "${plain(name)}". There are ${ids}.`);
}
