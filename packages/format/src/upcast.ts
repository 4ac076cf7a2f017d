import { type AuditRecord, recordSchema } from "./record.ts";

/** From the version named by the key to the next one. Stored bytes never change; old versions are made current when read. */
type Upcasters = { readonly [schema: string]: (record: Versioned) => Versioned };
interface Versioned {
  readonly schema: string;
}

/** Version 1 is the first, so there is nothing to lift yet. */
const upcasters: Upcasters = {};

/**
 * A stored record as the current version.
 *
 * @throws Error where the version is unknown: it was written by a newer tooltrail than this one.
 */
export function upcast(record: Versioned, steps: Upcasters = upcasters, current: string = recordSchema): AuditRecord {
  let lifted = record;
  while (lifted.schema !== current) {
    const step = steps[lifted.schema];
    if (step === undefined)
      throw new Error(`Records of version "${lifted.schema}" need a newer tooltrail than this one.`);
    lifted = step(lifted);
  }
  return lifted as unknown as AuditRecord;
}
