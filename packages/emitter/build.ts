/**
 * Makes what is published of `format` and `emitter`: JavaScript and declarations for Node 20 and later, each in a folder with a manifest of its own.
 * Here in the repository both run as they are written.
 *
 *     node packages/emitter/build.ts [FOLDER]    into FOLDER/format and FOLDER/emitter; else into the dist folder of each
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const packages = dirname(here);
const root = dirname(packages);
const given = process.argv[2];
const require = createRequire(import.meta.url);
const typescript = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");

interface Published {
  readonly room: "format" | "emitter";
  /** Subpath -> module. The zod checks of format are for the pipeline, and no emitter carries them. */
  readonly entries: { readonly [subpath: string]: string };
  /** Taken into the package instead of being asked for, or of no use to an emitter. */
  readonly inlined: readonly string[];
}

const all: readonly Published[] = [
  // canonicalize asks for Node 22 but runs on 20 (test/sdk/packed.test.ts); installed by itself, it would be refused by a strict npm.
  { room: "format", entries: { ".": "index", "./keys": "keys" }, inlined: ["canonicalize", "zod", "@noble/hashes"] },
  { room: "emitter", entries: { ".": "index", "./mcp": "mcp" }, inlined: [] },
];

const compiled = mkdtempSync(join(root, "node_modules/.tooltrail-build-"));
try {
  execFileSync(process.execPath, [typescript, "-p", join(here, "tsconfig.build.json"), "--outDir", compiled], {
    stdio: "inherit",
  });
  for (const published of all) await publish(published);
} finally {
  rmSync(compiled, { recursive: true, force: true });
}

async function publish({ room, entries, inlined }: Published): Promise<void> {
  const out = given === undefined ? join(packages, room, "dist") : join(given, room);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  cpSync(join(compiled, room, "src"), out, { recursive: true });
  for (const name of readdirSync(out).filter((name) => name.endsWith(".d.ts"))) nameAsPublished(join(out, name));
  if (room === "format") await inlineCanonicalize(out);
  for (const file of ["LICENSE", join("packages", room, "README.md")])
    cpSync(join(root, file), join(out, file.endsWith(".md") ? "README.md" : file));
  writeFileSync(join(out, "package.json"), `${JSON.stringify(manifest(room, entries, inlined), undefined, 2)}\n`);
}

/** The compiler leaves `./x.ts` in declarations as it is, which not every consumer's version can follow. */
function nameAsPublished(file: string): void {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replaceAll(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"'));
}

async function inlineCanonicalize(out: string): Promise<void> {
  const licence = join(dirname(require.resolve("canonicalize")), "../LICENSE");
  cpSync(licence, join(out, "LICENSE.canonicalize"));
  await build({
    entryPoints: [join(compiled, "format/src/canonical.js")],
    outfile: join(out, "canonical.js"),
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    banner: { js: "// Includes the package canonicalize, Apache-2.0: see LICENSE.canonicalize." },
  });
}

function manifest(room: string, entries: Published["entries"], inlined: readonly string[]): object {
  const {
    private: _,
    exports: __,
    imports: ___,
    scripts: ____,
    ...kept
  } = JSON.parse(readFileSync(join(packages, room, "package.json"), "utf8"));
  const dependencies = Object.fromEntries(
    Object.entries(kept.dependencies as Record<string, string>).filter(([name]) => !inlined.includes(name)),
  );
  const exports = Object.fromEntries(
    Object.entries(entries).map(([subpath, file]) => [subpath, { types: `./${file}.d.ts`, default: `./${file}.js` }]),
  );
  return { ...kept, engines: { node: ">=20.3" }, sideEffects: false, exports, dependencies };
}
