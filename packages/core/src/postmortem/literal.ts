import { markerWord } from "./postmortem.ts";

/**
 * JSON data as JavaScript source, on lines of its own. Names and texts of others are in it, so every string is one literal on one line: what could end a line, hide, or turn the direction of
 * writing is escaped, and `__proto__` is a key like any other.
 */
export function literal(value: unknown, indent = ""): string {
  const deeper = `${indent}  `;
  if (typeof value === "string") return stringLiteral(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (Array.isArray(value))
    return lines(
      "[",
      value.map((one) => literal(one, deeper)),
      "]",
      indent,
    );
  const members = Object.entries(value).map(([name, one]) => `${keyLiteral(name)}: ${literal(one, deeper)}`);
  return lines("{", members, "}", indent);
}

function lines(open: string, parts: readonly string[], close: string, indent: string): string {
  if (parts.length === 0) return `${open}${close}`;
  return `${open}\n${parts.map((part) => `${indent}  ${part},\n`).join("")}${indent}${close}`;
}

const keyLiteral = (name: string): string => (name === "__proto__" ? '["__proto__"]' : stringLiteral(name));

/** A tool that has another incident's marker in its description shall not be found by it. */
const stringLiteral = (text: string): string =>
  JSON.stringify(text)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
    .replaceAll(markerWord, markerWord.replace("-", escaped));

const escaped = (character: string): string =>
  character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
