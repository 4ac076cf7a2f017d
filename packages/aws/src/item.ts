import type { AttributeValue } from "@aws-sdk/client-dynamodb";

/* Items as the AWS client has them. Nothing here loads the client: what reads the ledger's stream needs none. */

export type Item = Record<string, AttributeValue>;
export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** Whether DynamoDB takes the text for a key at all. What a reader made up may be too long; then nothing is there. */
export const fitsKey = (key: string): boolean => key !== "" && Buffer.byteLength(key) <= 1_024;

export const keyItem = ({ pk, sk }: Key): Item => ({ pk: { S: pk }, sk: { S: sk } });
export const text = (item: Item, name: string): string => item[name]?.S ?? "";
export const number = (item: Item, name: string): number => Number(item[name]?.N);

/**
 * Text that is bytes in disguise, as those bytes: they are what is paid for. Where the way back would not give exactly the same text, the text.
 */
export function encoded(value: string, encoding: "base64" | "hex"): AttributeValue {
  const bytes = Buffer.from(value, encoding);
  return bytes.toString(encoding) === value ? { B: bytes } : { S: value };
}

/** The way back from `encoded`. */
export const decoded = (attribute: AttributeValue | undefined, encoding: "base64" | "hex"): string | undefined =>
  attribute?.B === undefined ? attribute?.S : Buffer.from(attribute.B).toString(encoding);
