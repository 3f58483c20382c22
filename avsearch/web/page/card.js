// One hit: its picture or its outline, what it is, and what can be done with it.

import * as api from "./api.js";
import { clamp, icon, iconButton, make, name, printable } from "./dom.js";
import * as format from "./format.js";
import { draw, whenNear } from "./waveform.js";

const POINTS = 120;
const AROUND_S = 0.5;
const LEAST_SHOWN_S = 4;

/** What of its file a card draws and plays: the hit's stretch and a little around it. */
export function windowOf(hit) {
  const from_s = Math.max(Math.min(hit.from_s, hit.start_s) - AROUND_S, 0);
  const end_s = Math.max(hit.to_s, hit.start_s + 1) + AROUND_S;
  return { from_s, to_s: Math.min(Math.max(end_s, from_s + LEAST_SHOWN_S), hit.duration_s || end_s) };
}

/**
 * @param hit as the server sent it
 * @param does what its buttons do, each with the hit: open, toggle, seek, like, plus, minus, copyAt
 * @param signal ends what the card still fetches
 */
export function makeCard(hit, does, signal) {
  const card = make("li", { class: `card ${hit.has_picture ? "" : "no-picture"}`, draggable: "true", "data-moment": hit.moment_id });
  card.append(shown(hit, does), facts(hit), actions(hit, does));
  card.style.setProperty("--score", clamp(hit.score, 0, 1));
  if (hit.has_sound) drawWhenNear(card, hit, signal);
  return card;
}

function shown(hit, does) {
  const open = make("button", { type: "button", class: "open", tabindex: "-1", "aria-label": label(hit), on: { click: () => does.open(hit) } });
  const frame = make("span", { class: "frame" }, hit.has_picture ? thumbnail(hit) : icon("sound"));
  open.append(frame, make("span", { class: "rank", "aria-hidden": "true" }, String(hit.rank)));
  if (hit.kind !== "picture") open.append(make("span", { class: "when", "aria-hidden": "true" }, format.timecode(hit.start_s)));
  const strip = hit.has_sound ? soundStrip(hit, does) : null;
  const play = hit.has_sound ? iconButton("play", `Play the sound of ${printable(hit.name)} at ${format.timecode(hit.start_s)}`, () => does.toggle(hit), { class: "play", tabindex: "-1" }) : null;
  return make("div", { class: "shown" }, open, strip, play);
}

function thumbnail(hit) {
  const picture = make("img", { class: "thumbnail", src: api.thumbnailOf(hit.moment_id), alt: "", loading: "lazy", decoding: "async", width: 320, height: 180, draggable: "false" });
  picture.addEventListener("error", () => picture.replaceWith(icon(hit.has_sound ? "sound" : "picture")));
  return picture;
}

/** The outline with the hit's own stretch marked; a click plays from there. */
function soundStrip(hit, does) {
  const { from_s, to_s } = windowOf(hit);
  const span = Math.max(to_s - from_s, 1e-3);
  const strip = make("div", { class: "strip", "aria-hidden": "true" }, make("span", { class: "stretch" }), make("span", { class: "head" }));
  strip.style.setProperty("--from", (Math.min(hit.from_s, hit.start_s) - from_s) / span);
  strip.style.setProperty("--to", clamp((Math.max(hit.to_s, hit.start_s + 1) - from_s) / span, 0, 1));
  strip.addEventListener("click", (event) => {
    const box = strip.getBoundingClientRect();
    does.seek(hit, from_s + ((event.clientX - box.left) / box.width) * span);
  });
  return strip;
}

function drawWhenNear(card, hit, signal) {
  const { from_s, to_s } = windowOf(hit);
  const strip = card.querySelector(".strip");
  whenNear(strip, () => draw(strip, api.mediaUrl(hit.media_id), { start_s: from_s, end_s: to_s, points: POINTS }, signal));
}

function facts(hit) {
  const labels = printable(hit.labels.join(", "));
  return make("div", { class: "facts" },
    make("p", { class: "name", title: printable(hit.path) }, name(hit.name)),
    make("p", { class: "labels", title: labels }, name(labels)),
    make("p", { class: "score" }, hit.score.toFixed(3)),
  );
}

function actions(hit, does) {
  const button = (drawing, text, action) => iconButton(drawing, text, () => action(hit), { tabindex: "-1" });
  return make("div", { class: "actions", role: "group", "aria-label": `What to do with ${printable(hit.name)}` },
    button("like", "More like this", does.like),
    button("plus", "Add: more of this", does.plus),
    button("minus", "Subtract: less of this", does.minus),
    button("copy", "Copy with its time", does.copyAt),
  );
}

function label(hit) {
  const labels = hit.labels.length ? `, ${hit.labels.map(printable).join(", ")}` : "";
  const time = hit.kind === "picture" ? "" : ` at ${format.timecode(hit.start_s)}`;
  return `${hit.rank}. ${printable(hit.name)}${time}, score ${hit.score.toFixed(3)}${labels}`;
}
