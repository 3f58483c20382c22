// A media that plays by itself in the viewer, from a hit's second, with the outline of its sound beneath.

import * as api from "./api.js";
import { clamp, make, printable } from "./dom.js";
import * as format from "./format.js";
import { settings } from "./settings.js";
import { draw } from "./waveform.js";

const AROUND_S = 15;
const POINTS = 500;
const AGAIN_MS = 1500;

/** The picture, or a player that stands at the hit's moment and begins. */
export function player(hit, signal) {
  const preview = `${api.mediaUrl(hit.media_id)}/preview`;
  if (hit.kind === "picture") return [make("img", { class: "whole", src: preview, alt: `Picture ${printable(hit.name)}` })];
  const media = make(hit.kind === "video" ? "video" : "audio", { class: "whole", controls: true, preload: "auto", playsinline: true, "aria-label": `${printable(hit.name)}, from ${format.timecode(hit.start_s)}` });
  media.volume = settings.volume;
  media.addEventListener("loadedmetadata", () => {
    media.currentTime = hit.start_s;
    media.play().catch(() => {}); // then its own button plays
  }, { once: true });
  const said = make("p", { class: "note", role: "status" });
  media.addEventListener("error", () => wait(media, { preview, said, signal }));
  media.src = preview;
  return [media, said, hit.has_sound ? track(hit, media, signal) : null].filter(Boolean);
}

/** A preview that is still being made comes later; one that cannot be made says why. */
async function wait(media, { preview, said, signal }) {
  const error = await api.previewError(preview, signal);
  if (signal.aborted) return;
  if (error?.status === 503) {
    said.textContent = "The server makes a copy that browsers can play…";
    setTimeout(() => !signal.aborted && (media.src = preview), AGAIN_MS);
  } else said.textContent = error ? `${error.message} ${error.hint ?? ""}` : "The browser cannot play this file.";
}

/** The outline around the moment, on which a click or the arrow keys choose the time. */
function track(hit, media, signal) {
  const from_s = Math.max(hit.start_s - AROUND_S, 0);
  const to_s = Math.min(hit.start_s + AROUND_S, hit.duration_s || hit.start_s + AROUND_S);
  const span = Math.max(to_s - from_s, 1e-3);
  const bar = make("div", { class: "track", role: "slider", tabindex: "0", "aria-label": "Time", "aria-valuemin": from_s.toFixed(1), "aria-valuemax": to_s.toFixed(1), "aria-valuenow": hit.start_s.toFixed(1) }, make("span", { class: "selection" }), make("span", { class: "head" }));
  bar.style.setProperty("--from", (Math.min(hit.from_s, hit.start_s) - from_s) / span);
  bar.style.setProperty("--to", clamp((Math.max(hit.to_s, hit.start_s + 1) - from_s) / span, 0, 1));
  const seek = (time_s) => { media.currentTime = clamp(time_s, from_s, to_s); };
  bar.addEventListener("pointerdown", (event) => {
    const box = bar.getBoundingClientRect();
    seek(from_s + ((event.clientX - box.left) / box.width) * span);
  });
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
    if (!by) return;
    event.preventDefault();
    seek(media.currentTime + by * (event.shiftKey ? 10 : 1));
  });
  const follow = () => {
    bar.style.setProperty("--head", clamp((media.currentTime - from_s) / span, 0, 1));
    bar.setAttribute("aria-valuenow", clamp(media.currentTime, from_s, to_s).toFixed(1));
    bar.setAttribute("aria-valuetext", format.timecode(media.currentTime));
    if (!signal.aborted) requestAnimationFrame(follow);
  };
  draw(bar, api.mediaUrl(hit.media_id), { start_s: from_s, end_s: to_s, points: POINTS }, signal);
  requestAnimationFrame(follow);
  return bar;
}
