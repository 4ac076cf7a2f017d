/**
 * What an eval harness says of a tool, as anything that can call PutEvents may report it: detail-type `MCP Tool Score`, any source, any language.
 *
 * One score of one tool: of a case of the suite, or without `case` of the suite as a whole, in thousandths (870 is 0.87). `id` and `at` are as in
 * an `MCP Tool Call`, and a source's ids are one set: a score with the id of a call is taken for a changed report of it, and refused.
 */
export interface PlainScore {
  readonly server: string;
  readonly tool: string;
  readonly suite: string;
  readonly scorePermille: number;
  readonly id?: string | undefined;
  readonly case?: string | undefined;
  readonly runId?: string | undefined;
  readonly at?: string | number | undefined;
  readonly version?: string | undefined;
  readonly environment?: string | undefined;
}
