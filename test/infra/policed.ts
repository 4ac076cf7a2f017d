import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { json, type Listening, listening } from "../support/aws-services.ts";
import type { Evaluation, Resource } from "./evaluate.ts";
import { allows, type Request, refuses } from "./policies.ts";

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
  behind: { readonly dynamoDb: string; readonly services: string; readonly s3: string },
): Promise<Policed> {
  const allowed: Request[] = [];
  const denied: Request[] = [];
  const principal = evaluation.resources.find(({ name }) => name === role)?.arn ?? `unknown ${role}`;
  const isRefused = (one: Request): boolean => !allows(evaluation, role, one) || refuses(evaluation, principal, one);

  async function toS3(request: IncomingMessage, response: ServerResponse, body: Buffer<ArrayBuffer>): Promise<void> {
    const { method = "", url = "" } = request;
    const asked = askedOfS3(evaluation, request);
    const refused = asked.filter(isRefused);
    denied.push(...refused);
    if (refused.length > 0) {
      response.writeHead(403).end("<Error><Code>AccessDenied</Code></Error>");
      return;
    }
    const { host, connection, "content-length": length, expect, ...headers } = request.headers;
    const answer = await fetch(`${behind.s3}${url}`, {
      method,
      headers: headers as { [name: string]: string },
      ...(method === "PUT" && { body }),
    });
    allowed.push(...asked);
    // S3 owns up to what is missing only where the role may list the bucket.
    const list: Request = { action: "s3:ListBucket", resource: bucketOf(evaluation, url), context: {} };
    if (answer.status === 404 && isRefused(list)) {
      denied.push(list);
      response.writeHead(403).end("<Error><Code>AccessDenied</Code></Error>");
      return;
    }
    if (answer.status === 404) allowed.push(list);
    const { "content-encoding": _, "content-length": __, ...given } = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, given).end(Buffer.from(await answer.arrayBuffer()));
  }

  /** SES and SNS, which name their operation in no header. */
  async function toTell(
    asked: Request,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer<ArrayBuffer>,
  ): Promise<void> {
    if (isRefused(asked)) {
      denied.push(asked);
      response.writeHead(403, { "x-amzn-errortype": "AccessDeniedException" }).end("{}");
      return;
    }
    allowed.push(asked);
    const headers = { "content-type": String(request.headers["content-type"]) };
    const answer = await fetch(`${behind.services}${request.url}`, { method: "POST", headers, body });
    response
      .writeHead(answer.status, { "content-type": String(answer.headers.get("content-type")) })
      .end(await answer.text());
  }

  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    if (request.headers["x-amz-target"] === undefined) {
      const told = askedToTell(request, body.toString("utf8"));
      return told === undefined
        ? toS3(request, response, Buffer.from(body))
        : toTell(told, request, response, Buffer.from(body));
    }
    const target = String(request.headers["x-amz-target"]);
    const asked = askedFor(evaluation, target, JSON.parse(body.toString("utf8")));
    const refused = asked.filter(isRefused);
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
    const answer = await fetch(to, { method: "POST", headers, body: body.toString("utf8") });
    response.writeHead(answer.status, { "content-type": json }).end(await answer.text());
  });
  return { ...(await listening(server)), allowed, denied };
}

/** An email is sent in the name of its sender's domain, which is the identity that our stages name. */
function askedToTell({ url, headers }: IncomingMessage, body: string): Request | undefined {
  if (url === "/v2/email/outbound-emails") {
    const domain = String(JSON.parse(body).FromEmailAddress).split("@").at(-1);
    const resource = `arn:aws:ses:eu-central-1:111122223333:identity/${domain}`;
    return { action: "ses:SendEmail", resource, context: {} };
  }
  if (!headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) return undefined;
  const form = new URLSearchParams(body);
  return { action: `sns:${form.get("Action")}`, resource: form.get("TopicArn") ?? "", context: {} };
}

/** S3 is asked by method, path and headers, the bucket first in the path. */
function askedOfS3(evaluation: Evaluation, { method, url = "", headers }: IncomingMessage): Request[] {
  const { pathname, searchParams } = new URL(url, "http://s3");
  const bucket = bucketOf(evaluation, url);
  const [, , ...key] = pathname.split("/");
  const resource = `${bucket}/${key.join("/")}`;
  if (key.join("") === "")
    return [{ action: method === "GET" ? "s3:ListBucket" : `s3:${method}`, resource: bucket, context: {} }];
  if (method !== "PUT") return [{ action: method === "GET" ? "s3:GetObject" : `s3:${method}`, resource, context: {} }];
  if (searchParams.has("tagging")) return [{ action: "s3:PutObjectTagging", resource, context: {} }];
  const given = (variable: string, header: string): Request["context"] =>
    headers[header] === undefined ? {} : { [variable]: [String(headers[header])] };
  const until = headers["x-amz-object-lock-retain-until-date"];
  const context = {
    ...given("s3:if-none-match", "if-none-match"),
    ...given("s3:if-match", "if-match"),
    ...given("s3:object-lock-mode", "x-amz-object-lock-mode"),
    ...(until && {
      "s3:object-lock-remaining-retention-days": [
        String(Math.floor((Date.parse(String(until)) - Date.now()) / 86_400_000)),
      ],
    }),
  };
  return ["s3:PutObject", ...(until ? ["s3:PutObjectRetention"] : [])].map((action) => ({ action, resource, context }));
}

const bucketOf = ({ resources }: Evaluation, url: string): string => {
  const name = url.split(/[/?]/)[1];
  return (
    resources.find(({ type, inputs }) => type === "aws:s3/bucket:Bucket" && inputs.bucket === name)?.arn ??
    `unknown ${name}`
  );
};

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
  if (service === "TrentService")
    return [
      {
        action: `kms:${operation}`,
        resource: body.KeyId,
        context: {
          ...(body.SigningAlgorithm && { "kms:SigningAlgorithm": [body.SigningAlgorithm] }),
          ...(body.MessageType && { "kms:MessageType": [body.MessageType] }),
        },
      },
    ];
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
    case "BatchWriteItem":
      return Object.entries(body.RequestItems as { [table: string]: Write[] }).map(([table, writes]) =>
        on(
          operation,
          table,
          writes.map(({ PutRequest, DeleteRequest }) => leadingKey(PutRequest?.Item ?? DeleteRequest?.Key)),
        ),
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
type Write = { readonly PutRequest?: { Item: Item }; readonly DeleteRequest?: { Key: Item } };
const leadingKey = (item: Item | undefined): string => item?.pk?.S ?? "";

const arnOf = ({ resources }: Evaluation, type: string, name: string): string =>
  resources.find((resource) => resource.type === type && resource.inputs.name === name)?.arn ?? `unknown ${name}`;
