/** A fraction of safe integers, exactly. `denominator` is positive. */
export interface Ratio {
  readonly numerator: number;
  readonly denominator: number;
}

/** Digits after the point, at most: so that products of ratios and counts stay exact. */
const maxDecimals = 9;

/**
 * A decimal as it is written: `0.999` is 999/1000, which no float is.
 *
 * @returns undefined for what is no plain decimal from 0 to 999,999, or has over nine digits after the point.
 */
export function ratioOf(decimal: string): Ratio | undefined {
  const [, whole, decimals = ""] = /^(\d{1,6})(?:\.(\d+))?$/.exec(decimal) ?? [];
  const digits = decimals.replace(/0+$/, "");
  if (whole === undefined || digits.length > maxDecimals) return undefined;
  return reduced(Number(whole + digits), 10 ** digits.length);
}

export function reduced(numerator: number, denominator: number): Ratio {
  const divisor = gcd(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** What is left of one. */
export const complement = ({ numerator, denominator }: Ratio): Ratio => ({
  numerator: denominator - numerator,
  denominator,
});

export const toNumber = ({ numerator, denominator }: Ratio): number => numerator / denominator;
