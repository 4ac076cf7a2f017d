import { readFileSync } from "node:fs";

/** `node first-answer BUNDLE EVENT`: a function's first answer in a process that has done nothing else. Says so when it has it. */

const [bundle = "", event = ""] = process.argv.slice(2);
const { handler } = (await import(bundle)) as { handler: (event: unknown, context: object) => Promise<unknown> };
const context = {
  awsRequestId: "00000000-0000-4000-8000-000000000000",
  functionName: "function",
  functionVersion: "$LATEST",
  invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:function",
  memoryLimitInMB: "512",
  getRemainingTimeInMillis: () => 10_000,
};
const answer = await handler(JSON.parse(readFileSync(event, "utf8")), context);
process.stderr.write(`${JSON.stringify(answer)}\n`);
