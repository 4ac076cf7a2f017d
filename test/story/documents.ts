import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Listeners } from "./listeners.ts";

/** Writes how the team of the orders responds, and what only the pipeline may know, as its people would. @returns secrets that are given by the environment. */
export function writeDocuments(data: string, listeners: Listeners): { readonly [name: string]: string } {
  const response = join(data, "response");
  const secrets = join(data, "secrets");
  for (const folder of [response, secrets]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { pager, manager, chat, issues, executor, timeline } = listeners;
  const files = { "destinations.yaml": destinations(listeners), "policy.yaml": policy, "runbooks.yaml": runbooks };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(response, name), text);
  const kept = {
    "orders-pager": pager.routingKey,
    "managers-pager": manager.routingKey,
    "orders-chat": chat.url,
    "timeline-key": timeline.signingKey,
  };
  for (const [name, text] of Object.entries(kept)) writeFileSync(join(secrets, name), `${text}\n`, { mode: 0o600 });
  return { TOOLTRAIL_SECRET_ISSUES_TOKEN: issues.token, TOOLTRAIL_SECRET_EXECUTOR_KEY: executor.signingKey };
}

const destinations = ({ pager, manager, executor, timeline, issues }: Listeners): string => `kind: Destination
name: pager
type: pagerduty
url: ${pager.url}
routingKey: { secret: orders-pager }
---
kind: Destination
name: managers
type: pagerduty
url: ${manager.url}
routingKey: { secret: managers-pager }
---
kind: Destination
name: chat
type: slack
url: { secret: orders-chat }
---
kind: Destination
name: timeline
type: webhook
url: ${timeline.url}
signingKey: { secret: timeline-key }
---
kind: Destination
name: executor
type: webhook
url: ${executor.url}
signingKey: { secret: executor-key }
---
kind: Destination
name: issues
type: github
url: ${new URL(issues.url).origin}
repository: ${issues.repository}
token: { secret: issues-token }
labels: [postmortem]
`;

const policy = `kind: ResponsePolicy
name: orders
environment: production
server: orders
levels:
  - targets: [chat, pager, timeline]
    waitMinutes: 5
  - targets: [managers, chat]
    waitMinutes: 15
rounds: 5
acknowledgedForMinutes: 30
tickets: [issues]
executors: [executor]
`;

/** One that fits 2.0.0, and three that do not, or not as well. */
const runbooks = `kind: Runbook
name: orders-1
server: orders
versions: ">=1.0.0 <2.0.0"
rollbackTo: 0.9.9
steps: ["Deploy orders 0.9.9."]
---
kind: Runbook
name: orders-2
server: orders
versions: ">=2.0.0 <3"
rollbackTo: 1.4.0
steps: ["Ask whoever has released it."]
---
kind: Runbook
name: orders-2-0-0
server: orders
environment: production
versions: ">=2.0.0 <2.0.1"
rollbackTo: 1.4.0
steps:
  - Deploy orders 2.0.1 if it is ready, else 1.4.0.
  - Wait until tooltrail inventory servers shows no new calls of 2.0.0.
owner: on-call engineer of orders
---
kind: Runbook
name: billing-2
server: billing
versions: ">=2.0.0 <2.0.1"
rollbackTo: 1.9.4
steps: ["Deploy billing 1.9.4."]
`;
