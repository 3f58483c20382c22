// The term that is looked at: its picture with the crop and the heat map, its sound with the time that asks.

import * as api from "./api.js";
import { onSelect, selectedTerm } from "./asking.js";
import { cropLayer } from "./crop.js";
import { byId, debounced, icon, iconButton, make, printable } from "./dom.js";
import * as format from "./format.js";
import { flash } from "./notices.js";
import { isPlaying, play, stop } from "./player.js";
import { sideOf, timeOf } from "./query.js";
import { scrubber } from "./scrubber.js";
import { changeTerm, current, onQuery } from "./store.js";

const PICTURE_SIZE = 640;
const MOMENT_S = 1;
const stage = byId("stage");
let shown = { signature: "", parts: null };
let ends = new AbortController();

/** The place of a picture that a map can be laid over, if this term is shown with its picture. */
export const pictureOf = (term) => (selectedTerm()?.key === term.key ? stage.querySelector(".view") : null);

/** Say something about the map beneath the picture. */
export function caption(text) {
  const place = stage.querySelector(".heat-caption");
  if (place) place.textContent = text;
}

onQuery((query) => render(query));
onSelect(() => render(current()));

function render(query) {
  const term = selectedTerm(query);
  stage.hidden = !term;
  const signature = term ? `${term.key} ${sideOf(term, query.find)}` : "";
  if (signature !== shown.signature) build(term, query, signature);
  else if (term) shown.parts.update(term);
}

function build(term, query, signature) {
  stop();
  ends.abort();
  ends = new AbortController();
  shown = { signature, parts: null };
  stage.replaceChildren();
  if (!term) return;
  const side = sideOf(term, query.find);
  const picture = term.source.has_picture ? pictureView(term, side) : null;
  const times = term.source.type === "upload" && term.source.kind !== "picture" ? timeView(term, side) : null;
  stage.append(...[picture?.place, times?.place, bar(term, side)].filter(Boolean));
  shown.parts = { update: (it) => { picture?.update(it); times?.update(it); } };
}

function pictureView(term, side) {
  const image = make("img", { class: "asked-picture", alt: `Picture of ${printable(term.source.name)}`, src: pictureUrl(term), draggable: "false" });
  const view = make("div", { class: `view ${side === "image" ? "" : "is-beside"}` }, image);
  const { width, height } = term.source;
  if (width && height) view.style.setProperty("--ratio", width / height);
  image.addEventListener("load", () => view.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight));
  image.addEventListener("error", () => view.classList.add("is-missing"));
  if (side === "image") view.append(cropLayer(term.crop, (crop) => changeTerm(term.key, { crop })));
  const load = debounced((url) => { image.src = url; }, 120);
  let last = image.getAttribute("src");
  const update = (it) => {
    const url = pictureUrl(it);
    if (url !== last) load(url);
    last = url;
  };
  return { place: make("figure", { class: "picture" }, view, make("figcaption", { class: "heat-caption note", "aria-live": "polite" })), update };
}

function timeView(term, side) {
  return scrubber(term, {
    source: term.source,
    base: api.uploadUrl(term.source.id),
    unit: side === "image" ? "Frame" : "Second",
    onChange: ({ start_s, end_s }) => changeTerm(term.key, { start_s, end_s }),
    signal: ends.signal,
  });
}

function bar(term, side) {
  const tools = make("div", { class: "stage-bar" });
  if (side === "image") tools.append(cropButton());
  if (term.source.has_sound) tools.append(playButton(term.key));
  if (term.source.has_sound && term.source.has_picture) tools.append(sideSwitch(term, side));
  return tools;
}

function cropButton() {
  const button = make("button", { type: "button", "aria-pressed": "false" }, icon("crop"), "Crop");
  button.addEventListener("click", () => {
    const isEditing = stage.querySelector(".view").classList.toggle("is-editing");
    button.setAttribute("aria-pressed", isEditing);
    if (isEditing) stage.querySelector(".edge").focus();
  });
  return button;
}

function playButton(key) {
  const button = iconButton("play", "Listen to what asks", () => listen(key, button), { class: "listen" });
  return button;
}

/** Play what asks. */
function listen(key, button) {
  if (isPlaying(stage)) return stop();
  const term = current().terms.find((it) => it.key === key);
  const { source } = term;
  const start_s = timeOf(term);
  const isWhole = source.type === "upload" && term.start_s === null;
  const setIcon = (drawing) => button.querySelector("use").setAttribute("href", `#i-${drawing}`);
  setIcon("stop");
  return play({
    place: stage,
    url: source.type === "upload" ? `${api.uploadUrl(source.id)}/file` : `${api.mediaUrl(source.media_id)}/preview`,
    start_s,
    end_s: isWhole ? Infinity : (term.end_s ?? start_s + MOMENT_S),
    onTime: (time_s) => stage.querySelector(".track")?.style.setProperty("--head", time_s / source.duration_s),
    onEnd: () => { setIcon("play"); stage.querySelector(".track")?.style.removeProperty("--head"); },
    onError: (error) => flash(`${error.message} ${error.hint ?? ""}`),
  });
}

function sideSwitch(term, side) {
  const option = (value, drawing, text) => make("label", { title: text },
    make("input", { type: "radio", name: "side", value, checked: value === side, "aria-label": text, on: { change: () => changeTerm(term.key, { by: value, crop: null }) } }), icon(drawing));
  const choice = make("div", { class: "switch small", role: "radiogroup", "aria-labelledby": "sides" }, option("image", "picture", "Its picture"), option("audio", "sound", "Its sound"));
  return make("div", { class: "sides" }, make("span", { id: "sides" }, "Ask with"), choice);
}

function pictureUrl(term) {
  const { source } = term;
  if (source.type === "upload") return `${api.uploadUrl(source.id)}/thumbnail?at_s=${timeOf(term)}&size=${PICTURE_SIZE}`;
  return api.thumbnailOf(source.id, PICTURE_SIZE);
}

/** What of its file a term asks with, for a line of text. */
export function part(term, find) {
  const side = sideOf(term, find) === "image" ? "picture" : "sound";
  const { source, start_s, end_s } = term;
  if (source.kind === "picture") return term.crop ? "part of a picture" : "picture";
  if (source.type === "moment") return `${side} at ${format.timecode(timeOf(term))}`;
  if (start_s === null) return `${side}, all ${format.length(source.duration_s)}`;
  return end_s === null ? `${side} at ${format.timecode(start_s)}` : `${side}, ${format.timecode(start_s)} to ${format.timecode(end_s)}`;
}
