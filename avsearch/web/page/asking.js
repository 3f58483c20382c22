// Terms of the query come and go here, whichever way they were given.

import { change, current } from "./store.js";
import { firstPart, other, termOf } from "./query.js";

let isFindChosen = false;
let selected = null;
const listeners = new Set();

/** Called when another term is the one to be looked at and edited. */
export const onSelect = (listener) => listeners.add(listener);

export function selectedTerm(query = current()) {
  return query.terms.find((term) => term.key === selected) ?? query.terms[0] ?? null;
}

export function select(key) {
  selected = key;
  for (const listener of listeners) listener();
}

/** Find pictures or sounds, as was chosen by hand: later queries keep to it. */
export function find(modality) {
  isFindChosen = true;
  if (modality !== current().find) change("find", { find: modality });
}

/** Ask with a source alone, perhaps with a part of it. What asks with one side finds the other, until somebody chooses. */
export function ask(source, part = {}) {
  const before = current();
  const wanted = isFindChosen || before.terms.length ? before.find : found(source);
  const term = { ...firstPart(termOf(source), wanted), ...part };
  selected = term.key;
  change("terms", { terms: [term], find: wanted });
}

/** What a stored moment is most like: moments of its own kind. */
export function askLike(source) {
  const term = termOf(source);
  selected = term.key;
  change("terms", { terms: [term], find: source.modality });
}

/** Ask for more (1) or less (-1) of a source as well. */
export function add(source, sign) {
  const { terms, find: wanted } = current();
  if (!terms.length && sign > 0) return ask(source);
  const term = firstPart(termOf(source, sign), wanted);
  selected = term.key;
  return change("terms", { terms: [...terms, term], find: wanted });
}

/** Give a source to the query: alone (0), or as a further term. */
export const give = (source, sign) => (sign ? add(source, sign) : ask(source));

export function remove(key) {
  const terms = current().terms.filter((term) => term.key !== key);
  change("terms", { terms });
}

function found(source) {
  if (!source.has_sound) return "audio";
  return source.has_picture ? "audio" : other("audio");
}
