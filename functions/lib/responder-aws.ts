import { dynamo } from "@tooltrail/aws/dynamo";
import { dynamoPrincipals } from "@tooltrail/aws/dynamo-principals";
import { secretValues } from "@tooltrail/aws/secret-values";
import { sesMail } from "@tooltrail/aws/ses-mail";
import { snsTopics } from "@tooltrail/aws/sns-topics";
import { keepDraft, keepTicket } from "@tooltrail/core/postmortem/keep";
import { busConfig, demand, ledgerConfig, logConfig, logKeysConfig, responseConfig, stateConfig } from "./config.ts";
import { fetchHttp } from "./http.ts";
import type { Responder } from "./incident-parts.ts";
import { evaluator, reader } from "./log-aws.ts";
import { once } from "./once.ts";

const now = Date.now;

const principals = once(() => dynamoPrincipals(dynamo(), stateConfig().stateTable));

const ways = once(() => ({
  http: fetchHttp(),
  secrets: secretValues(responseConfig().responseSecret, now),
  mail: sesMail(),
  topics: snsTopics(),
  now,
}));

export async function responder(): Promise<Responder> {
  demand(responseConfig, logConfig, logKeysConfig, ledgerConfig, busConfig);
  const { ledger, events, projections } = await evaluator();
  const log = (await reader())();
  return {
    projections,
    events,
    principals: principals(),
    ways: ways(),
    destinations: [],
    random: Math.random,
    now,
    startedAtMs: 0, // the queue takes, whatever becomes of a function
    draft: (incident) => keepDraft({ ledger, projections, log }, incident, now()),
    ticket: (incident, destination) => keepTicket({ projections, ways: ways(), nowMs: now() }, incident, destination),
  };
}
