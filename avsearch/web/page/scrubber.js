// The time in a video or a sound that is asked with: all of it, a moment or a stretch, on the outline of its sound.

import { clamp, make } from "./dom.js";
import * as format from "./format.js";
import { draw } from "./waveform.js";

const POINTS = 400;
const STEPS_S = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -5, PageUp: 5 };
const FIRST_STRETCH_S = 3;

/**
 * @param times { start_s, end_s }: null and null is the whole file, a start alone is a moment
 * @param source has `duration_s`, and `has_sound` where there is an outline at `base`
 * @param unit what a moment is called: "Frame" or "Second"
 * @param onChange called with other times
 */
export function scrubber(times, { source, base, unit, onChange, signal }) {
  const duration_s = Math.max(source.duration_s, 0.1);
  let now = { ...times };
  const thumbs = ["start_s", "end_s"].map((which) => thumb(which, duration_s, (which_, to) => set(pulled(now, which_, to, duration_s))));
  const width = format.timecode(duration_s).length;
  const fields = ["start_s", "end_s"].map((which) => timeField(which, width, (to) => set(pulled(now, which, to, duration_s))));
  const selection = make("span", { class: "selection" });
  const track = make("div", { class: "track" }, selection, thumbs, make("span", { class: "head" }));
  const modes = modeSwitch(unit, (mode) => set(inMode(now, mode, duration_s)));
  const place = make("div", { class: "scrubber" }, track, make("div", { class: "scrubber-bar" }, modes, make("span", { class: "times" }, fields[0], make("span", { class: "until" }, "–"), fields[1])));

  function set(next) {
    now = next;
    show();
    onChange(next);
  }

  function show() {
    const mode = modeOf(now);
    place.dataset.mode = mode;
    modes.querySelector(`[value=${mode}]`).checked = true;
    const [from, to] = [now.start_s ?? 0, now.end_s ?? (mode === "whole" ? duration_s : now.start_s)];
    track.style.setProperty("--from", clamp(from / duration_s, 0, 1));
    track.style.setProperty("--to", clamp(to / duration_s, 0, 1));
    for (const [at, seconds] of [from, to].entries()) {
      thumbs[at].setAttribute("aria-valuenow", seconds.toFixed(1));
      thumbs[at].setAttribute("aria-valuetext", format.timecode(seconds));
      if (document.activeElement !== fields[at].querySelector("input")) fields[at].querySelector("input").value = format.timecode(seconds);
    }
  }

  track.addEventListener("pointerdown", (event) => drag(event, track, duration_s, () => now, set));
  if (source.has_sound) draw(track, base, { points: POINTS }, signal);
  show();
  return { place, update: (next) => { now = { ...next }; show(); } };
}

const modeOf = ({ start_s, end_s }) => (start_s === null ? "whole" : end_s === null ? "moment" : "stretch");

function inMode({ start_s }, mode, duration_s) {
  if (mode === "whole") return { start_s: null, end_s: null };
  const start = Math.min(start_s ?? 0, Math.max(duration_s - 0.1, 0));
  return mode === "moment" ? { start_s: start, end_s: null } : { start_s: start, end_s: Math.min(start + FIRST_STRETCH_S, duration_s) };
}

/** Times of which one was moved; a stretch stays at least a tenth of a second long. */
function pulled({ start_s, end_s }, which, to, duration_s) {
  const time = Number(clamp(to, 0, duration_s).toFixed(2));
  if (end_s === null) return { start_s: Math.min(time, Number((duration_s - 0.05).toFixed(2))), end_s: null };
  if (which === "start_s") return { start_s: Math.min(time, end_s - 0.1), end_s };
  return { start_s, end_s: Math.max(time, start_s + 0.1) };
}

function modeSwitch(unit, onMode) {
  const option = (value, text) => make("label", {}, make("input", { type: "radio", name: "mode", value, on: { change: () => onMode(value) } }), text);
  return make("div", { class: "switch small", role: "radiogroup", "aria-label": "What of it asks" }, option("whole", "All"), option("moment", unit), option("stretch", "Stretch"));
}

function thumb(which, duration_s, onMove) {
  const slider = make("span", { class: `thumb ${which}`, role: "slider", tabindex: "0", "aria-label": which === "start_s" ? "From" : "To", "aria-valuemin": 0, "aria-valuemax": duration_s.toFixed(1) });
  slider.addEventListener("keydown", (event) => {
    const at = Number(slider.getAttribute("aria-valuenow"));
    const to = { Home: 0, End: duration_s }[event.key] ?? (event.key in STEPS_S ? at + STEPS_S[event.key] * (event.shiftKey ? 10 : 1) : null);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    onMove(which, to);
  });
  return slider;
}

function timeField(which, width, onTime) {
  const input = make("input", { type: "text", size: width, spellcheck: "false", "aria-label": which === "start_s" ? "From, as minutes:seconds" : "To, as minutes:seconds" });
  input.addEventListener("change", () => {
    const to = format.seconds(input.value);
    input.setAttribute("aria-invalid", to === null);
    if (to !== null) onTime(to);
  });
  return make("label", { class: which }, input);
}

/** The nearer end follows the pointer; where all of it asks, a moment is chosen. */
function drag(event, track, duration_s, getTimes, set) {
  if (event.button !== 0) return;
  const area = track.getBoundingClientRect();
  const time = (it) => ((it.clientX - area.left) / area.width) * duration_s;
  const { start_s, end_s } = getTimes();
  const which = end_s !== null && Math.abs(time(event) - end_s) < Math.abs(time(event) - start_s) ? "end_s" : "start_s";
  const follow = (it) => set(pulled(getTimes().start_s === null ? { start_s: 0, end_s: null } : getTimes(), which, time(it), duration_s));
  track.setPointerCapture(event.pointerId);
  follow(event);
  track.addEventListener("pointermove", follow);
  const end = () => track.removeEventListener("pointermove", follow);
  track.addEventListener("pointerup", end, { once: true });
  track.addEventListener("pointercancel", end, { once: true });
}
