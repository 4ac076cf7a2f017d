import { AppError } from "@tooltrail/core/errors";
import type { Ports } from "@tooltrail/core/ports";

/** One call of one port goes wrong: before it did anything, or after it was done. */
export interface Fault {
  readonly port: "ledger" | "principals" | "quarantine" | "events";
  readonly method: string;
  readonly kind: "failed" | "failed but persisted";
}

/** Each method of each port, in both ways. */
export const everyFault = (ports: Ports): Fault[] =>
  (["ledger", "principals", "quarantine", "events"] as const).flatMap((port) =>
    Object.keys(ports[port]).flatMap((method) =>
      (["failed", "failed but persisted"] as const).map((kind) => ({ port, method, kind })),
    ),
  );

/** Ports whose first call of the method goes wrong. `hits` counts how often the fault was met. */
export function faulty(ports: Ports, { port, method, kind }: Fault): Ports & { hits(): number } {
  let hits = 0;
  const real = ports[port] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const broken = {
    ...real,
    async [method](...args: unknown[]): Promise<unknown> {
      hits += 1;
      if (hits > 1) return real[method]?.(...args);
      if (kind === "failed but persisted") await real[method]?.(...args);
      const outcome = kind === "failed" ? "not-applied" : "unknown";
      throw new AppError("unavailable", `${port}.${method} ${kind}`, { outcome });
    },
  };
  return { ...ports, [port]: broken, hits: () => hits };
}
