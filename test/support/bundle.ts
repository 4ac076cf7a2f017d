import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { bundling as asDeployed } from "../../stacks/bundling.ts";

const root = join(import.meta.dirname, "../..");

/** How a function is bundled for Lambda: one ESM file for Node 24, the AWS clients in it, with the adapters of AWS behind `#ports`. */
export const bundling = {
  ...asDeployed,
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minify: true,
  // The clients' ES modules: from their CommonJS nothing can be left out.
  mainFields: ["module", "main"],
  // What is still CommonJS asks for Node's own modules in its own way.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  legalComments: "none",
} satisfies BuildOptions;

/**
 * Bundles one function into `<outdir>/<name>.mjs`.
 *
 * @param source a file of the repository (`functions/ingest.ts`), or any path.
 * @returns the path and its size in bytes.
 */
export async function bundleFunction(
  source: string,
  outdir: string,
  name: string,
): Promise<{ path: string; bytes: number }> {
  const outfile = join(outdir, `${name}.mjs`);
  const options = {
    ...bundling,
    absWorkingDir: root,
    entryPoints: [source],
    outfile,
    metafile: true,
  } satisfies BuildOptions;
  const { metafile } = await build(options);
  const [output] = Object.values(metafile.outputs);
  return { path: outfile, bytes: output?.bytes ?? 0 };
}
