import "@tooltrail/format/compile-cache";

await import("./local.ts");
