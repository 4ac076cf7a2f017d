import type { Evaluation, Resource } from "./evaluate.ts";
import {
  allows,
  functions,
  grants,
  isAbout,
  isRoleOf,
  matches,
  ofType,
  type Request,
  refusals,
  refuses,
  resourcePolicies,
  somebody,
} from "./policies.ts";

/** What must hold of the log on AWS. Like all rules, they look for resources by type. */
export const logRules: { readonly [what: string]: (evaluation: Evaluation) => string[] } = {
  "only the signer signs": (evaluation) =>
    keys(evaluation).flatMap(({ name, arn, inputs }) => {
      const sign: Request = { action: "kms:Sign", resource: arn, context: howToSign };
      const roles = ofType(evaluation, "aws:iam/role:Role");
      const letsIn = resourcePolicies(evaluation).filter(
        ({ effect, actions, resources }) =>
          effect === "Allow" &&
          resources.includes(arn) &&
          actions.some((action) => ["kms:Sign", "kms:CreateGrant"].some((one) => matches(action, one))),
      );
      const signers = letsIn.flatMap(({ condition }) => condition?.StringEquals?.["aws:PrincipalArn"] ?? ["everybody"]);
      return [
        ...(inputs.customerMasterKeySpec === "ECC_NIST_EDWARDS25519" && inputs.keyUsage === "SIGN_VERIFY"
          ? []
          : [`${name} is of another kind`]),
        ...refusals(evaluation, sign, isRoleOf(evaluation, "sign")).map((wrong) => `${name} ${wrong}`),
        ...(signers.length === 1 && isRoleOf(evaluation, "sign")(signers[0] ?? "")
          ? []
          : [`${name} lets in ${signers}`]),
        ...(letsIn.every((statement) => !isAbout(statement, { ...sign, context: otherwise(statement) }))
          ? []
          : [`${name} signs in any way`]),
        ...(refuses(evaluation, somebody, { ...sign, action: "kms:CreateGrant" }) ? [] : [`${name} can be passed on`]),
        ...roles
          .filter((role) => !isRoleOf(evaluation, "sign")(role.arn) && allows(evaluation, role.name, sign))
          .map((role) => `${role.name} may sign`),
      ];
    }),

  "what a log cannot go on without stays in production": (evaluation) =>
    evaluation.app.removal === "remove"
      ? []
      : [...keys(evaluation), ...buckets(evaluation)].flatMap(({ name, arn, type, options }) => [
          ...(options.protect && options.retainOnDelete ? [] : [`${name} goes with its stage`]),
          ...(type.startsWith("aws:kms")
            ? ["kms:ScheduleKeyDeletion"]
            : ["s3:DeleteBucket", "s3:PutLifecycleConfiguration"]
          )
            .filter((action) => !refuses(evaluation, somebody, { action, resource: arn, context: {} }))
            .map((action) => `${name} takes ${action}`),
        ]),

  "tiles come from the sequencer alone, checkpoints from the signer alone, and nothing else from anybody": (
    evaluation,
  ) =>
    buckets(evaluation).flatMap(({ arn }) =>
      putsOf(evaluation, arn).flatMap(({ put, by }) => [
        ...refusals(evaluation, put, isRoleOf(evaluation, ...by)).map((wrong) => `${put.resource} ${wrong}`),
        ...ofType(evaluation, "aws:iam/role:Role")
          .filter((role) => allows(evaluation, role.name, put) !== isRoleOf(evaluation, ...by)(role.arn))
          .map((role) => `${role.name} ${allows(evaluation, role.name, put) ? "may" : "may not"} put ${put.resource}`),
      ]),
    ),

  "nothing in the log is overwritten": (evaluation) =>
    buckets(evaluation).flatMap(({ arn }) =>
      putsOf(evaluation, arn)
        .filter(({ by, put }) => by.length > 0 && !put.resource.endsWith("vkey"))
        .flatMap(({ put, by }) => {
          const { "s3:if-none-match": _, ...blind } = put.context;
          // The checkpoint is replaced, by who has seen the one before.
          const over = put.resource.endsWith("checkpoint") ? [blind] : [blind, { ...blind, "s3:if-match": ["etag"] }];
          return rolesOf(evaluation, by).flatMap(({ name, arn: role }) =>
            over
              .filter((context) => !refuses(evaluation, role, { ...put, context }))
              .map((context) => `${name} may put over ${put.resource} with ${Object.keys(context)}`),
          );
        }),
    ),

  "what is final is locked, in a bucket that keeps every version": (evaluation) =>
    buckets(evaluation).flatMap(({ name, arn, inputs }) => {
      const versions = ofType(evaluation, "aws:s3/bucketVersioning:BucketVersioning").filter(
        (one) => one.inputs.bucket === inputs.bucket && one.inputs.versioningConfiguration.status === "Enabled",
      );
      const lockDays = functions(evaluation).map((fn) => fn.inputs.environment?.variables?.TOOLTRAIL_LOG_LOCK_DAYS);
      const days = Number(lockDays.find(Boolean) ?? 0);
      const final = putsOf(evaluation, arn).filter(({ put }) => "s3:object-lock-mode" in put.context);
      const loose = [{}, { ...locked(days), "s3:object-lock-mode": ["GOVERNANCE"] }, locked(days - 2)];
      return [
        ...(inputs.objectLockEnabled === true ? [] : [`${name} knows no lock`]),
        ...(versions.length === 1 ? [] : [`${name} keeps no versions`]),
        ...(evaluation.app.removal === "remove" || days > 0 ? [] : [`${name} locks nothing`]),
        ...final.flatMap(({ put, by }) =>
          loose
            .filter(() => days > 0)
            .flatMap((lock) =>
              rolesOf(evaluation, by)
                .filter((role) => !refuses(evaluation, role.arn, { ...put, context: { ...written, ...lock } }))
                .map((role) => `${role.name} may put ${put.resource} with ${JSON.stringify(lock)}`),
            ),
        ),
      ];
    }),

  "nobody deletes from the log but the lifecycle, what is superseded or was never committed": (evaluation) =>
    buckets(evaluation).flatMap(({ name, arn, inputs }) => {
      const everything = [
        "log/tile/0/000",
        "log/tile/0/000.p/3",
        "log/tile/entries/000",
        "log/staged/x",
        "log/checkpoint",
      ];
      const principals = [...ofType(evaluation, "aws:iam/role:Role").map((role) => role.arn), somebody];
      const deletions = [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:BypassGovernanceRetention",
        "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging",
      ];
      const lifecycles = ofType(evaluation, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
        .filter((one) => one.inputs.bucket === inputs.bucket)
        .flatMap((one) => one.inputs.rules as Resource["inputs"][]);
      return [
        ...everything.flatMap((object) =>
          deletions
            .filter((action) =>
              principals.some(
                (principal) => !refuses(evaluation, principal, { action, resource: `${arn}/${object}`, context: {} }),
              ),
            )
            .map((action) => `${name} takes ${action} of ${object}`),
        ),
        ...grants(evaluation)
          .filter(({ action }) => deletions.some((deletion) => matches(action, deletion)))
          .map(({ role, action }) => `${role} may ${action}`),
        ...everything
          .filter((object) => !/\.p\/|staged/.test(object))
          .filter((object) => {
            const tag = { action: "s3:PutObjectTagging", resource: `${arn}/${object}`, context: {} };
            return principals.some((principal) => !refuses(evaluation, principal, tag));
          })
          .map((object) => `${object} can be tagged`),
        ...lifecycles
          .filter(({ expiration, noncurrentVersionExpiration }) => expiration?.days || noncurrentVersionExpiration)
          .filter(
            ({ filter }) =>
              !(filter?.tag?.key === "superseded" && filter.tag.value === "true") && filter?.prefix !== "log/staged/",
          )
          .map(({ id }) => `${name}: ${id} expires what is needed`),
        ...(lifecycles.some(({ filter }) => filter?.tag) ? [] : [`${name} keeps what is superseded`]),
      ];
    }),

  "the log's bucket is encrypted, and for its site alone, over TLS": (evaluation) =>
    buckets(evaluation).flatMap(({ name, arn, inputs }) => {
      const one = (type: string): Resource["inputs"] | undefined =>
        ofType(evaluation, type).find((part) => part.inputs.bucket === inputs.bucket)?.inputs;
      const block = one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock");
      const encryption = one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration");
      const sites = ofType(evaluation, "aws:cloudfront/distribution:Distribution").map((site) => site.arn);
      const plain: Request = {
        action: "s3:GetObject",
        resource: `${arn}/log/checkpoint`,
        context: { "aws:SecureTransport": ["false"] },
      };
      return [
        ...["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"]
          .filter((way) => block?.[way] !== true)
          .map((way) => `${name}: ${way}`),
        ...(encryption?.rules?.[0]?.applyServerSideEncryptionByDefault?.sseAlgorithm
          ? []
          : [`${name} is not encrypted`]),
        ...(refuses(evaluation, somebody, plain) ? [] : [`${name} takes plain HTTP`]),
        ...letIn(evaluation)
          .filter(
            ({ principals, actions, condition }) =>
              principals.join() !== "Service:cloudfront.amazonaws.com" ||
              actions.some((action) => !["s3:GetObject", "s3:ListBucket"].includes(action)) ||
              !sites.includes(condition?.StringEquals?.["aws:SourceArn"]?.[0] ?? ""),
          )
          .map(({ principals, actions }) => `${name} lets ${principals} ${actions}`),
      ];
    }),

  "the world may read hashes, and no records": (evaluation) =>
    buckets(evaluation).flatMap(({ arn }) => {
      const shown = (object: string): boolean =>
        letIn(evaluation).some(
          ({ actions, resources }) =>
            actions.includes("s3:GetObject") && resources.some((resource) => matches(resource, `${arn}/${object}`)),
        );
      return [
        ...["log/checkpoint", "log/vkey", "log/tile/0/x001/067", "log/tile/6/000.p/1"]
          .filter((object) => !shown(object))
          .map((object) => `${object} is hidden`),
        ...["log/tile/entries/000", "log/tile/entries/x001/067.p/9", "log/staged/x", "elsewhere"]
          .filter(shown)
          .map((object) => `${object} is shown`),
      ];
    }),

  "the site only reads, over TLS, by nothing but the path, and signs what it asks": (evaluation) =>
    ofType(evaluation, "aws:cloudfront/distribution:Distribution").flatMap(({ name, inputs }) => {
      const behaviour = inputs.defaultCacheBehavior;
      const caching = ofType(evaluation, "aws:cloudfront/cachePolicy:CachePolicy").find(
        (policy) => `${policy.name}-id` === behaviour.cachePolicyId,
      )?.inputs;
      const key = caching?.parametersInCacheKeyAndForwardedToOrigin;
      const access = ofType(evaluation, "aws:cloudfront/originAccessControl:OriginAccessControl");
      const wrong: { readonly [what: string]: boolean } = {
        "takes more than GET and HEAD": behaviour.allowedMethods.join() !== "GET,HEAD",
        "has other behaviours": inputs.orderedCacheBehaviors?.length > 0,
        "takes plain HTTP": behaviour.viewerProtocolPolicy !== "https-only",
        "takes old TLS":
          inputs.aliases?.length > 0 && inputs.viewerCertificate.minimumProtocolVersion !== "TLSv1.2_2021",
        "asks by query": key?.queryStringsConfig.queryStringBehavior !== "none",
        "asks by cookie": key?.cookiesConfig.cookieBehavior !== "none",
        "asks by header": key?.headersConfig.headerBehavior !== "none",
        "keeps what says nothing": caching?.minTtl !== 0 || caching?.defaultTtl !== 0,
        "keeps what is missing": ![403, 404].every((code) =>
          inputs.customErrorResponses?.some(
            (one: Resource["inputs"]) => one.errorCode === code && one.errorCachingMinTtl <= 1,
          ),
        ),
        "lists the bucket": !inputs.defaultRootObject,
        "does not sign": inputs.origins.some(
          (origin: Resource["inputs"]) =>
            !access.some(
              (one) => `${one.name}-id` === origin.originAccessControlId && one.inputs.signingBehavior === "always",
            ),
        ),
      };
      return Object.keys(wrong)
        .filter((what) => wrong[what])
        .map((what) => `${name} ${what}`);
    }),
};

const keys = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:kms/key:Key");
const buckets = (evaluation: Evaluation): Resource[] => ofType(evaluation, "aws:s3/bucket:Bucket");

/** Who is let in by a bucket itself. */
const letIn = (evaluation: Evaluation) =>
  resourcePolicies(evaluation).filter(({ type, effect }) => type.startsWith("aws:s3/") && effect === "Allow");

const rolesOf = (evaluation: Evaluation, names: readonly string[]): Resource[] =>
  ofType(evaluation, "aws:iam/role:Role").filter(({ arn }) => isRoleOf(evaluation, ...names)(arn));

const howToSign = { "kms:SigningAlgorithm": ["ED25519_SHA_512"], "kms:MessageType": ["RAW"] };
/** By whom a statement lets sign, but another message than ours. */
const otherwise = ({
  condition,
}: {
  condition?: { [test: string]: { [variable: string]: readonly string[] } } | undefined;
}) => ({
  "aws:PrincipalArn": condition?.StringEquals?.["aws:PrincipalArn"] ?? [],
  "kms:SigningAlgorithm": ["ED25519_SHA_512"],
  "kms:MessageType": ["DIGEST"],
});

const written = { "s3:if-none-match": ["*"] };
const locked = (days: number) => ({
  "s3:object-lock-mode": ["COMPLIANCE"],
  "s3:object-lock-remaining-retention-days": [String(days)],
});

/** An object of each kind, put as it should be, and who puts it. */
function putsOf(evaluation: Evaluation, bucket: string): { put: Request; by: string[] }[] {
  const lockDays = functions(evaluation).map((fn) => fn.inputs.environment?.variables?.TOOLTRAIL_LOG_LOCK_DAYS);
  const final = { ...written, ...locked(Number(lockDays.find(Boolean) ?? 0)) };
  const sequencers = ["sequence", "reconcile"];
  return [
    { object: "log/tile/0/x001/067", by: sequencers, context: final },
    { object: "log/tile/entries/000", by: sequencers, context: final },
    { object: "log/tile/0/000.p/3", by: sequencers, context: written },
    { object: "log/tile/entries/x001/067.p/255", by: sequencers, context: written },
    { object: "log/staged/abc", by: sequencers, context: written },
    { object: "log/checkpoint", by: ["sign"], context: { "s3:if-none-match": ["*"] } },
    { object: "log/vkey", by: ["sign"], context: {} },
    { object: "log/another", by: [], context: final },
    { object: "elsewhere", by: [], context: final },
  ].map(({ object, by, context }) => ({
    put: { action: "s3:PutObject", resource: `${bucket}/${object}`, context },
    by,
  }));
}
