// Where in a picture a sound comes from: which picture and which sound, and the map laid over it.

import * as api from "./api.js";
import { make } from "./dom.js";
import { sideOf, timeOf } from "./query.js";

const MOST_AT_ONCE = 3;
const waiting = [];
let running = 0;

/** The term of a query that asks for something with one side, or null. */
const askedWith = (query, side) => query.terms.find((term) => term.weight > 0 && sideOf(term, query.find) === side) ?? null;

/**
 * What a map of a hit shows. The picture asked with, for the hit's sound; or the hit's picture, for the sound asked
 * with, or for its own where a picture asked. Null where there is no such pair.
 */
export function heatPair(query, hit) {
  const picture = askedWith(query, "image");
  const sound = askedWith(query, "audio");
  const own = `moment:${hit.moment_id}`;
  if (hit.modality === "audio" && picture) return { term: picture, picture: reference(picture), sound: own };
  if (!hit.has_picture) return null;
  if (sound) return { term: null, picture: own, sound: reference(sound) };
  return hit.has_sound ? { term: null, picture: own, sound: own } : null;
}

/** A term as the server names it: a moment has both a frame and a second. */
function reference(term) {
  const { source } = term;
  return source.type === "upload" ? `upload:${source.id}@${timeOf(term).toFixed(3)}` : `moment:${source.id}`;
}

/** Fetch a map and lay it into `place`, with a ring at its highest; promises { x, y, probability }, or null if it was taken back. */
export async function lay(place, { picture, sound }, signal) {
  await turn();
  try {
    signal.throwIfAborted();
    const { blob, ...peak } = await api.heatMap({ picture, sound }, signal);
    const url = URL.createObjectURL(blob);
    const overlay = make("img", { class: "heat-map", src: url, alt: "" });
    await overlay.decode().finally(() => URL.revokeObjectURL(url));
    signal.throwIfAborted();
    lift(place);
    place.append(overlay, ring(peak));
    return peak;
  } catch (error) {
    if (error.name === "AbortError") return null;
    throw error;
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** Take the map off again. */
export const lift = (place) => place.querySelectorAll(".heat-map, .ring, .peak").forEach((overlay) => overlay.remove());

function ring({ x, y }) {
  const mark = make("span", { class: "ring", "aria-hidden": "true" });
  mark.style.setProperty("--x", x);
  mark.style.setProperty("--y", y);
  return mark;
}

/** Wait until fewer than three maps are being made. */
async function turn() {
  while (running >= MOST_AT_ONCE) await new Promise((resolve) => { waiting.push(resolve); });
  running += 1;
}
