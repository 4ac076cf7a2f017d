import { type GitHub, startGitHub } from "../support/destinations/github.ts";
import { type PagerDuty, startPagerDuty } from "../support/destinations/pagerduty.ts";
import { type Slack, startSlack } from "../support/destinations/slack.ts";
import { startWebhook, type WebhookReceiver } from "../support/destinations/webhook.ts";

/** Everybody who is told of the incident, each on a port of loopback. */
export interface Listeners {
  readonly pager: PagerDuty;
  /** Whom the second level calls. */
  readonly manager: PagerDuty;
  readonly chat: Slack;
  /** Is told everything. */
  readonly timeline: WebhookReceiver;
  /** Carries actions out. */
  readonly executor: WebhookReceiver;
  readonly issues: GitHub;
  stop(): Promise<void>;
}

/** @param now of the story: signatures are of its time. */
export async function startListeners(now: () => number): Promise<Listeners> {
  const key = (byte: number): string => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;
  const listeners = {
    pager: await startPagerDuty("0rders0pager0of0thirty0two0chars"),
    manager: await startPagerDuty("managers0pager0of0thirty0two0chs"),
    chat: await startSlack(),
    timeline: await startWebhook(now, key(1)),
    executor: await startWebhook(now, key(2)),
    issues: await startGitHub("github_pat_of_orders", "acme/orders"),
  };
  return {
    ...listeners,
    stop: async () => void (await Promise.all(Object.values(listeners).map((one) => one.stop()))),
  };
}
