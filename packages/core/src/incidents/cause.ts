import { keyPart } from "../follow/row-id.ts";
import type { Signal } from "../response/response.ts";
import { fits } from "../slo/selection.ts";
import type { Indicator } from "../slo/slo.ts";
import type { Cause } from "./incident.ts";

/** A star in a name that is no pattern: whoever names a server so must not speak for all of them. */
const nameStar = "\u2217";

/**
 * What names no environment or server is about all of them; what names no tool, about the server as a whole.
 *
 * @param literal the names are those of one place, whatever characters they have.
 */
export function causeOf(
  { environment, server, tool }: { environment?: string; server?: string; tool?: string },
  signal: Signal,
  literal: boolean,
): Cause {
  const name = (text: string | undefined): string | undefined => (literal ? text?.replaceAll("*", nameStar) : text);
  return { environment: name(environment) ?? "*", server: name(server) ?? "*", tool: name(tool) ?? "", signal };
}

/** A name of a cause as whoever gave it wrote it. */
export const asWritten = (name: string): string => name.replaceAll(nameStar, "*");

/** The text stands for the cause in an incident, and in rows. */
export const causeKey = ({ environment, server, tool, signal }: Cause): string =>
  [environment, signal, server, tool].map(keyPart).join("/");

/** A cause as counters are asked for it. */
export function wantedOf({ environment, server, tool }: Cause): Pick<Indicator, "selector" | "literal"> {
  const isPattern = [environment, server, tool].some((name) => name.includes("*"));
  return {
    selector: {
      ...(environment !== "*" && { environment: asWritten(environment) }),
      ...(server !== "*" && { server: asWritten(server) }),
      ...(tool !== "" && tool !== "*" && { tool: asWritten(tool) }),
    },
    ...(!isPattern && { literal: true }),
  };
}

/** Whose calls a cause is about, of one place. */
export function isAbout(
  { environment, server, tool }: Cause,
  of: { readonly environment: string; readonly server: string; readonly tool?: string | undefined },
): boolean {
  const name = (text: string): string => text.replaceAll("*", nameStar);
  return (
    fits(environment, name(of.environment)) &&
    fits(server, name(of.server)) &&
    (tool === "" || tool === "*" || (of.tool !== undefined && fits(tool, name(of.tool))))
  );
}

/** Whether all that one cause is about, another is about, too, and more. */
export const isWithin = (wider: Cause, cause: Cause): boolean =>
  wider.signal === cause.signal && causeKey(wider) !== causeKey(cause) && isAt(wider, cause);

/** Whether a place lies in that of another, or is the same, whatever befalls it. */
export const isAt = (wider: Cause, { environment, server, tool }: Cause): boolean =>
  fits(wider.environment, environment) &&
  fits(wider.server, server) &&
  (wider.tool === "" || (tool !== "" && fits(wider.tool, tool)));

/** The more, the less it is about: what is wide comes first. */
export const narrowness = ({ environment, server, tool }: Cause): number =>
  narrow(environment) * 100 + narrow(server) * 10 + (tool === "" ? 0 : narrow(tool));
const narrow = (name: string): number => (name === "*" ? 0 : name.includes("*") ? 1 : 2);
