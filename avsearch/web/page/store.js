// The one query of the page, who is told when it changes, and how the browser's back button brings one back.

import * as api from "./api.js";
import { fromHash, toHash } from "./address.js";
import { emptyQuery, isMomentId } from "./query.js";

const SAME_CHANGE_MS = 1500; // changes of one kind in so short a time are one step back
const listeners = new Set();
let query = emptyQuery();
let last = { what: "", at: 0 };

export const current = () => query;

/** Called with the query and what changed: "terms", "term", "find", "filters", "options", "more" or "history". */
export const onQuery = (listener) => listeners.add(listener);

/** Take another query; a new step of the history unless the same thing has only just been changed. */
export function change(what, changed) {
  query = { ...query, ...changed };
  const isSame = what === last.what && performance.now() - last.at < SAME_CHANGE_MS;
  last = { what, at: performance.now() };
  const keep = isSame && what !== "terms" ? "replaceState" : "pushState";
  history[keep](query, "", toHash(query) || location.pathname);
  tell(what);
}

export function changeTerm(key, changed) {
  change("term", { terms: query.terms.map((term) => (term.key === key ? { ...term, ...changed } : term)) });
}

/** The query of the address, or of the step of the history that the browser is at. */
export async function restore() {
  query = history.state?.terms ? history.state : await fromHash(location.hash, sourceOf);
  last = { what: "", at: 0 };
  tell("history");
}

addEventListener("popstate", restore);

/** What is known of an upload outlives a reload, as the upload itself does. */
export function rememberUpload(source) {
  try {
    sessionStorage.setItem(`upload:${source.id}`, JSON.stringify(source));
  } catch {
    // It is asked with all the same; only an address alone will not bring it back.
  }
}

async function sourceOf(type, id) {
  if (type === "upload") return JSON.parse(sessionStorage.getItem(`upload:${id}`) ?? "null");
  return isMomentId(id) ? storedMoment(id) : null;
}

async function storedMoment(id) {
  const [media_id, modality, start_us] = id.split(":");
  const at_s = Number(start_us) / 1e6;
  try {
    const { kind, name, duration_s, video, audio } = await api.media(media_id);
    const sides = { has_picture: kind === "picture" || video !== null, has_sound: audio !== null };
    return { type: "moment", id, media_id: Number(media_id), modality, at_s, name, kind, duration_s, ...sides };
  } catch {
    return null;
  }
}

function tell(what) {
  for (const listener of listeners) listener(query, what);
}
