/** What is loaded with each cold start, as small as it can be. */
export const bundling = {
  // To name a condition takes away esbuild's own, `module`, without which all of the clients that is CommonJS comes in whole.
  conditions: ["aws", "module"],
  // Nobody asks a function or a class for its name.
  keepNames: false,
  // Lambda gives credentials in the environment. These look elsewhere, and are imported only when they are asked.
  external: [
    "@aws-sdk/credential-provider-http",
    "@aws-sdk/credential-provider-ini",
    "@aws-sdk/credential-provider-process",
    "@aws-sdk/credential-provider-sso",
    "@aws-sdk/credential-provider-web-identity",
    "@smithy/credential-provider-imds",
  ],
};
