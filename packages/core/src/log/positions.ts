import type { BatchPosition, Ledger } from "../ports.ts";

const positionsPerRead = 500;

/** Where all batches of the ledger stand since `sinceMs`, page by page, in no order. @throws AppError as the ledger. */
export async function* positionPages(
  ledger: Pick<Ledger, "positions">,
  sinceMs: number,
): AsyncGenerator<readonly BatchPosition[], void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await ledger.positions({ sinceMs, ...(cursor !== undefined && { cursor }), limit: positionsPerRead });
    yield page.positions;
    cursor = page.next;
  } while (cursor !== undefined);
}
