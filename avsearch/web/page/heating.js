// The switch of the heat maps, and what it shows: maps on the hits, or the map of one hit on the picture asked with.

import { byId, debounced, printable } from "./dom.js";
import * as format from "./format.js";
import { heatPair, lay, lift } from "./heat.js";
import * as hits from "./hits.js";
import { library, notifyLocalizer } from "./library.js";
import { notifyError } from "./notices.js";
import { onFound } from "./results.js";
import { caption, pictureOf } from "./stage.js";
import { current, onQuery } from "./store.js";

const LOOK_MS = 120;
const button = byId("heat");
let isOn = false;
let ends = new AbortController();
let lookEnds = new AbortController();
let looked = null;

export const isHeated = () => isOn;

export function toggleHeat() {
  if (!isOn && library() && !library().localizer) {
    notifyLocalizer({ message: "There are no heat maps: the library has no localizer.", hint: library().localizer_hint });
    return;
  }
  isOn = !isOn;
  button.setAttribute("aria-pressed", isOn);
  if (isOn) showAll();
  else hideAll();
}

button.addEventListener("click", toggleHeat);
onFound(() => isOn && showAll());
onQuery(() => isOn && hideAll());
hits.onLooked(debounced((hit) => isOn && look(hit), LOOK_MS));

function showAll() {
  ends.abort();
  ends = new AbortController();
  hits.showHeat(current(), ends.signal, fail);
  const first = looked && hits.shownHits().includes(looked) ? looked : hits.shownHits()[0];
  looked = null;
  if (first) look(first);
}

function hideAll() {
  ends.abort();
  lookEnds.abort();
  hits.hideHeat();
  looked = null;
  for (const view of document.querySelectorAll("#stage .view")) lift(view);
  caption("");
}

/** Lay the map of the hit that is looked at over the picture asked with. */
async function look(hit) {
  if (hit === looked) return;
  looked = hit;
  const pair = heatPair(current(), hit);
  const view = pair?.term ? pictureOf(pair.term) : null;
  if (!view) return;
  lookEnds.abort();
  lookEnds = new AbortController();
  try {
    const peak = await lay(view, pair, lookEnds.signal);
    if (peak) caption(`What in it makes the sound of ${printable(hit.name)} at ${format.timecode(hit.start_s)}: at most ${peak.probability.toFixed(2)}`);
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  ends.abort();
  if (error.status === 409) {
    notifyLocalizer(error);
    if (isOn) toggleHeat();
  } else if (!error.isGone) notifyError("heat", error);
}
