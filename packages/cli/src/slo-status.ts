import { buildCommand, type CommandContext } from "@stricli/core";
import type { SloAnswer, SlosPage, SloView } from "@tooltrail/api/types";
import { type Client, Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { detailOf } from "./slo-detail.ts";
import { sloTable } from "./slo-table.ts";
import { painterFor } from "./slo-text.ts";
import { plain } from "./table.ts";

interface StatusFlags extends ConnectFlags {
  readonly server?: string;
  readonly firing: boolean;
  readonly json: boolean;
}

export const statusCommand = buildCommand<StatusFlags, [string?], CommandContext>({
  docs: {
    brief: "Show error budgets, how fast they burn, and which alerts fire",
    fullDescription:
      "Of all SLOs, or of one with its rules, what burns it, and the versions of its definition. Exits with 0 when nothing fires, 1 when something does, 2 when that could not be told.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      server: { kind: "parsed", parse: String, optional: true, brief: "about this server", placeholder: "ID" },
      firing: { kind: "boolean", brief: "those that fire", default: false },
      json: { kind: "boolean", brief: 'print {"slos":[…],"unreadable":[…]}, or the one', default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "this one alone, in detail", placeholder: "NAME", optional: true }],
    },
  },
  async func({ data, server, firing, json }, name) {
    if (name !== undefined && (server !== undefined || firing))
      throw new Refused(400, "--server and --firing choose from a list: leave the name out.");
    const client = connect({ ...(data && { data }) });
    const { stdout, stderr } = this.process;
    const print = (document: object): void => stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
    const paint = painterFor(process.stdout.isTTY === true, process.env.NO_COLOR);
    if (name !== undefined) {
      const slo = await ask<SloAnswer>(client, `/v1/slos/${encodeURIComponent(name)}`);
      if (json) print(slo);
      else stdout.write(detailOf(slo, Date.now(), paint));
      process.exitCode = exitOf([slo]);
      return;
    }
    const { slos, unreadable } = await readSlos(client, server);
    const shown = firing ? slos.filter((slo) => exitOf([slo]) === 1) : slos;
    if (json) print({ slos: shown, unreadable });
    else stdout.write(sloTable(shown, Date.now(), paint));
    const say = (line: string): void => stderr.write(`tooltrail: ${plain(line)}\n`);
    for (const one of unreadable) say(`the definition of ${one.name} cannot be read: ${one.why}`);
    if (slos.length === 0) say(`there is no SLO${server === undefined ? "" : ` about ${server}`}.`);
    process.exitCode = exitOf(slos, unreadable.length > 0 || slos.length === 0);
  },
});

/** 1 where something fires. Where nothing does, of what is known: 2 where there is more that nobody can tell of, and else 0. */
export function exitOf(slos: readonly Pick<SloView, "rules">[], unknown = false): 0 | 1 | 2 {
  if (slos.some(({ rules }) => rules.some(({ firing }) => firing))) return 1;
  return unknown ? 2 : 0;
}

/** @throws Error also where the pipeline says that it is not there: of that, nobody can tell whether it fires. */
async function ask<T>({ get }: Client, path: string, query?: { readonly [name: string]: string | undefined }) {
  try {
    return await get<T>(path, query);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) throw new Error(error.message, { cause: error });
    throw error;
  }
}

/** All pages. What cannot be read is the same on each of them, unless definitions change meanwhile. */
async function readSlos(client: Client, server: string | undefined): Promise<Omit<SlosPage, "next">> {
  const slos: SloView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page: SlosPage = await ask<SlosPage>(client, "/v1/slos", { server, cursor, limit: "1000" });
    slos.push(...page.slos);
    if (page.next === null) return { slos, unreadable: page.unreadable };
    cursor = page.next;
  }
}
