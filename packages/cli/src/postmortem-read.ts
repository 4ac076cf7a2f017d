import type { PostmortemAnswer } from "@tooltrail/api/types";
import { type ConnectFlags, connect } from "./connect.ts";
import { findIncidentId } from "./incident-id.ts";

/** A postmortem by its incident, as it is or as it was. */
export async function readPostmortem(
  { data }: ConnectFlags,
  text: string,
  revision?: number,
): Promise<PostmortemAnswer> {
  const { get } = connect({ ...(data && { data }) });
  const path = `/v1/postmortems/${await findIncidentId({ get }, text)}`;
  return get<PostmortemAnswer>(revision === undefined ? path : `${path}/revisions/${revision}`);
}
