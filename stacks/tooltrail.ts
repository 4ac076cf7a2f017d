import { createAlarms } from "./alarms.ts";
import { createApi } from "./api.ts";
import { createBudgets } from "./budgets.ts";
import { createBus, sealBus } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createGateway } from "./gateway.ts";
import { createIncidents } from "./incidents.ts";
import { createStores, sealLedger } from "./ledger.ts";
import { createLog } from "./log.ts";
import { createLogBucket, sealLogBucket } from "./log-bucket.ts";
import { createLogKeys, sealLogKeys } from "./log-keys.ts";
import { createLogSite } from "./log-site.ts";
import { createPipeline } from "./pipeline.ts";
import { createReleases } from "./release.ts";
import { sealState } from "./state.ts";

/** The whole of one stage. @returns what a person needs to go on from here; SST prints it. */
export function tooltrail(config: StageConfig) {
  const { bus, emitterPolicyArn } = createBus(config);
  const stores = createStores(config);
  const { accountId: account } = aws.getCallerIdentityOutput();
  const environment = {
    TOOLTRAIL_LEDGER_TABLE: stores.ledger.name,
    TOOLTRAIL_STATE_TABLE: stores.state.name,
    TOOLTRAIL_KEYS_SECRET: stores.keys.arn,
    TOOLTRAIL_BUS: bus.name,
    TOOLTRAIL_ACCOUNT: account,
  };
  const stored = createLogBucket(config);
  const { bucket } = stored;
  const logKeys = createLogKeys(config);
  const place = { TOOLTRAIL_STATE_TABLE: stores.state.name, TOOLTRAIL_LOG_BUCKET: bucket.bucket };
  const signers = {
    TOOLTRAIL_LOG_ORIGIN:
      config.log.origin ?? $interpolate`tooltrail.aws/${account}/${aws.getRegionOutput().region}/${config.name}`,
    TOOLTRAIL_LOG_KEYS: logKeys.told,
  };

  const { ingest, watch, arriving } = createPipeline(config, { ...stores, bus, environment });
  const log = { ...stores, bus, bucket, logKeys, environment: { place, signers } };
  const { sequence, reconcile, sign, follow } = createLog(config, log);
  const { evaluate } = createBudgets(config, log);
  const api = createApi(config, { ...log, environment: { ...environment, ...place, ...signers } });
  const { triage, respond, incidents, alerts } = createIncidents(config, {
    ...log,
    environment: { own: environment, place, signers },
  });
  const { gateway, readerPolicyArn } = createGateway(config, { bucket, answering: { api, incidents } });
  const site = createLogSite(config, bucket);

  const sequencers = [sequence.fn, reconcile.fn];
  sealLedger(config, stores.ledger, [ingest.fn, api.fn, incidents.fn]);
  sealState(stores.state, {
    sequencers,
    signer: sign.fn,
    follower: follow.fn,
    api: api.fn,
    evaluator: evaluate.fn,
    triager: triage.fn,
    responder: respond.fn,
    incidents: incidents.fn,
  });
  sealLogBucket(config, stored, { sequencers, signer: sign.fn, site });
  sealLogKeys(config, logKeys.keys, sign.fn);
  const functions = [ingest, api, watch, sequence, reconcile, sign, follow, evaluate, triage, respond, incidents];
  sealBus(
    bus,
    functions.map(({ fn }) => fn),
  );

  const { topic, gates } = createAlarms(config, { functions, feeds: { arriving, alerts }, gateway });
  createReleases(config, functions, gates);

  return {
    bus: bus.name,
    logUrl: $interpolate`https://${config.log.domain?.name ?? site.domainName}/log/`,
    logSite: site.domainName,
    logBucket: bucket.bucket,
    logOrigin: signers.TOOLTRAIL_LOG_ORIGIN,
    api: gateway.url,
    keysSecret: stores.keys.name,
    responseSecret: stores.response.name,
    emitterPolicyArn,
    readerPolicyArn,
    alarmTopicArn: topic.arn,
  };
}
