// One sound at a time, from its second on. It plays in the card it belongs to and ends with it.

import { previewError } from "./api.js";
import { make } from "./dom.js";
import { settings, onSettings } from "./settings.js";

const MOST_TRIES = 8; // while the server still makes the preview
const WAIT_MS = 1500;

const audio = make("audio", { preload: "auto" });
let playing = null; // what `play` was given
let tries = 0;
let frame = 0;
let asking = new AbortController();

onSettings(() => { audio.volume = settings.volume; });

/** Whether the browser lets sound out: only after the page was clicked, typed on or touched. */
export const maySound = () => navigator.userActivation?.hasBeenActive ?? true;

export const isPlaying = (place) => playing?.place === place;

/**
 * Play `url` from `start_s` to `end_s` in the element `place`.
 * `onTime(seconds)` follows it, `onEnd()` comes once however it ends, `onError(error)` before it where it fails.
 */
export function play({ place, url, start_s, end_s, onTime, onEnd, onError }) {
  stop();
  playing = { place, url, start_s, end_s, onTime, onEnd, onError };
  tries = 0;
  place.append(audio);
  place.classList.add("is-playing");
  load();
}

export function stop() {
  if (!playing) return;
  const ended = playing;
  playing = null;
  asking.abort();
  cancelAnimationFrame(frame);
  audio.pause();
  audio.removeAttribute("src");
  audio.load(); // lets go of the connection
  audio.remove();
  ended.place.classList.remove("is-playing");
  ended.onEnd?.();
}

function load() {
  asking = new AbortController();
  audio.src = playing.url;
  audio.load();
}

audio.addEventListener("loadedmetadata", () => {
  if (!playing) return;
  if (playing.start_s > 0) audio.currentTime = playing.start_s;
  audio.play().catch((error) => playing && error.name !== "AbortError" && fail(error));
});

audio.addEventListener("playing", () => {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(follow);
});

audio.addEventListener("timeupdate", () => playing && audio.currentTime >= playing.end_s && stop());
audio.addEventListener("ended", stop);

audio.addEventListener("error", async () => {
  const failed = playing;
  if (!failed || !audio.getAttribute("src")) return;
  const error = await previewError(failed.url, asking.signal);
  if (playing !== failed) return;
  if (error?.status === 503 && ++tries < MOST_TRIES) setTimeout(() => playing === failed && load(), WAIT_MS);
  else fail(error ?? new Error("The browser cannot play this sound."));
});

function follow() {
  if (!playing) return;
  playing.onTime?.(audio.currentTime);
  frame = requestAnimationFrame(follow);
}

function fail(error) {
  playing.onError?.(error);
  stop();
}
