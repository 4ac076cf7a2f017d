import type { StageConfig } from "./config.ts";

/**
 * The log for everybody: CloudFront before the bucket, which lets nobody else in. A path of the site is a name in the bucket. What may be read is the bucket's
 * policy's to say.
 *
 * Objects say themselves how long they keep (tiles a year, the checkpoint not at all), and what is not there yet is asked for again after a second.
 */
export function createLogSite(config: StageConfig, bucket: aws.s3.Bucket) {
  const access = new aws.cloudfront.OriginAccessControl("LogSiteAccess", {
    name: `${config.name}-log`,
    originAccessControlOriginType: "s3",
    signingBehavior: "always",
    signingProtocol: "sigv4",
  });
  const caching = new aws.cloudfront.CachePolicy("LogSiteCaching", {
    name: `${config.name}-log`,
    comment: "As the object says; where it says nothing, not at all.",
    minTtl: 0,
    defaultTtl: 0,
    maxTtl: 31_536_000,
    parametersInCacheKeyAndForwardedToOrigin: {
      cookiesConfig: { cookieBehavior: "none" },
      headersConfig: { headerBehavior: "none" },
      queryStringsConfig: { queryStringBehavior: "none" },
    },
  });
  return new aws.cloudfront.Distribution("LogSite", {
    comment: `${config.name}: the transparency log`,
    enabled: true,
    httpVersion: "http2and3",
    isIpv6Enabled: true,
    aliases: config.log.domain ? [config.log.domain.name] : [],
    // Or else S3 would take the bare address for a request to list the bucket.
    defaultRootObject: "log/checkpoint",
    origins: [{ originId: "log", domainName: bucket.bucketRegionalDomainName, originAccessControlId: access.id }],
    defaultCacheBehavior: {
      targetOriginId: "log",
      allowedMethods: ["GET", "HEAD"],
      cachedMethods: ["GET", "HEAD"],
      viewerProtocolPolicy: "https-only",
      cachePolicyId: caching.id,
    },
    // A reader may be faster than the log by a moment.
    customErrorResponses: [403, 404].map((errorCode) => ({ errorCode, errorCachingMinTtl: 1 })),
    restrictions: { geoRestriction: { restrictionType: "none" } },
    viewerCertificate: config.log.domain
      ? {
          acmCertificateArn: config.log.domain.certificateArn,
          sslSupportMethod: "sni-only",
          minimumProtocolVersion: "TLSv1.2_2021",
        }
      : // For its own name CloudFront says what TLS it takes.
        { cloudfrontDefaultCertificate: true },
  });
}
