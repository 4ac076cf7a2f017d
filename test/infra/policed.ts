import { createServer } from "node:http";
import { bodyOf, json, type Listening, listening } from "../support/aws-services.ts";
import type { Evaluation, Resource } from "./evaluate.ts";
import { allows, type Request, refuses } from "./rules.ts";

export interface Policed extends Listening {
  readonly allowed: Request[];
  readonly denied: Request[];
}

/**
 * AWS behind the role of one function as the stack makes it: what the role does not allow, or the table or the bus refuses it, is refused, as IAM
 * would, and what is allowed goes on to DynamoDB Local and the stand-ins for the other services.
 */
export async function policed(
  evaluation: Evaluation,
  role: string,
  behind: { readonly dynamoDb: string; readonly services: string },
): Promise<Policed> {
  const allowed: Request[] = [];
  const denied: Request[] = [];
  const principal = evaluation.resources.find(({ name }) => name === role)?.arn ?? `unknown ${role}`;
  const server = createServer(async (request, response) => {
    const target = String(request.headers["x-amz-target"]);
    const body = await bodyOf(request);
    const asked = askedFor(evaluation, target, JSON.parse(body));
    const refused = asked.filter((one) => !allows(evaluation, role, one) || refuses(evaluation, principal, one));
    denied.push(...refused);
    if (asked.length === 0 || refused.length > 0) {
      const __type = "com.amazon.coral.service#AccessDeniedException";
      response
        .writeHead(400, { "content-type": json })
        .end(JSON.stringify({ __type, message: JSON.stringify(refused) }));
      return;
    }
    allowed.push(...asked);
    const headers = {
      "content-type": json,
      "x-amz-target": target,
      authorization: request.headers.authorization ?? "",
    };
    const to = target.startsWith("DynamoDB") ? behind.dynamoDb : behind.services;
    const answer = await fetch(to, { method: "POST", headers, body });
    response.writeHead(answer.status, { "content-type": json }).end(await answer.text());
  });
  return { ...(await listening(server)), allowed, denied };
}

/** A request's actions, each on its resource: a transaction needs the actions of its parts. */
function askedFor(evaluation: Evaluation, target: string, body: Resource["inputs"]): Request[] {
  const [service = "", operation = ""] = target.split(".");
  if (service === "AWSEvents") {
    const bus = arnOf(evaluation, "aws:cloudwatch/eventBus:EventBus", body.Entries[0].EventBusName);
    const sources = body.Entries.map(({ Source }: { Source: string }) => Source);
    return [{ action: `events:${operation}`, resource: bus, context: { "events:source": sources } }];
  }
  if (service === "secretsmanager")
    return [{ action: `secretsmanager:${operation}`, resource: body.SecretId, context: {} }];
  const on = (name: string, table: string, keys: readonly string[], index = ""): Request => ({
    action: `dynamodb:${name}`,
    resource: arnOf(evaluation, "aws:dynamodb/table:Table", table) + (index && `/index/${index}`),
    context: { "dynamodb:LeadingKeys": keys },
  });
  switch (operation) {
    case "BatchGetItem":
      return Object.entries(body.RequestItems as { [table: string]: { Keys: Item[] } }).map(([table, { Keys }]) =>
        on(operation, table, Keys.map(leadingKey)),
      );
    case "TransactWriteItems":
      return (body.TransactItems as { [part: string]: { TableName: string; Item?: Item; Key?: Item } }[]).flatMap(
        (item) =>
          Object.entries(item).map(([part, { TableName, Item, Key }]) =>
            on(part === "ConditionCheck" ? "ConditionCheckItem" : `${part}Item`, TableName, [leadingKey(Item ?? Key)]),
          ),
      );
    case "Query":
      return [on(operation, body.TableName, [body.ExpressionAttributeValues?.[":pk"]?.S ?? ""], body.IndexName)];
    default:
      return [on(operation, body.TableName, [leadingKey(body.Item ?? body.Key)])];
  }
}

type Item = { readonly pk?: { readonly S?: string } };
const leadingKey = (item: Item | undefined): string => item?.pk?.S ?? "";

const arnOf = ({ resources }: Evaluation, type: string, name: string): string =>
  resources.find((resource) => resource.type === type && resource.inputs.name === name)?.arn ?? `unknown ${name}`;
