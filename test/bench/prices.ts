/**
 * What AWS asks in us-east-1, in dollars, as of November 2026: the only place for prices. Check before publishing a figure:
 * https://aws.amazon.com/eventbridge/pricing, /sqs/pricing, /dynamodb/pricing/on-demand, /lambda/pricing, /cloudwatch/pricing, /s3/pricing, /kms/pricing.
 */
export const prices = {
  eventBridge: { perChunk: 1 / 1e6, chunkBytes: 65_536 },
  sqs: { perRequest: 0.4 / 1e6, chunkBytes: 65_536 },
  dynamoDb: {
    perWriteUnit: 0.625 / 1e6,
    writeUnitBytes: 1_024,
    perReadUnit: 0.125 / 1e6,
    readUnitBytes: 4_096,
    /** What a transaction costs more than the same writes alone. */
    transactionFactor: 2,
    perGbMonth: 0.25,
  },
  s3: { perPut: 0.005 / 1e3, perGet: 0.0004 / 1e3 },
  kms: { perSignature: 0.15 / 1e4 },
  logs: { perGb: 0.5 },
  lambda: { perRequest: 0.2 / 1e6, perGbSecond: 0.0000133334 },
} as const;
