import { buildCommand, type CommandContext } from "@stricli/core";
import type { RecordPage, RecordView } from "@tooltrail/api/types";
import { Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { type Format, formats, printers } from "./output.ts";

interface RecordsFlags extends ConnectFlags {
  readonly server?: string;
  readonly tool?: string;
  readonly principal?: string;
  readonly outcome?: string;
  readonly trace?: string;
  readonly kind?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly all: boolean;
  readonly format: Format;
  readonly json: boolean;
}

const filter = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

const maxPage = 1_000;

function limit(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > maxPage)
    throw new Error(`"${text}" is not a number from 1 to ${maxPage}`);
  return value;
}

export const recordsCommand = buildCommand<RecordsFlags, [], CommandContext>({
  docs: {
    brief: "List records, newest first",
    fullDescription:
      "Shows calls unless --kind says otherwise. --json prints one document with a cursor for the next page; every --format is printed as it arrives: ocsf is API Activity (6003), otel is OTLP JSON, one line each.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      server: filter("the server's id", "ID"),
      tool: filter("the tool's name", "NAME"),
      principal: filter("who called: a pseudonym (p_…) or a subject", "WHO"),
      outcome: filter("a class (ok, tool_error, …) or a reason (unknown_tool, …)", "WORD"),
      trace: filter("a W3C trace id, or a traceparent", "ID"),
      kind: filter("call (the default), intent, definition, lifecycle, control or score", "KIND"),
      since: filter("from this time on: 2026-01-31T12:00:00Z, or 15m, 24h, 7d ago", "TIME"),
      until: filter("before this time", "TIME"),
      limit: {
        kind: "parsed",
        parse: limit,
        brief: "at most so many records (1 to 1000)",
        default: "100",
        placeholder: "N",
      },
      cursor: filter("go on where a page ended", "CURSOR"),
      all: { kind: "boolean", brief: "every record that matches, page after page (not with --json)", default: false },
      format: { kind: "enum", values: formats, brief: "how to print", default: "table" },
      json: { kind: "boolean", brief: 'print {"records":[…],"next":cursor|null}', default: false },
    },
  },
  async func({ data, limit, all, format, json, ...filters }) {
    if (json && all) throw new Refused(400, "--all: not with --json, which is one document. Use --format ndjson.");
    const { head, line, kinds } = printers[format];
    if (kinds?.every((kind) => kind !== (filters.kind ?? "call")))
      throw new Refused(400, `--format ${format}: has words for --kind ${kinds.join(", ")} only.`);
    const { get } = connect({ ...(data && { data }) });
    const page = (cursor: string | undefined, size: number): Promise<RecordPage> =>
      get<RecordPage>("/v1/records", { ...filters, cursor, limit: String(size) });
    const wanted = all ? Number.POSITIVE_INFINITY : limit;
    const print = (text: string): Promise<void> => write(this.process.stdout, `${text}\n`);
    const records: RecordView[] = [];
    let lines = head === undefined ? [] : [head];
    let shown = 0;
    let next: string | null | undefined = filters.cursor;
    let asOf = Number.POSITIVE_INFINITY;
    do {
      // The server reads only so much for one page: a page may be short although there is more.
      const answer: RecordPage = await page(next ?? undefined, Math.min(maxPage, wanted - shown));
      shown += answer.records.length;
      next = answer.next;
      asOf = Math.min(asOf, answer.asOf ?? asOf);
      if (json) records.push(...answer.records);
      else lines.push(...answer.records.map(line));
      if (lines.length > 0 && !json) await print(lines.join("\n"));
      lines = [];
    } while (next !== null && shown < wanted);
    const behind = Number.isFinite(asOf);
    if (json) await print(JSON.stringify({ records, next, ...(behind && { asOf }) }, undefined, 2));
    else if (next !== null) this.process.stderr.write(`There are more: --cursor ${next}\n`);
    if (behind && !json)
      this.process.stderr.write(
        `Of older batches, only what is in the log was looked through: what arrived up to ${new Date(asOf).toISOString()}.\n`,
      );
  },
});

interface RecordFlags extends ConnectFlags {
  readonly proof: boolean;
  readonly json: boolean;
}

export const recordCommand = buildCommand<RecordFlags, [string], CommandContext>({
  docs: { brief: "Show one record" },
  parameters: {
    flags: {
      ...connectFlags,
      proof: {
        kind: "boolean",
        brief: "print a receipt (C2SP tlog-proof) for verify --receipt, or for anybody with the log's key",
        default: false,
      },
      json: { kind: "boolean", brief: "print JSON (as it does anyway)", default: false },
    },
    positional: { kind: "tuple", parameters: [{ parse: String, brief: "the record's id (rec_…)", placeholder: "ID" }] },
  },
  async func({ data, proof, json }, id) {
    if (proof && json) throw new Refused(400, "--proof: a receipt is text of its own form, not JSON.");
    const { get, text } = connect({ ...(data && { data }) });
    const path = `/v1/records/${encodeURIComponent(id)}`;
    const said = proof ? await text(`${path}/proof`) : `${JSON.stringify(await get<RecordView>(path), undefined, 2)}\n`;
    await write(this.process.stdout, said);
  },
});

/** Waits for a slow reader, so that an export of any size is never held in memory. */
const write = (stream: { write(text: string): void }, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    (stream as NodeJS.WritableStream).write(text, (error) => (error ? reject(error) : resolve()));
  });
