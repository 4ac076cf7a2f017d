import { createServer } from "node:http";
import { bodyOf, type Listening, listening } from "../support/aws-services.ts";

/** A command as it went over the wire. */
export interface Command {
  readonly name: string;
  readonly input: {
    readonly TableName?: string;
    readonly Item?: Attributes;
    readonly ConsistentRead?: boolean;
    readonly TransactItems?: readonly { readonly Put?: { readonly TableName: string; readonly Item: Attributes } }[];
  };
}
export type Attributes = { readonly [name: string]: Attribute };
/** The types of attribute that the adapters use. */
export type Attribute = { readonly S: string } | { readonly N: string } | { readonly B: string };

/**
 * Stands before DynamoDB and writes down what is asked of it.
 *
 * @param dynamoDb where to pass it on; without one, everything is answered at once by an empty success.
 */
export async function startRecorder(dynamoDb?: string): Promise<Listening & { readonly commands: Command[] }> {
  const commands: Command[] = [];
  const server = createServer(async (request, response) => {
    const target = String(request.headers["x-amz-target"]);
    const body = await bodyOf(request);
    commands.push({ name: target.split(".")[1] ?? "", input: JSON.parse(body) as Command["input"] });
    response.setHeader("content-type", "application/x-amz-json-1.0");
    if (dynamoDb === undefined) return void response.end("{}");
    const headers = {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": target,
      authorization: String(request.headers.authorization),
      "x-amz-date": String(request.headers["x-amz-date"]),
    };
    const answer = await fetch(dynamoDb, { method: "POST", headers, body });
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  });
  return { ...(await listening(server)), commands };
}

/** As DynamoDB counts an item: names and texts in UTF-8, bytes as bytes, two digits of a number a byte and one more. */
export const itemBytes = (item: Attributes): number =>
  Object.entries(item).reduce((sum, [name, attribute]) => sum + Buffer.byteLength(name) + attributeBytes(attribute), 0);

function attributeBytes(attribute: Attribute): number {
  if ("S" in attribute) return Buffer.byteLength(attribute.S);
  if ("B" in attribute) return Buffer.from(attribute.B, "base64").length;
  if ("N" in attribute) return Math.ceil(attribute.N.replace(/\D/g, "").length / 2) + 1;
  throw new Error(`Nobody has said how large ${JSON.stringify(attribute)} is.`);
}
