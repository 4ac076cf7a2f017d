import { afterAll, beforeAll } from "vitest";
import { makePlace, type Place, type RunningPipeline, startPipeline } from "./pipeline.ts";

/** A pipeline for all tests of a file or a describe: started before them, stopped and removed after. Its members are there within a test. */
export function aPipeline(): { place: Place; pipeline: Pick<RunningPipeline, "endpoint" | "port" | "token"> } {
  const place = makePlace();
  let running: RunningPipeline | undefined;
  beforeAll(async () => {
    running = await startPipeline(place);
  });
  afterAll(async () => {
    await running?.stop();
    place.remove();
  });
  const started = (): RunningPipeline => {
    if (running === undefined) throw new Error("The pipeline is there within a test only.");
    return running;
  };
  return {
    place,
    pipeline: {
      get endpoint() {
        return started().endpoint;
      },
      get port() {
        return started().port;
      },
      get token() {
        return started().token;
      },
    },
  };
}
