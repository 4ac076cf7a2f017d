import type { RecordView } from "../query.ts";
import { valuesFor } from "./fields.ts";

/** The version of https://schema.ocsf.io that the events are valid by. */
export const ocsfVersion = "1.8.0";

type Members = { [name: string]: unknown };

/** A call, an intent or a control record as an OCSF API Activity (class 6003). Times in milliseconds. */
export function toOcsf(record: RecordView): object {
  const event: Members = {
    class_uid: 6003,
    class_name: "API Activity",
    category_uid: 6,
    category_name: "Application Activity",
    activity_id: 99, // a tool's own hints of what it does are not to be believed
    type_uid: 600_399,
    severity_id: 1,
    status_id: 0,
    metadata: {
      version: ocsfVersion,
      product: { name: "tooltrail", vendor_name: "tooltrail" },
      ...("links" in record && record.links?.traceparent && { profiles: ["trace"] }),
    },
    actor: { user: { type_id: 0 } },
    api: {},
    src_endpoint: { name: "unknown" },
  };
  for (const { cell, value } of valuesFor(record, "ocsf")) put(event, cell.to.split("."), value);
  return event;
}

function put(into: Members, [name = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[name] = value;
    return;
  }
  into[name] ??= rest[0] === "0" ? [] : {};
  put(into[name] as Members, rest, value);
}
