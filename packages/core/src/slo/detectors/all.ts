import { authMismatch } from "./auth-mismatch.ts";
import type { Detector } from "./detector.ts";
import { policyDrift } from "./policy-drift.ts";
import { retryAmplification, retryStorm } from "./retries.ts";
import { silentRegression } from "./silent-regression.ts";

/** Those that watch minutes. Two versions are compared by `schemaBreakage`, two definitions by `incompatibilities`. */
export const detectors: readonly Detector[] = [
  authMismatch,
  policyDrift,
  retryAmplification,
  retryStorm,
  silentRegression,
];
