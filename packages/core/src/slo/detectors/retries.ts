import { detector } from "./detector.ts";

/** Retries by which every client may exceed its calls: the retry budget of Google's SRE book, chapter 21. */
const maxPercent = 10;
const stormMinutes = 5;
const stormAttempts = 20;
/** Retries above the tenth. A server that repeats five of a hundred, and is healthy, comes to so many less than once in thirty weeks, whatever its traffic; of seven, up to four times a week. */
const stormExcess = 8;

/**
 * Over a tenth of the attempts are retries, for five minutes on end.
 *
 * The run begins with the first minute that has too many. It ends with a minute that has no traffic, and as soon as over all of it the retries are no longer too many. A run whose
 * sample is too small yet goes on until it is large enough: a quiet server is judged later, not never.
 */
export const retryStorm = detector(
  {
    name: "retry_storm",
    severity: "ticket",
    failureMode: "C5",
    method: "retries among attempts, in a run of minutes each of which has traffic",
    threshold: "over 10 % since the run began, for 5 minutes or more",
    minimumSample: "20 attempts, and 8 retries more than a tenth of them",
  },
  {
    weigh({ attempts = 0, retries = 0 }, { cell }) {
      // In hundredths of a retry, which are whole numbers: at a tenth exactly, nothing is left.
      const excess = attempts > 0 ? retries * 100 - attempts * maxPercent : Number.NEGATIVE_INFINITY;
      const usualPart = cell.attempts ? (cell.retries ?? 0) / cell.attempts : 0;
      return { excess, sample: attempts, observed: retries, expected: usualPart * attempts };
    },
    restarts: true,
    judge({ excess, minutes, sample, observed, expected }) {
      if (minutes < stormMinutes || sample < stormAttempts || excess < stormExcess * 100) return undefined;
      return {
        observed,
        expected,
        threshold: (sample * maxPercent) / 100,
        sample,
        detail: `${observed} of ${sample} attempts within ${minutes} min were retries, over ${maxPercent} %: callers repeat without enough backoff, or what they call keeps failing.`,
      };
    },
  },
);

/** The K of client-side throttling in the same chapter: beyond it, a client had better drop attempts than make them. */
const maxPerAccepted = 2;
const amplifiedMinutes = 2;
const amplifiedAttempts = 100;

/** Attempts are over twice what the server accepted, for two minutes on end, by the same rules. So they are where over half fail and nobody repeats: then, too, fewer should come. */
export const retryAmplification = detector(
  {
    name: "retry_amplification",
    severity: "page",
    failureMode: "C5",
    method: "attempts against those that the server accepted, in a run of minutes each of which has traffic",
    threshold: "over twice as many since the run began, for 2 minutes or more",
    minimumSample: "100 attempts",
  },
  {
    weigh({ attempts = 0, rejected = 0 }) {
      const excess = attempts > 0 ? attempts - maxPerAccepted * (attempts - rejected) : Number.NEGATIVE_INFINITY;
      return { excess, sample: attempts, observed: attempts, expected: attempts - rejected };
    },
    restarts: true,
    judge({ minutes, sample, observed, expected: accepted }) {
      if (minutes < amplifiedMinutes || sample < amplifiedAttempts) return undefined;
      return {
        observed,
        expected: accepted,
        threshold: accepted * maxPerAccepted,
        sample,
        detail: `${sample} attempts within ${minutes} min, of which the server accepted ${accepted}: it is asked over twice as often as it can answer. Shed or pause callers before anything else.`,
      };
    },
  },
);
