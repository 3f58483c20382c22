// The keys of the page, as listed in its help.

import { find } from "./asking.js";
import { byId } from "./dom.js";
import { toggleHeat } from "./heating.js";
import * as hits from "./hits.js";
import { pick } from "./intake.js";
import { openLibrary } from "./library.js";
import { record } from "./recorder.js";
import { settings } from "./settings.js";
import { current } from "./store.js";

const ANYWHERE = {
  "?": () => byId("help").showModal(),
  o: () => pick(),
  r: record,
  p: () => find("image"),
  s: () => find("audio"),
  h: () => current().terms.length && toggleHeat(),
  f: openFilters,
  l: openLibrary,
  g: () => hits.focusHit(0),
};

/** @param does what can be done with a hit, as for its buttons */
export function listenForKeys(does) {
  const onHit = { m: does.like, "+": does.plus, "=": does.plus, "-": does.minus, c: does.copyAt, C: does.copyPath };
  document.addEventListener("keydown", (event) => {
    if (!settings.keys || event.altKey || event.ctrlKey || event.metaKey || event.isComposing || isTaken(event.target)) return;
    const hit = hits.hitAt(event.target);
    const action = (hit && onHit[event.key] && (() => onHit[event.key](hit))) ?? ANYWHERE[event.key.toLowerCase()] ?? playNumber(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Where keys mean something else: in fields and in dialogs. */
function isTaken(target) {
  return Boolean(target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [popover]")) || document.querySelector("dialog[open]") !== null;
}

function playNumber(key) {
  const hit = /^[1-9]$/.test(key) ? hits.shownHits()[Number(key) - 1] : null;
  return hit && (() => hits.toggle(hit));
}

function openFilters() {
  const filters = byId("filters");
  filters.open = true;
  filters.querySelector("input").focus();
}
