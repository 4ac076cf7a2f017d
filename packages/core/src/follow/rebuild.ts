import { AppError } from "../errors.ts";
import { nextGeneration } from "./follow.ts";
import type { Generation, Projections } from "./ports.ts";
import type { Projection } from "./projection.ts";

const maxAttempts = 10;

/**
 * Has a projection made anew from leaf 0, beside the one that is read, by whoever follows next. Where that is under way already, it goes on as it is.
 *
 * @returns the generation that is being built.
 * @throws AppError not_found where nothing has been followed yet, unavailable where followers keep on being faster, or have one to drop before.
 */
export async function startRebuild(
  projections: Pick<Projections, "cursor" | "commit">,
  { name, version }: Pick<Projection, "name" | "version">,
): Promise<Generation> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const from = await projections.cursor(name);
    if (from === undefined)
      throw new AppError("not_found", `The projection ${name} has nothing yet that could be made anew.`);
    if (from.next?.version === version) return from.next;
    // What is still being dropped comes first: a cursor names one such generation.
    if (from.next === undefined || from.dropping === undefined) {
      const next = nextGeneration(from, version);
      const to = { ...from, next, ...(from.next && { dropping: from.next.number }) };
      if (await projections.commit(name, { from, to, generation: next.number, rows: [] })) return next;
    }
  }
  throw new AppError(
    "unavailable",
    `Followers of ${name} were faster ${maxAttempts} times, or still have to drop rows. Try again.`,
    {
      outcome: "not-applied",
    },
  );
}
