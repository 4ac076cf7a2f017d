import { createServer, type ServerResponse } from "node:http";
import { bodyOf, json, type Listening, listening } from "./aws-services.ts";

/** How a request to DynamoDB can go wrong on the wire. */
export type WireFault = "throttled" | "timed out" | "broken" | "failed but persisted" | "conflict" | "partial";

/** A command on one of the two tables. */
export interface Command {
  readonly name: string;
  readonly table: "ledger" | "state";
  /** What IAM asks for: of a transaction, each of its writes. */
  readonly actions?: readonly string[];
  /** What the partition keys begin with, up to a "#", that it names; of rows of a projection, the name as well. */
  readonly partitions?: readonly string[];
}

export const everyWireFault = ({ name }: Command): WireFault[] => [
  "throttled",
  "timed out",
  "broken",
  "failed but persisted",
  ...(name === "TransactWriteItems" ? (["conflict"] as const) : []),
  ...(name === "BatchGetItem" || name === "BatchWriteItem" ? (["partial"] as const) : []),
];

export interface FaultyWire extends Listening {
  /** Every command that came by, as often as it came. */
  readonly commands: Command[];
  /** The actions that these commands need, by table, sorted: what a role would have to allow. */
  permissions(): { readonly ledger: string[]; readonly state: string[] };
  /** Beginnings of the State table's partition keys that these commands named, sorted. */
  partitions(): string[];
  /** From now on the command meets the fault, `times` times. */
  break(command: Command, fault: WireFault, times: number): void;
  heal(): void;
  /** How often the fault was met. */
  hits(): number;
}

/** Stands between the adapters and DynamoDB: over HTTP, so that what the AWS client makes of a fault is part of the test. */
export async function faultyWire(dynamoDb: string): Promise<FaultyWire> {
  const commands: Command[] = [];
  let broken: { command: Command; fault: WireFault; times: number } | undefined;
  let hits = 0;

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const target = String(request.headers["x-amz-target"]);
    const forward = async (sent = body): Promise<{ status: number; text: string }> => {
      const headers = {
        "content-type": json,
        "x-amz-target": target,
        authorization: request.headers.authorization ?? "",
      };
      const answer = await fetch(dynamoDb, { method: "POST", headers, body: sent });
      return { status: answer.status, text: await answer.text() };
    };
    const command = commandOf(target, body);
    commands.push(command);
    if (broken !== undefined && broken.times > 0 && same(command, broken.command)) {
      hits += 1;
      broken.times -= 1;
      return fail(broken.fault, body, forward, response);
    }
    const { status, text } = await forward();
    response.writeHead(status, { "content-type": json }).end(text);
  });

  return {
    ...(await listening(server)),
    commands,
    permissions() {
      const of = (table: string) =>
        [...new Set(commands.filter((one) => one.table === table).flatMap(({ actions = [] }) => actions))].sort();
      return { ledger: of("ledger"), state: of("state") };
    },
    partitions() {
      const ofState = commands.filter(({ table }) => table === "state");
      return [...new Set(ofState.flatMap(({ partitions = [] }) => partitions))].sort();
    },
    break(command, fault, times) {
      broken = { command, fault, times };
      hits = 0;
    },
    heal() {
      broken = undefined;
    },
    hits: () => hits,
  };
}

function commandOf(target: string, body: string): Command {
  const name = target.split(".")[1] ?? "";
  const { TransactItems } = JSON.parse(body) as { TransactItems?: object[] };
  const actions = TransactItems?.flatMap(Object.keys).map((write) => `${write}Item`) ?? [name];
  const partitions = [...body.matchAll(/":?pk":\{"S":"((?:P#)?[^"#]+)/g)].map(([, beginning = ""]) => beginning);
  return { name, table: body.includes('"ledger-') ? "ledger" : "state", actions, partitions };
}

const same = (a: Command, b: Command): boolean => a.name === b.name && a.table === b.table;

type Forward = (body?: string) => Promise<{ status: number; text: string }>;

async function fail(fault: WireFault, body: string, forward: Forward, response: ServerResponse): Promise<void> {
  const answer = (status: number, value: unknown): void => {
    response.writeHead(status, { "content-type": json }).end(JSON.stringify(value));
  };
  const error = (status: number, type: string, more: object = {}): void =>
    answer(status, { __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: "as planned", ...more });
  switch (fault) {
    case "throttled":
      return error(400, "ProvisionedThroughputExceededException");
    case "timed out":
      return; // no answer, ever
    case "broken":
      return error(500, "InternalServerError");
    case "failed but persisted":
      await forward();
      response.destroy();
      return;
    case "conflict":
      return error(400, "TransactionCanceledException", {
        CancellationReasons: [{ Code: "None" }, { Code: "TransactionConflict", Message: "as planned" }],
      });
    case "partial": {
      const { RequestItems } = JSON.parse(body) as { RequestItems: { [table: string]: BatchPart } };
      const [[table, part] = ["", []]] = Object.entries(RequestItems);
      const [done, left] = halves(part);
      const { text } =
        done === undefined ? { text: "{}" } : await forward(JSON.stringify({ RequestItems: { [table]: done } }));
      const unprocessed = Array.isArray(part) ? "UnprocessedItems" : "UnprocessedKeys";
      return answer(200, { Responses: { [table]: [] }, ...JSON.parse(text), [unprocessed]: { [table]: left } });
    }
  }
}

/** Of a BatchGetItem keys, of a BatchWriteItem writes. */
type BatchPart = unknown[] | { readonly Keys: unknown[] };

/** What is done of a batch, if anything, and what is left undone. */
function halves(part: BatchPart): [done: BatchPart | undefined, left: BatchPart] {
  const all = Array.isArray(part) ? part : part.Keys;
  const like = (some: unknown[]): BatchPart => (Array.isArray(part) ? some : { ...part, Keys: some });
  const middle = all.length >> 1;
  return [middle === 0 ? undefined : like(all.slice(0, middle)), like(all.slice(middle))];
}
