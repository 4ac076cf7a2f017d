#!/usr/bin/env node
import "@tooltrail/format/compile-cache";

await import("../src/tooltrail.ts");
