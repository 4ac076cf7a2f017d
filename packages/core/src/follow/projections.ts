import { continuity } from "./continuity.ts";
import { counters } from "./counters.ts";
import { inventory } from "./inventory.ts";
import { postings } from "./postings.ts";
import type { Projection } from "./projection.ts";

/** All that follows the log. */
export const projections: readonly Projection[] = [inventory, continuity, postings, counters];
