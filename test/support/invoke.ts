import { randomUUID } from "node:crypto";

/** What a function cannot start with, as Lambda logs it: left to Node, the bundle's one long line comes first, and a pipe may not hold it. */
process.once("uncaughtException", (error) => {
  process.stderr.write(`${error.stack}\n`, () => process.exit(1));
});

/** A bare process around one bundled handler, as Lambda's runtime is: an event comes in as a message, the answer goes out as one. */
const { handler } = (await import(process.argv[2] ?? "")) as {
  handler: (event: unknown, context: unknown) => Promise<unknown>;
};

process.on("message", async (event) => {
  const awsRequestId = randomUUID();
  const context = {
    awsRequestId,
    functionName: "function",
    functionVersion: "$LATEST",
    invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:function",
    memoryLimitInMB: "512",
    logGroupName: "",
    logStreamName: "",
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => 60_000,
  };
  const answer = await handler(event, context).then(
    (value) => ({ value }),
    (error: Error) => ({ error: error.message }),
  );
  process.send?.(answer);
});
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
