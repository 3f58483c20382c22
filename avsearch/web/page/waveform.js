// The outline of a sound, drawn from the lowest and highest sample of each part.

import * as api from "./api.js";
import { svg } from "./dom.js";

const HALF = 50; // of the drawing's height, in its own units

/** An outline that fills its place: one path for what was played, one for the rest. */
export function outline(peaks) {
  const d = path(peaks);
  const drawing = svg("svg", { class: "wave", viewBox: `0 0 ${Math.max(peaks.length, 1)} ${2 * HALF}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(svg("path", { d, class: "rest" }), svg("path", { d, class: "played" }));
  return drawing;
}

/** Quiet sounds are drawn larger: the loudest part fills the height, though never at more than eight times. */
function path(peaks) {
  const loudest = Math.max(0.125, ...peaks.map(([low, high]) => Math.max(-low, high)));
  const y = (value) => (HALF - (value / loudest) * (HALF - 2)).toFixed(1);
  const top = peaks.map(([, high], at) => `${at},${y(Math.max(high, 0.004))} ${at + 1},${y(Math.max(high, 0.004))}`);
  const bottom = peaks.map(([low], at) => `${at + 1},${y(Math.min(low, -0.004))} ${at},${y(Math.min(low, -0.004))}`);
  return peaks.length ? `M${top.join(" ")} ${bottom.reverse().join(" ")}Z` : "";
}

/** Fetch an outline and put it into `place`, which stays as it is where there is none. */
export async function draw(place, base, range, signal) {
  try {
    const peaks = await api.waveform(base, range, signal);
    place.querySelector(".wave")?.remove();
    place.prepend(outline(peaks));
  } catch (error) {
    if (error.name !== "AbortError") place.classList.add("is-silent");
  }
}

const waiting = new WeakMap();
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((it) => it.isIntersecting)) {
    nearby.unobserve(entry.target);
    waiting.get(entry.target)?.();
  }
}, { rootMargin: "300px" });

/** Do something once an element comes near to what is seen. */
export function whenNear(element, action) {
  waiting.set(element, action);
  nearby.observe(element);
}
