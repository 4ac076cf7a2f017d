import type { AuditOptions } from "@tooltrail/emitter/mcp";

/** What both servers say. */
export const said = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** An answer that is not what its JSON says: a date, a number that JSON does not have, a member that is not there. */
export const odd = () => ({
  ...said("odd"),
  structuredContent: { at: new Date(0), ratio: Number.NaN, none: undefined },
});

/** An answer that is too large to be put in order before it is digested. */
export const rows = () => ({
  ...said("rows"),
  structuredContent: {
    rows: Array.from({ length: 20_000 }, (_, n) => ({
      price: n / 3,
      name: `row é ${n}`,
      9: 1,
      10: 2,
      at: new Date(n),
    })),
  },
});

/** Until the client has had enough. */
export const until = (signal: AbortSignal) =>
  new Promise<ReturnType<typeof said>>((resolve) => {
    signal.addEventListener("abort", () => resolve(said("never mind")), { once: true });
  });

/** What a test gives besides the environment. */
export const options = (): AuditOptions => JSON.parse(process.env.AUDIT_OPTIONS ?? "{}") as AuditOptions;
