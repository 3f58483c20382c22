// The grid of hits: one focus that moves through it, sounds that play in it, maps that lie on it.

import * as api from "./api.js";
import { makeCard, windowOf } from "./card.js";
import { byId, clamp, make } from "./dom.js";
import { heatPair, lay, lift } from "./heat.js";
import { flash } from "./notices.js";
import { isPlaying, maySound, play, stop } from "./player.js";
import { settings } from "./settings.js";
import { whenNear } from "./waveform.js";

const REST_MS = 140; // that the mouse rests before a sound starts, so that crossing the grid stays quiet
const grid = byId("hits");
const hitOf = new WeakMap();
const whenLooked = new Set();
let hits = [];
let does = {};
let active = null;
let hovering = 0;
let ends = new AbortController();

/** What the buttons of the cards do. */
export const setActions = (actions) => { does = { ...actions, toggle, seek }; };

/** Called with the hit that is looked at: played, focused or under the mouse. */
export const onLooked = (listener) => whenLooked.add(listener);

export const shownHits = () => hits;
const cardOf = (hit) => [...grid.children].find((card) => hitOf.get(card) === hit);
export const hitAt = (element) => hitOf.get(element?.closest?.(".card"));

/** Show other hits; those that only go on from what is shown are put behind it. */
export function show(found, { isMore = false } = {}) {
  const before = isMore && found.slice(0, hits.length).every((hit, at) => hit.moment_id === hits[at].moment_id) ? hits.length : 0;
  if (!before) clear();
  hits = [...hits.slice(0, before), ...found.slice(before)];
  grid.append(...found.slice(before).map(cardFor));
  if (!active && grid.firstElementChild) activate(grid.firstElementChild);
}

export function clear() {
  stop();
  ends.abort();
  ends = new AbortController();
  grid.replaceChildren();
  hits = [];
  active = null;
}

export function focusHit(at) {
  const card = grid.children[clamp(at, 0, grid.children.length - 1)];
  if (!card) return;
  activate(card);
  card.querySelector(".open").focus();
}

/** Play a hit's sound from its second, or stop it. */
export function toggle(hit) {
  const card = cardOf(hit);
  if (isPlaying(card)) stop();
  else seek(hit, hit.start_s);
}

/** Lay maps over the pictures of the hits, once they are near to what is seen; promises nothing, tells `onError`. */
export function showHeat(query, signal, onError) {
  for (const hit of hits) {
    const pair = heatPair(query, hit);
    const frame = cardOf(hit).querySelector(".frame");
    if (!pair || pair.term || frame.querySelector(".heat-map")) continue;
    whenNear(frame, () => !signal.aborted && layOver(frame, pair, signal).catch(onError));
  }
}

async function layOver(frame, pair, signal) {
  const peak = await lay(frame, pair, signal);
  if (peak) frame.append(make("span", { class: "peak", title: "The highest probability in the map" }, peak.probability.toFixed(2)));
}

export const hideHeat = () => grid.querySelectorAll(".frame").forEach(lift);

function cardFor(hit) {
  const card = makeCard(hit, does, ends.signal);
  hitOf.set(card, hit);
  return card;
}

function seek(hit, start_s) {
  if (!hit.has_sound) {
    flash("This media has no sound.");
    return;
  }
  const card = cardOf(hit);
  const { from_s, to_s } = windowOf(hit);
  const button = card.querySelector(".play");
  const setIcon = (drawing) => button.querySelector("use").setAttribute("href", `#i-${drawing}`);
  look(hit);
  setIcon("stop");
  play({
    place: card,
    url: `${api.mediaUrl(hit.media_id)}/preview`,
    start_s,
    end_s: Math.max(to_s, start_s + 1),
    onTime: (time_s) => card.style.setProperty("--played", clamp((time_s - from_s) / (to_s - from_s), 0, 1)),
    onEnd: () => { setIcon("play"); card.style.removeProperty("--played"); },
    onError: (error) => flash(error.name === "NotAllowedError" ? "Click anywhere once, then sounds may play." : `${error.message} ${error.hint ?? ""}`),
  });
}

function look(hit) {
  for (const listener of whenLooked) listener(hit);
}

/** The one card whose buttons the Tab key reaches. */
function activate(card) {
  const reach = (it, index) => it.querySelectorAll("button").forEach((button) => button.setAttribute("tabindex", index));
  if (active) reach(active, "-1");
  active = card;
  reach(card, "0");
}

grid.addEventListener("focusin", (event) => {
  const card = event.target.closest(".card");
  if (card !== active) activate(card);
  look(hitOf.get(card));
});

let pointer = "";
document.addEventListener("pointermove", (event) => { pointer = `${event.clientX} ${event.clientY}`; });

grid.addEventListener("pointerover", (event) => {
  const card = event.target.closest(".card");
  if (event.pointerType !== "mouse" || !card || card.contains(event.relatedTarget)) return;
  if (pointer === `${event.clientX} ${event.clientY}`) return; // a new card came under a mouse that stands still
  clearTimeout(hovering);
  hovering = setTimeout(() => rest(card), REST_MS);
});

grid.addEventListener("pointerout", (event) => {
  const card = event.target.closest(".card");
  if (event.pointerType !== "mouse" || !card || card.contains(event.relatedTarget)) return;
  clearTimeout(hovering);
  if (card.dataset.byMouse && isPlaying(card)) stop();
  delete card.dataset.byMouse;
});

/** The mouse rests on a card. */
function rest(card) {
  if (!card.isConnected) return;
  const hit = hitOf.get(card);
  look(hit);
  if (!settings.hover || !hit.has_sound || isPlaying(card) || document.querySelector("dialog[open]")) return;
  if (!maySound()) {
    flash("Click anywhere once, then hits sound when the mouse rests on them.");
    return;
  }
  card.dataset.byMouse = "yes";
  seek(hit, hit.start_s);
}

grid.addEventListener("keydown", (event) => {
  const at = [...grid.children].indexOf(event.target.closest(".card"));
  if (event.altKey || event.ctrlKey || event.metaKey || !event.target.classList.contains("open")) return;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns(), ArrowUp: at - columns(), Home: 0, End: hits.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    if (to >= 0 && to < hits.length) focusHit(to);
  } else if (event.key === " ") {
    event.preventDefault();
    toggle(hits[at]);
  }
});
grid.addEventListener("keyup", (event) => event.key === " " && event.target.classList.contains("open") && event.preventDefault());

/** How many cards stand in a row. */
function columns() {
  const [first] = grid.children;
  const next = [...grid.children].findIndex((card) => card.offsetTop > first.offsetTop);
  return next < 0 ? grid.children.length : next;
}
