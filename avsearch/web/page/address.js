// A query as the part of the address behind `#`, so that it can be kept, sent and come back to.

import { NO_FILTERS, OPTIONS, emptyQuery, termOf } from "./query.js";

const LISTS = { kind: "kinds", label: "labels", root: "roots" };
const TEXTS = ["from", "to", "path", "where"];
const SWITCHES = { self: "exclude_self", copies: "duplicates" };

export function toHash(query) {
  if (!query.terms.length) return "";
  const pairs = [["find", query.find], ...query.terms.map((term) => ["term", termText(term)])];
  for (const [key, field] of Object.entries(LISTS)) pairs.push(...query.filters[field].map((value) => [key, value]));
  pairs.push(...TEXTS.filter((key) => query.filters[key]).map((key) => [key, query.filters[key]]));
  pairs.push(...optionPairs(query.options));
  return `#${new URLSearchParams(pairs)}`;
}

/** What an address says; `sourceOf` looks up a source by type and id and may answer null. Promises a query. */
export async function fromHash(hash, sourceOf) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const terms = await Promise.all(parameters.getAll("term").map((text) => readTerm(text, sourceOf)));
  const filters = { ...NO_FILTERS };
  for (const [key, field] of Object.entries(LISTS)) filters[field] = parameters.getAll(key);
  for (const key of TEXTS) filters[key] = parameters.get(key) ?? "";
  const find = parameters.get("find") === "image" ? "image" : "audio";
  return { ...emptyQuery(), find, terms: terms.filter(Boolean), filters, options: readOptions(parameters) };
}

function termText({ source, weight, by, start_s, end_s, crop }) {
  const parts = [`${source.type}:${source.id}`];
  if (weight !== 1) parts.push(`w=${weight}`);
  if (by) parts.push(`by=${by}`);
  if (start_s !== null) parts.push(`at=${start_s}${end_s === null ? "" : `-${end_s}`}`);
  if (crop) parts.push(`crop=${crop.map((edge) => edge.toFixed(4)).join(",")}`);
  return parts.join(";");
}

async function readTerm(text, sourceOf) {
  const [whose, ...parts] = text.split(";");
  const [, type, id] = whose.match(/^(upload|moment):(.+)$/s) ?? [];
  const source = type ? await sourceOf(type, id) : null;
  if (!source) return null;
  const given = new Map(parts.map((part) => part.split("=", 2)));
  const [start_s = null, end_s = null] = numbers(given.get("at"), "-") ?? [];
  const crop = numbers(given.get("crop"), ",");
  const [weight] = numbers(given.get("w")) ?? [1];
  const by = ["image", "audio"].find((side) => side === given.get("by")) ?? null;
  return { ...termOf(source, weight || 1), by, start_s, end_s, crop: crop?.length === 4 ? crop : null };
}

/** The numbers in a text; null where there is none, or one is no number. */
function numbers(text, separator) {
  if (!text) return null;
  const read = (separator ? text.split(separator) : [text]).map(Number);
  return read.every(Number.isFinite) ? read : null;
}

function optionPairs(options) {
  const pairs = [];
  if (options.per_media !== OPTIONS.per_media) pairs.push(["per", options.per_media]);
  if (options.min_score !== null) pairs.push(["least", options.min_score]);
  for (const [key, field] of Object.entries(SWITCHES)) {
    if (options[field] !== OPTIONS[field]) pairs.push([key, Number(options[field])]);
  }
  return pairs;
}

function readOptions(parameters) {
  const options = { ...OPTIONS };
  options.per_media = numbers(parameters.get("per"))?.[0] ?? OPTIONS.per_media;
  options.min_score = numbers(parameters.get("least"))?.[0] ?? null;
  for (const [key, field] of Object.entries(SWITCHES)) {
    if (parameters.has(key)) options[field] = parameters.get(key) === "1";
  }
  return options;
}
