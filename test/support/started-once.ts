import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A server of the tests' own. */
export interface Started {
  /** `http://127.0.0.1:N` */
  readonly endpoint: string;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * For suites in processes of their own that share one server: nothing is started until somebody asks the address given, which then answers with the server's
 * endpoint, and to all who ask with the same.
 */
export async function startedOnce(start: () => Promise<Started>): Promise<{ address: string; stop(): Promise<void> }> {
  let started: Promise<Started> | undefined;
  const starter = createServer((_request, response) => {
    started ??= start();
    started.then(
      ({ endpoint }) => response.end(endpoint),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  }).listen(0, "127.0.0.1");
  await once(starter, "listening");
  return {
    address: `http://127.0.0.1:${(starter.address() as AddressInfo).port}`,
    async stop() {
      starter.close();
      starter.closeAllConnections();
      await (await started?.catch(() => undefined))?.stop();
    },
  };
}

/** @param address of a starter. @throws Error where the server did not start. */
export async function endpointOf(address: string): Promise<string> {
  const answer = await fetch(address);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}
