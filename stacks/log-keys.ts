import type { StageConfig } from "./config.ts";

/**
 * The keys that sign checkpoints, one for each generation up to the stage's: Ed25519, in KMS, which never gives one away.
 *
 * A former generation stays: whoever deletes it makes nothing forgotten, and can no longer prove that it was never used again. @returns them oldest first,
 * and what the functions are told of them.
 */
export function createLogKeys(config: StageConfig) {
  const { keyGeneration, formerKeyUntil } = config.log;
  const kept = { protect: config.production, retainOnDelete: config.production };
  const keys = Array.from({ length: keyGeneration }, (_, i) => {
    const key = new aws.kms.Key(
      `LogKey${i + 1}`,
      {
        description: `${config.name}: signs checkpoints of the log, generation ${i + 1}`,
        customerMasterKeySpec: "ECC_NIST_EDWARDS25519",
        keyUsage: "SIGN_VERIFY",
        deletionWindowInDays: config.production ? 30 : 7,
      },
      kept,
    );
    new aws.kms.Alias(`LogKey${i + 1}Alias`, { name: `alias/${config.name}-log-${i + 1}`, targetKeyId: key.keyId });
    return key;
  });
  // Those before the last two sign nothing any more.
  const [former, current] = [undefined, ...keys].slice(-2);
  const told = former ? $interpolate`${current?.arn},${former.arn}@${formerKeyUntil}` : $interpolate`${current?.arn}`;
  const inUse = [current, former].filter((key) => key !== undefined);
  return { keys, inUse, told };
}

/**
 * Who may do what with them, which for a key nothing but its own policy says: the signer signs, and nobody else, root and administrators included, unless they
 * change this policy, in one call that CloudTrail keeps. Public keys are for every role that is allowed to ask.
 */
export function sealLogKeys(config: StageConfig, keys: readonly aws.kms.Key[], signer: sst.aws.Function) {
  const account = aws.getCallerIdentityOutput().accountId;
  const ours = [{ type: "AWS", identifiers: [$interpolate`arn:aws:iam::${account}:root`] }];
  const everybody = [{ type: "*", identifiers: ["*"] }];
  const theSigner = (test: "StringEquals" | "StringNotEquals") => ({
    test,
    variable: "aws:PrincipalArn",
    values: [signer.nodes.role.arn],
  });
  keys.forEach((key, i) => {
    new aws.kms.KeyPolicy(`LogKey${i + 1}Policy`, {
      keyId: key.keyId,
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          {
            sid: "TheAccountAdministers",
            principals: ours,
            actions: [
              "kms:Describe*",
              "kms:Get*",
              "kms:List*",
              "kms:Enable*",
              "kms:Disable*",
              "kms:CreateAlias",
              "kms:UpdateAlias",
              "kms:DeleteAlias",
              "kms:PutKeyPolicy",
              "kms:UpdateKeyDescription",
              "kms:TagResource",
              "kms:UntagResource",
              "kms:ScheduleKeyDeletion",
              "kms:CancelKeyDeletion",
            ],
            resources: ["*"],
          },
          {
            sid: "TheSignerSigns",
            principals: ours,
            actions: ["kms:Sign"],
            resources: ["*"],
            conditions: [
              theSigner("StringEquals"),
              { test: "StringEquals", variable: "kms:SigningAlgorithm", values: ["ED25519_SHA_512"] },
              { test: "StringEquals", variable: "kms:MessageType", values: ["RAW"] },
            ],
          },
          {
            sid: "NobodyElseSigns",
            effect: "Deny",
            principals: everybody,
            actions: ["kms:Sign"],
            resources: ["*"],
            conditions: [theSigner("StringNotEquals")],
          },
          {
            // A grant lets in past this policy.
            sid: "NobodyPassesItOn",
            effect: "Deny",
            principals: everybody,
            actions: ["kms:CreateGrant", ...(config.production ? ["kms:ScheduleKeyDeletion"] : [])],
            resources: ["*"],
          },
        ],
      }).json,
    });
  });
}
