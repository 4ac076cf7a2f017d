import type { StageConfig } from "./config.ts";
import type { Feed } from "./feed.ts";
import { type Deployed, logicalName } from "./functions.ts";
import { projections } from "./state.ts";

interface Watched {
  readonly functions: readonly Deployed[];
  readonly feeds: { readonly arriving: Feed; readonly alerts: Feed };
  readonly gateway: sst.aws.ApiGatewayV2;
}

interface Signal {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: { readonly [name: string]: $util.Input<string> };
  readonly statistic: "Sum" | "Maximum" | "SampleCount";
}

/** When it rings: above a number (or below it) in so many minutes, of the last ones `of`. */
type Bound = ({ readonly above: number } | { readonly below: number }) & {
  readonly minutes: number;
  /** As many as `minutes` where it is left out. */
  readonly of?: number;
  /** Also where nothing is said at all: of what must happen on the quietest day. */
  readonly orSilent?: true;
};

const atOnce: Bound = { above: 0, minutes: 1 };

/**
 * An alarm for everything that a person has to know, all to one topic, and a dashboard of the numbers behind them. What each means and what to
 * do is in RUNBOOK.md under the alarm's name.
 *
 * No data is no alarm: on a quiet day nothing happens. But a checkpoint is published, every projection looks for one, SLOs are evaluated, and incidents are looked after, on any day.
 *
 * @returns what tells of each function that it is bad, which also stops its release.
 */
