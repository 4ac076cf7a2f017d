import type { StageConfig } from "./config.ts";
import type { Deployed } from "./functions.ts";

interface Gate {
  readonly name: Deployed["name"];
  readonly alarms: readonly aws.cloudwatch.MetricAlarm[];
}

/**
 * What moves the alias `live` of a function from one version to the next: a tenth of its calls for ten minutes, then all of them, and back at
 * once when one of its alarms rings. `npm run release` starts it; see README.md.
 */
export function createReleases(config: StageConfig, functions: readonly Deployed[], gates: readonly Gate[]) {
  const application = new aws.codedeploy.Application("Releases", { name: config.name, computePlatform: "Lambda" });

  const role = new aws.iam.Role("ReleaseRole", {
    name: `${config.name}-release`,
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "codedeploy.amazonaws.com" }),
  });
  new aws.iam.RolePolicy("ReleasePolicy", {
    role: role.name,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"],
          resources: functions.flatMap(({ fn }) => [fn.arn, $interpolate`${fn.arn}:*`]),
        },
        // It lists, and what lists has no resource.
        { actions: ["cloudwatch:DescribeAlarms"], resources: ["*"] },
      ],
    }).json,
  });

  for (const { name, alarms } of gates)
    new aws.codedeploy.DeploymentGroup(`Release-${name}`, {
      appName: application.name,
      deploymentGroupName: name,
      serviceRoleArn: role.arn,
      deploymentConfigName: "CodeDeployDefault.LambdaCanary10Percent10Minutes",
      deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
      alarmConfiguration: { enabled: true, alarms: alarms.map((alarm) => alarm.name) },
      autoRollbackConfiguration: { enabled: true, events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"] },
    });
}
