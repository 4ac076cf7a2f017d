import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// To be imported before any TypeScript is: compiled and stripped of its types once, our code starts in a third of the time, and in 35 MB less. In a
// folder of the user's own, since what is read from there is run. Where there is none (a container's user need not have a home), it is done without.
try {
  enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tooltrail"));
} catch {
  // slower, and as sound
}
