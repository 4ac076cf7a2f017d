import type { NameOf } from "./caller.ts";
import { maxEnvironmentLength, type Settings } from "./settings.ts";

/** What is not given is read from the environment (TOOLTRAIL_ENDPOINT, TOOLTRAIL_BUS, TOOLTRAIL_SPOOL, …), as the proxy does. */
export interface AuditOptions extends Partial<Settings> {
  /** Else the name by which the server introduces itself. */
  readonly serverId?: string;
  /** Tools whose calls are recorded before they run, besides those that declare `destructiveHint: true`. */
  readonly intentTools?: readonly string[];
  /** When nothing can be recorded: let calls pass (the default), or refuse destructive ones. */
  readonly onSpoolFailure?: "open" | "closed";
  /** Survive power loss too, for a price on each call. */
  readonly fsync?: boolean;
  /** Whom a verified token was issued to; by default `iss` and `sub` in its `extra`, else its client. */
  readonly principal?: NameOf;
}

/** An option that is undefined or empty is one that was not given, as for a variable of the environment: `serverId: process.env.NAME`. */
export const givenOptions = (options: AuditOptions): AuditOptions =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined && value !== ""));

type Rule = readonly [wanted: string, fits: (value: unknown) => boolean];

const text = (max: number): Rule => [
  `a text of at most ${max} characters`,
  (value) => typeof value === "string" && value.length <= max,
];

const rules: { readonly [option in keyof AuditOptions]-?: Rule } = {
  serverId: text(256),
  environment: text(maxEnvironmentLength),
  endpoint: text(2_048),
  bus: text(2_048),
  spoolDir: text(4_096),
  digestKey: text(1_024),
  maxSpoolBytes: ["a number of bytes", (value) => Number.isSafeInteger(value) && Number(value) > 0],
  intentTools: [
    "a list of tools' names",
    (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
  ],
  onSpoolFailure: ['"open" or "closed"', (value) => value === "open" || value === "closed"],
  fsync: ["true or false", (value) => typeof value === "boolean"],
  principal: ["a function", (value) => typeof value === "function"],
};

/** Whoever writes JavaScript is not told by a compiler, and what no batch takes would fail with each of them. @throws Error that names the option. */
export function checkOptions(options: AuditOptions): void {
  for (const [option, [wanted, fits]] of Object.entries(rules)) {
    const value = options[option as keyof AuditOptions];
    if (value !== undefined && !fits(value)) throw new Error(`${option} must be ${wanted}.`);
  }
}
