import { createAlarms } from "./alarms.ts";
import { createApi } from "./api.ts";
import { createBus, sealBus } from "./bus.ts";
import type { StageConfig } from "./config.ts";
import { createStores, sealLedger } from "./ledger.ts";
import { createPipeline } from "./pipeline.ts";
import { createReleases } from "./release.ts";

/** The whole of one stage. @returns what a person needs to go on from here; SST prints it. */
export function tooltrail(config: StageConfig) {
  const { bus, emitterPolicyArn } = createBus(config);
  const stores = createStores(config);
  const environment = {
    TOOLTRAIL_LEDGER_TABLE: stores.ledger.name,
    TOOLTRAIL_STATE_TABLE: stores.state.name,
    TOOLTRAIL_KEYS_SECRET: stores.keys.arn,
    TOOLTRAIL_BUS: bus.name,
    TOOLTRAIL_ACCOUNT: aws.getCallerIdentityOutput().accountId,
  };

  const { ingest, watch, queue, busDead, ingestDead, rule } = createPipeline(config, { ...stores, bus, environment });
  const { api, gateway, readerPolicyArn } = createApi(config, { ...stores, bus, environment });
  sealLedger(config, stores.ledger, [ingest.fn, api.fn]);
  sealBus(bus, [ingest.fn, api.fn, watch.fn]);

  const functions = [ingest, api, watch];
  const deadQueues = { "bus-dead": busDead, "ingest-dead": ingestDead };
  const { topic, gates } = createAlarms(config, { functions, queue, deadQueues, rule, gateway });
  createReleases(config, functions, gates);

  return {
    bus: bus.name,
    api: gateway.url,
    keysSecret: stores.keys.name,
    emitterPolicyArn,
    readerPolicyArn,
    alarmTopicArn: topic.arn,
  };
}
