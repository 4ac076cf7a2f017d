import { pathToFileURL } from "node:url";

/** A bare process around a function's bundle, as Lambda's runtime is one: an event comes in as a message, the answer goes out as one. */

const { handler } = (await import(pathToFileURL(process.argv[2] ?? "").href)) as {
  handler: (event: unknown, context: object) => Promise<unknown>;
};

process.on("message", async (event: unknown) => {
  const context = {
    awsRequestId: "00000000-0000-4000-8000-000000000000",
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    getRemainingTimeInMillis: () => 30_000,
  };
  try {
    process.send?.({ answer: await handler(event, context) });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.send?.("ready");
