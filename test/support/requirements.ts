/**
 * Whether a tool that a suite needs is there. Where it is not, the reason is printed and the suite is to be skipped.
 *
 * @throws Error where nothing may be skipped (`TOOLTRAIL_REQUIRE_ALL=1`).
 */
export function needs(what: string, there: boolean): boolean {
  if (there) return true;
  if (process.env.TOOLTRAIL_REQUIRE_ALL === "1")
    throw new Error(`${what} is missing, and nothing may be skipped here.`);
  console.warn(`Skipped: ${what} is missing.`);
  return false;
}
