import { type PipelineEvent, pipelineSource } from "@tooltrail/format";
import type { StageConfig } from "./config.ts";
import { type Deployed, logicalName } from "./functions.ts";

/**
 * What calls a function that sees for itself what there is to do: the clock, and whatever of the pipeline's own events says that there is something.
 *
 * A wake-up carries nothing, so one that is lost, late or refused is not tried again: the clock's comes in its time.
 */
export function callEach(
  config: StageConfig,
  called: Deployed,
  clock: "rate(1 minute)" | "rate(1 hour)",
  wokenBy?: { readonly bus: sst.aws.Bus; readonly type: PipelineEvent["type"] },
): void {
  if (wokenBy) wake(config, called, wokenBy);
  schedule(config, called, clock);
  new aws.lambda.FunctionEventInvokeConfig(`${logicalName(called.name)}Once`, {
    functionName: called.fn.name,
    qualifier: called.live.name,
    // The least that Lambda takes. Waiting for the one that runs is of no use either: it sees everything that is there when it reads.
    maximumEventAgeInSeconds: 60,
    maximumRetryAttempts: 0,
  });
}

function wake(
  config: StageConfig,
  woken: Deployed,
  { bus, type }: { readonly bus: sst.aws.Bus; readonly type: PipelineEvent["type"] },
): void {
  const rule = new aws.cloudwatch.EventRule(`${logicalName(woken.name)}Rule`, {
    name: `${config.name}-${woken.name}`,
    description: `${type} wakes ${woken.name}.`,
    eventBusName: bus.name,
    eventPattern: JSON.stringify({ source: [pipelineSource], "detail-type": [type] }),
  });
  call(`${logicalName(woken.name)}Woken`, woken, rule, bus.name);
}

function schedule(config: StageConfig, called: Deployed, scheduleExpression: string): void {
  const rule = new aws.cloudwatch.EventRule(`${logicalName(called.name)}Clock`, {
    name: `${config.name}-${called.name}-clock`,
    description: `${called.name} by the clock.`,
    scheduleExpression,
  });
  call(`${logicalName(called.name)}Clocked`, called, rule);
}

function call(id: string, { live, fn }: Deployed, rule: aws.cloudwatch.EventRule, eventBusName?: $util.Input<string>) {
  const permission = new aws.lambda.Permission(`${id}Permission`, {
    function: fn.name,
    qualifier: live.name,
    action: "lambda:InvokeFunction",
    principal: "events.amazonaws.com",
    sourceArn: rule.arn,
  });
  new aws.cloudwatch.EventTarget(
    id,
    {
      rule: rule.name,
      ...(eventBusName !== undefined && { eventBusName }),
      arn: live.arn,
      retryPolicy: { maximumEventAgeInSeconds: 60, maximumRetryAttempts: 1 },
    },
    { dependsOn: [permission] },
  );
}
