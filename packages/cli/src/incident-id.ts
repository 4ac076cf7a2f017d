import type { IncidentsPage } from "@tooltrail/api/types";
import { isIncidentId } from "@tooltrail/format";
import { type Client, type How, Refused } from "./client.ts";
import { plain } from "./table.ts";

/** What an abbreviation is looked up in. */
const recent = 200;
/** Characters without `inc_`. */
const leastPart = 6;
const maxNamed = 10;

export const idParameter = {
  parse: String,
  brief: "its id, six or more characters that it begins or ends with, or latest",
  placeholder: "ID",
} as const;

/**
 * The id of an incident, which people may abbreviate.
 *
 * @throws Refused 400 where it is too short or fits several, 404 where it fits none.
 */
export async function findIncidentId({ get }: Pick<Client, "get">, text: string, how?: How): Promise<string> {
  if (isIncidentId(text)) return text;
  const part = text.toLowerCase().replace(/^inc_/, "");
  if (part.length < leastPart) throw new Refused(400, `"${plain(text)}": write six or more characters of an id.`);
  const { incidents } = await get<IncidentsPage>("/v1/incidents", { limit: String(recent) }, how);
  return pickId(
    incidents.map(({ id }) => id),
    part,
    text,
  );
}

/** @param ids the latest first. */
function pickId(ids: readonly string[], part: string, text: string): string {
  const fitting = ids.filter((id) => {
    const own = id.slice("inc_".length);
    return own.startsWith(part) || own.endsWith(part);
  });
  const [first, second] = text === "latest" ? ids.slice(0, 1) : fitting;
  if (first === undefined)
    throw new Refused(
      404,
      ids.length === 0
        ? "There is no incident."
        : `None of the last ${ids.length} incidents has an id that begins or ends with "${plain(text)}".`,
    );
  if (second === undefined) return first;
  const named = fitting.slice(0, maxNamed).join(", ");
  const more = fitting.length > maxNamed ? `, and ${fitting.length - maxNamed} more` : "";
  throw new Refused(400, `"${plain(text)}" may be any of ${plain(named)}${more}.`);
}
