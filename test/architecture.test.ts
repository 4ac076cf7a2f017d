import { existsSync, globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { describe, expect, test } from "vitest";

/** Who may import which of ours: DESIGN section 5, as data. Of `functions`, no file loads both adapter sets. */
const mayImport: { readonly [room: string]: readonly string[] } = {
  format: [],
  core: ["format", "format/log", "format/schema"],
  aws: ["core", "format", "format/keys", "format/log"],
  local: ["core", "format", "format/keys", "format/log"],
  api: ["core", "format", "format/log"],
  emitter: ["format", "format/keys"],
  proxy: ["emitter", "emitter/settings", "format"],
  // The ledger of one machine is read where it lies, when a stopped pipeline's folder is verified; nothing else of local is.
  cli: [
    "core",
    "format",
    "format/keys",
    "format/log",
    "proxy",
    "api/types",
    "proxy/settings",
    "local/sqlite-ledger",
    "local/sqlite-batch-index",
  ],
  functions: ["core", "api", "api/incidents", "format", "format/keys", "format/log", "aws", "local"],
  stacks: ["format", "format/log"],
};

/** Rooms that decide and do not act. What the world gives comes in through ports. */
const pure = ["core"];
const allowedBuiltins: { readonly [room: string]: readonly string[] } = {
  core: [],
  format: ["node:crypto", "node:zlib", "node:util"],
};
/** The one file of format that reads files: a subpath of its own, so that nobody gets it without asking. */
const keyFiles = "packages/format/src/keys.ts";
/** A browser reads the log too, so what is of Node there has a stand-in under the same `#name`. */
const forBrowsers = "packages/format/src/log/";
const standsIn = "packages/format/src/log/sha256-node.ts";
/** Rooms that are no package. */
const outside = ["functions", "stacks"];
const awsTypes = ["functions", "local"];

interface Source {
  readonly room: string;
  readonly file: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: Source[] = globSync(["packages/*/src/**/*.ts", "functions/**/*.ts", "stacks/**/*.ts", "sst.config.ts"])
  .filter((file) => !file.endsWith(".test.ts") && !file.endsWith("/publish.ts"))
  .map((file) => {
    const text = readFileSync(file, "utf8");
    const [top = "", below = ""] = file.split("/");
    const room = top === "packages" ? below : top === "sst.config.ts" ? "stacks" : top;
    const imports = [...text.matchAll(/\b(?:from |import |import\()"([^"]+)"/g)].map(([, name = ""]) => name);
    return { room, file, text, imports };
  });

test("there are sources in every room, and every room is in the table", () => {
  expect([...new Set(sources.map(({ room }) => room))].sort()).toEqual(Object.keys(mayImport).sort());
});

describe.each(sources)("$file", ({ room, file, text, imports }) => {
  test("imports only what its room may", () => {
    const ours = imports
      .filter((name) => name.startsWith("@tooltrail/"))
      .map((name) => name.slice("@tooltrail/".length));
    const allowed = mayImport[room] ?? [];
    const refused = ours.filter((name) => !allowed.includes(name) && !allowed.includes(subpathOf(name)));
    expect(refused).toEqual([]);
  });

  test("stands on one adapter set", () => {
    expect(
      imports.some((name) => name.startsWith("@tooltrail/aws/")) &&
        imports.some((name) => name.startsWith("@tooltrail/local/")),
    ).toBe(false);
  });

  test("reaches into no other room by a path", () => {
    expect(imports.filter((name) => name.startsWith("../../"))).toEqual([]);
  });

  test("has the packages that it imports", () => {
    const manifest = JSON.parse(
      readFileSync(outside.includes(room) ? "package.json" : `packages/${room}/package.json`, "utf8"),
    );
    const wanted = imports
      .filter((name) => !name.startsWith(".") && !name.startsWith("#") && !isBuiltin(name))
      .map((name) =>
        name
          .split("/")
          .slice(0, name.startsWith("@") ? 2 : 1)
          .join("/"),
      )
      .filter((name) => name !== "aws-lambda"); // types alone
    expect(wanted.filter((name) => manifest.dependencies?.[name] === undefined)).toEqual([]);
  });

  if (pure.includes(room)) {
    test("takes time, chance and configuration from its ports", () => {
      expect(text).not.toMatch(/Date\.now\(|Math\.random\(|process\.|new Date\(\)|setTimeout|setInterval/);
    });
  }

  const builtins = allowedBuiltins[room];
  if (builtins && file !== keyFiles) {
    test("does no I/O", () => {
      expect(imports.filter((name) => isBuiltin(name) && !builtins.includes(name))).toEqual([]);
    });
  }

  if (file.startsWith(forBrowsers) && file !== standsIn) {
    test("runs in a browser, types apart", () => {
      expect(imports.filter(isBuiltin)).toEqual([]);
      expect(text.match(/^import (?!type ).*from "\.\.\//m)).toBeNull();
      expect(text).not.toMatch(/\bBuffer\b|\bprocess\./);
    });
  }

  if (!awsTypes.includes(room)) {
    test("knows nothing of Lambda's events", () => expect(imports).not.toContain("aws-lambda"));
  }
});

/** Every module of core, aws and local is an entry of its own (`core/ingest`); the subpaths in the table are apart on purpose. */
const subpathOf = (name: string): string => {
  const [room = ""] = name.split("/");
  return ["core", "aws", "local"].includes(room) ? room : name;
};

const isBuiltin = (name: string): boolean => name.startsWith("node:") || builtinModules.includes(name);

test("no room is empty, and none is missing from the design's table", () => {
  for (const room of Object.keys(mayImport))
    expect(existsSync(outside.includes(room) ? `${room}/README.md` : `packages/${room}/README.md`)).toBe(true);
});
