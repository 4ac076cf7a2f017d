import coerce from "semver/functions/coerce.js";
import parse from "semver/functions/parse.js";
import satisfies from "semver/functions/satisfies.js";
import subset from "semver/ranges/subset.js";
import validRange from "semver/ranges/valid.js";

/** Versions of before a release are versions like any other: they can fail, too. */
const options = { loose: true, includePrerelease: true } as const;

export const isRange = (range: string): boolean => validRange(range, options) !== null;

/**
 * Whether a server's version is in a range of npm's. Servers say what they like: `v2.1`, `2026.08.31` and `1.2.3.4` are read as what they begin with; what does not begin with a number, such as a commit, is in
 * the range of all alone. So is a version that is not known.
 */
export function isInRange(version: string | undefined, range: string): boolean {
  const read = version === undefined ? null : readVersion(version);
  if (read === null) return validRange(range, options) === "*" || validRange(range, options) === "";
  return satisfies(read, range, options);
}

const readVersion = (version: string) =>
  parse(version, options) ??
  (/^[v=\s]*\d+(\.\d+)*([-+.].*)?$/i.test(version) ? coerce(version, { includePrerelease: true }) : null);

/** All of the one is in the other, and not the other way round. */
export const isNarrower = (range: string, other: string): boolean =>
  subset(range, other, options) && !subset(other, range, options);