export function createAlarms(config: StageConfig, { functions, feeds, gateway }: Watched) {
  const topic = new aws.sns.Topic("Alarms", { name: `${config.name}-alarms` });
  if (config.alarmEmail !== undefined)
    new aws.sns.TopicSubscription("AlarmsEmail", { topic: topic.arn, protocol: "email", endpoint: config.alarmEmail });

  const alarm = (name: string, says: string, signal: Signal, bound: Bound): aws.cloudwatch.MetricAlarm =>
    new aws.cloudwatch.MetricAlarm(`${logicalName(name)}Alarm`, {
      name: `${config.name}-${name}`,
      alarmDescription: `${says} What to do: stacks/RUNBOOK.md, ${name}.`,
      namespace: signal.namespace,
      metricName: signal.metric,
      dimensions: signal.dimensions,
      statistic: signal.statistic,
      ...("above" in bound
        ? { comparisonOperator: "GreaterThanThreshold", threshold: bound.above }
        : { comparisonOperator: "LessThanThreshold", threshold: bound.below }),
      period: 60,
      datapointsToAlarm: bound.minutes,
      evaluationPeriods: bound.of ?? bound.minutes,
      treatMissingData: bound.orSilent ? "breaching" : "notBreaching",
      alarmActions: [topic.arn],
      okActions: [topic.arn],
    });

  const own = (metric: string, dimensions = {}): Signal => ({
    namespace: "tooltrail",
    metric,
    dimensions: { service: config.name, ...dimensions },
    statistic: metric.endsWith("Ms") ? "Maximum" : "Sum",
  });
  const behind = projections.map((projection) => ({ projection, signal: own("FollowerLagMs", { projection }) }));
  const halted = alarm("log-halted", "The log is not what it must be, and stands still.", own("LogHalted"), atOnce);
  const refused = alarm(
    "api-failures",
    "Queries or commands were answered with 5xx.",
    {
      namespace: "AWS/ApiGateway",
      metric: "5xx",
      dimensions: { ApiId: gateway.nodes.api.id },
      statistic: "Sum",
    },
    atOnce,
  );

  // A call that stores nothing, or refuses everything, has still not failed as far as Lambda can see.
  const ofResults: { readonly [name in Deployed["name"]]: readonly aws.cloudwatch.MetricAlarm[] } = {
    ingest: [
      alarm("ingest-retries", "Events could not be stored and are tried again.", own("IngestRetry"), {
        above: 0,
        // A message comes back after six minutes: one alone that fails each time is three of them.
        minutes: 3,
        of: 20,
      }),
      alarm("ingest-faults", "Ingest failed in a way that it does not know.", own("IngestFault"), atOnce),
      alarm("quarantine", "Inputs are refused in numbers.", own("Quarantined"), { above: 25, minutes: 5 }),
      alarm("integrity", "A batch was refused under a number that is taken.", own("IntegrityConflict"), atOnce),
    ],
    api: [refused],
    watch: [],
    sequence: [
      halted,
      // Lambda counts no error: the function answers that all is to come again.
      alarm("sequence-retries", "Batches could not be sequenced and are tried again.", own("SequenceRetry"), {
        above: 0,
        minutes: 3,
        of: 20,
      }),
    ],
    reconcile: [halted],
    sign: [halted],
    follow: [halted],
    evaluate: [halted],
    triage: [],
    respond: [
      halted,
      alarm("notices-given-up", "What somebody was to be told was given up.", own("NoticesGivenUp"), atOnce),
    ],
    incidents: [refused],
  };
  const gates = functions.map(({ name, fn, atOnce: reserved }) => ({
    name,
    alarms: [
      ...ofResults[name],
      alarm(`${name}-errors`, "The function failed, or ran out of time.", ofFunction(fn, "Errors"), atOnce),
      // One that runs once at a time turns wake-ups away while it does, which is meant. Whether it gets anything done is asked below.
      ...(reserved !== undefined
        ? []
        : [
            alarm(`${name}-throttles`, "Lambda had no room for the function.", ofFunction(fn, "Throttles"), {
              above: 0,
              minutes: 5,
            }),
          ]),
    ],
  }));

  // A quiet log is signed again every ten minutes.
  alarm("sign-stale", "No checkpoint was published for 20 minutes.", own("CheckpointsPublished"), {
    below: 1,
    minutes: 20,
    orSilent: true,
  });
  alarm("witness", "A witness does not sign.", own("WitnessFailed"), { above: 0, minutes: 2, of: 30 });
  // Each says how it stands once a minute, or at the end of five minutes' work.
  for (const { projection, signal } of behind)
    alarm(`follow-behind-${projection}`, "A projection is five minutes behind the log, or nobody follows.", signal, {
      above: 300_000,
      minutes: 10,
      orSilent: true,
    });
  // Tooltrail's own SLOs are always there, so that it says a number above zero once a minute.
  alarm("evaluate-silent", "No SLO was evaluated for five minutes.", own("SlosEvaluated"), {
    below: 1,
    minutes: 5,
    orSilent: true,
  });
  alarm("emitter-gap", "Batches that an emitter has numbered have not come.", own("EmitterGaps"), atOnce);
  // Each look says how many notices are done, and be it none: how often it is said is how many looks there were.
  alarm(
    "respond-silent",
    "Nobody has looked after incidents for five minutes.",
    { ...own("NoticesDone"), statistic: "SampleCount" },
    { below: 1, minutes: 5, orSilent: true },
  );
  // A destination that is down is tried again each ten minutes at most; one failure among others is nothing to get up for.
  alarm("notices-failing", "A destination does not take what it is told.", own("NoticesFailed"), {
    above: 0,
    minutes: 3,
    of: 30,
  });
  alarm("escalation-exhausted", "All were told of an incident, and nobody came.", own("EscalationExhausted"), atOnce);

  const fed = [
    { feed: feeds.arriving, by: "ingest", what: "Events", undelivered: "bus-dead", seconds: 900 },
    // A page that is late by that is late.
    { feed: feeds.alerts, by: "triage", what: "Alerts", undelivered: "triage-bus-dead", seconds: 300 },
  ];
  for (const { feed, by, what, undelivered, seconds } of fed) {
    for (const [name, dead] of [
      [`${by}-dead`, feed.dead],
      [undelivered, feed.undelivered],
    ] as const)
      alarm(
        name,
        `${what} could not be worked off and wait for a person.`,
        ofQueue(dead, "ApproximateNumberOfMessagesVisible"),
        atOnce,
      );
    alarm(`${by}-behind`, `${what} wait to be worked off.`, ofQueue(feed.queue, "ApproximateAgeOfOldestMessage"), {
      above: seconds,
      minutes: 5,
    });
    alarm(
      `${what.toLowerCase()}-lost`,
      `${what} reached neither the queue nor its dead-letter queue.`,
      {
        namespace: "AWS/Events",
        metric: "InvocationsFailedToBeSentToDlq",
        dimensions: {
          EventBusName: feed.rule.eventBusName.apply((name) => name ?? "default"),
          RuleName: feed.rule.name,
        },
        statistic: "Sum",
      },
      atOnce,
    );
  }
  for (const { name, fn } of functions.filter(({ name }) => ["watch", "sequence"].includes(name)))
    alarm(`${name}-behind`, "What the ledger's stream brings waits unread.", ofFunction(fn, "IteratorAge", "Maximum"), {
      above: 15 * 60_000,
      minutes: 5,
    });

  const shown = [
    { title: "Stored", signals: [own("RecordsStored"), own("BatchStored"), own("BatchDuplicate")] },
    {
      title: "Refused",
      signals: [own("Quarantined"), own("IntegrityConflict"), own("IngestRetry"), own("IngestFault")],
    },
    {
      title: "Waiting",
      signals: fed.flatMap(({ feed: { queue, dead, undelivered } }) => [
        ofQueue(queue, "ApproximateAgeOfOldestMessage"),
        ...[queue, dead, undelivered].map((one) => ofQueue(one, "ApproximateNumberOfMessagesVisible")),
      ]),
    },
    { title: "Log", signals: [own("LeavesSequenced"), own("CheckpointsPublished"), own("BatchesReconciled")] },
    {
      title: "Log, what is wrong",
      signals: [own("LogHalted"), own("SequenceRetry"), own("WitnessFailed"), own("EmitterGaps")],
    },
    { title: "Projections, milliseconds behind", signals: behind.map(({ signal }) => signal) },
    // Each evaluation says how many fire then.
    { title: "Error budgets", signals: [{ ...own("AlertsFiring"), statistic: "Maximum" }, own("SlosEvaluated")] },
    {
      title: "Incidents",
      signals: [own("AlertsTriaged"), own("IncidentsOpened"), own("EscalationExhausted")],
    },
    { title: "Notices", signals: [own("NoticesDone"), own("NoticesFailed"), own("NoticesGivenUp")] },
    { title: "Runs", signals: functions.map(({ fn }) => ofFunction(fn, "Invocations")) },
    {
      title: "Failures",
      signals: functions.flatMap(({ fn }) => [ofFunction(fn, "Errors"), ofFunction(fn, "Throttles")]),
    },
    { title: "Milliseconds, slowest", signals: functions.map(({ fn }) => ofFunction(fn, "Duration", "Maximum")) },
  ];
  new aws.cloudwatch.Dashboard("Dashboard", {
    dashboardName: config.name,
    dashboardBody: $jsonStringify({
      widgets: shown.map(({ title, signals }, index) => ({
        type: "metric",
        x: (index % 2) * 12,
        y: Math.floor(index / 2) * 6,
        width: 12,
        height: 6,
        properties: {
          title,
          region: aws.getRegionOutput().region,
          period: 60,
          metrics: signals.map(({ namespace, metric, dimensions, statistic }) => [
            namespace,
            metric,
            ...Object.entries(dimensions).flat(),
            { stat: statistic },
          ]),
        },
      })),
    }),
  });

  return { topic, gates };
}

const ofFunction = (fn: sst.aws.Function, metric: string, statistic: Signal["statistic"] = "Sum"): Signal => ({
  namespace: "AWS/Lambda",
  metric,
  dimensions: { FunctionName: fn.name },
  statistic,
});

const ofQueue = (queue: sst.aws.Queue, metric: string): Signal => ({
  namespace: "AWS/SQS",
  metric,
  dimensions: { QueueName: queue.nodes.queue.name },
  statistic: "Maximum",
});
