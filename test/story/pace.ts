/** How fast the story's clock is: most of an hour takes about a minute, and a gate's five minutes leave a busy machine the six seconds that it needs. */
export const factor = 50;
