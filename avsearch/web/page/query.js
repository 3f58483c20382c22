// What is asked, as a value; nothing here touches the page.

export const NO_FILTERS = Object.freeze({ kinds: [], labels: [], roots: [], from: "", to: "", path: "", where: "" });
export const OPTIONS = Object.freeze({ k: 30, per_media: 1, min_score: null, exclude_self: true, duplicates: false });
export const PAGE_SIZE = OPTIONS.k;
const LONG_S = 30;
const BEGINNING_S = 10;

export const emptyQuery = () => ({ find: "audio", terms: [], filters: NO_FILTERS, options: OPTIONS });

export const other = (modality) => (modality === "image" ? "audio" : "image");

let lastKey = Date.now(); // keys that an earlier page left in the history stay different

/** A term that asks with a source, a file or a stored moment, for or against it. */
export function termOf(source, weight = 1) {
  return { key: ++lastKey, source, weight, by: null, start_s: null, end_s: null, crop: null };
}

/** What of a file asks before somebody chooses: all of a short one, the beginning of a long one. */
export function firstPart(term, find) {
  const { source } = term;
  if (source.type !== "upload" || source.duration_s <= LONG_S) return term;
  return { ...term, start_s: 0, end_s: sideOf(term, find) === "image" ? null : BEGINNING_S };
}

/** An answer to an upload -> a source. */
export const uploadSource = (upload) => ({ type: "upload", id: upload.upload_id, ...upload });

/** A hit -> a source. */
export const momentSource = (hit) => ({
  type: "moment",
  id: hit.moment_id,
  media_id: hit.media_id,
  modality: hit.modality,
  at_s: hit.start_s,
  name: hit.name,
  kind: hit.kind,
  duration_s: hit.duration_s,
  has_picture: hit.has_picture,
  has_sound: hit.has_sound,
});

export const isMomentId = (text) => /^\d{1,18}:(image|audio):\d{1,18}$/.test(text);

/** The side a term asks with: the one wished for, its only one, or the server's choice. */
export function sideOf(term, find) {
  const { source } = term;
  if (!source.has_sound) return "image";
  if (!source.has_picture) return "audio";
  return term.by ?? (source.type === "moment" ? source.modality : other(find));
}

/** The time in its file that a term means first. */
export const timeOf = (term) => term.start_s ?? term.source.at_s ?? 0;

export const wireQuery = ({ find, terms, filters, options }) => ({
  find,
  terms: terms.map((term) => wireTerm(term, find)),
  where: whereOf(filters),
  ...options,
});

function wireTerm(term, find) {
  const { source, weight, crop } = term;
  const by = sideOf(term, find);
  const part = { start_s: term.start_s, end_s: term.end_s, crop: by === "image" ? crop : null };
  if (source.type === "upload") return { upload_id: source.id, by, weight, ...part };
  const isStored = by === source.modality && part.start_s === null && part.crop === null;
  if (isStored) return { moment_id: source.id, weight };
  return { moment_id: source.id, by, weight, ...part, start_s: part.start_s ?? source.at_s };
}

/** Filters -> one text in the language of `--where`. */
function whereOf(filters) {
  const anyOf = (field, values) => {
    const parts = values.map((value) => `${field}=${quoted(value)}`);
    return parts.length > 1 ? `(${parts.join(" or ")})` : parts[0];
  };
  const others = [
    anyOf("kind", filters.kinds),
    anyOf("label", filters.labels),
    anyOf("root", filters.roots),
    filters.from && `duration>=${quoted(filters.from)}`,
    filters.to && `duration<=${quoted(filters.to)}`,
    filters.path && pathHolds(filters.path),
  ].filter(Boolean);
  if (!filters.where) return others.join(" and ");
  return others.length ? [`(${filters.where})`, ...others].join(" and ") : filters.where;
}

/** A message about `whereOf`, with places counted as in the field `where`, which stands first. */
export function inOwnPlaces(message, filters) {
  const before = whereOf(filters) === filters.where ? 0 : 1;
  return message.replace(/(?<=\bcharacter )\d+/, (place) => String(Math.max(place - before, 1)));
}

/** A part of a path anywhere in it: in the name of the file, or of a folder. `*` and `?` stay wildcards. */
function pathHolds(text) {
  const pattern = text.replaceAll("[", "[[]");
  if (pattern.startsWith("/") || pattern.startsWith("**/")) return `path=${quoted(pattern)}`;
  return `(path=${quoted(`**/*${pattern}*`)} or path=${quoted(`**/*${pattern}*/**`)})`;
}

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

export const countFilters = (filters) => filterNames(filters).length;

/** Each filter that is set: what it is called, and the filters without it. */
export function filterNames(filters) {
  const without = (field, value) => ({ ...filters, [field]: filters[field].filter((it) => it !== value) });
  const many = (field, prefix) => filters[field].map((value) => ({ text: `${prefix}${value}`, rest: without(field, value) }));
  const single = (field, prefix) => (filters[field] ? [{ text: `${prefix}${filters[field]}`, rest: { ...filters, [field]: "" } }] : []);
  return [
    ...many("kinds", ""),
    ...many("labels", ""),
    ...many("roots", ""),
    ...single("from", "from "),
    ...single("to", "to "),
    ...single("path", "path: "),
    ...single("where", ""),
  ];
}
