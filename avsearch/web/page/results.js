// Asking the server, and what stands where the hits are: their number, their timing, or why there are none.

import * as api from "./api.js";
import { announce, byId, debounced, icon, iconButton, make, name } from "./dom.js";
import * as format from "./format.js";
import * as hits from "./hits.js";
import { dismiss, withCommands } from "./notices.js";
import { inOwnPlaces, PAGE_SIZE, filterNames, wireQuery } from "./query.js";
import { change, current, onQuery } from "./store.js";
import { renew } from "./uploads.js";

const MOST_HITS = 1000; // that the server gives
const SOON_MS = 180; // for what is dragged or typed
const STAGES = { decode_s: "decode", load_s: "load", encode_s: "encode", filter_s: "filter", search_s: "search", describe_s: "describe" };

const section = document.querySelector(".results");
const title = byId("results-title");
const state = byId("state");
const whenFound = new Set();
let asking = new AbortController();
let isMore = false;
let generation = null;

/** Called after hits were shown, with the query they answer. */
export const onFound = (listener) => whenFound.add(listener);

/** Called with an error about the filter, or null when there is none. */
let tellFilter = () => {};
export const setFilterListener = (listener) => { tellFilter = listener; };

/** What can be found has changed since the hits were found. */
export const isOutdated = (now) => generation !== null && now !== generation;

const soon = debounced(() => search(), SOON_MS);

onQuery((query, what) => {
  isMore = what === "more";
  showChosen(query);
  asking.abort();
  soon.cancel();
  if (!query.terms.length) showNothing();
  else if (what === "terms" || what === "find" || what === "history" || isMore) search();
  else soon();
});

byId("more-button").addEventListener("click", () => {
  const { options } = current();
  change("more", { options: { ...options, k: Math.min(options.k + PAGE_SIZE, MOST_HITS) } });
});

/** Ask the server what the query finds; an earlier question that is still open is taken back. */
export async function search() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const query = current();
  if (!query.terms.length) return;
  if (!query.terms.some((term) => term.weight > 0)) return showOnlyMinus();
  section.setAttribute("aria-busy", "true");
  try {
    showFound(query, await api.search(wireQuery(query), signal));
  } catch (error) {
    if (error.name !== "AbortError") await showError(query, error);
  } finally {
    if (!signal.aborted) section.removeAttribute("aria-busy");
  }
}

function showFound(query, answer) {
  const hadFocus = document.activeElement?.closest?.("#hits") && !isMore;
  const had = hits.shownHits().length;
  generation = answer.generation;
  dismiss("grown");
  tellFilter(null);
  hits.show(answer.hits, { isMore });
  const many = format.count(answer.hits.length, query.find === "image" ? "picture" : "sound");
  title.textContent = many;
  showTiming(answer);
  showMore(query, answer);
  if (answer.hits.length) showState(null);
  else showState({ message: "Nothing was found.", hint: emptyHint(query) });
  announce(`${many} found.`);
  if (hadFocus) hits.focusHit(0);
  else if (isMore && document.activeElement === document.body) hits.focusHit(had);
  for (const listener of whenFound) listener(query);
}

function showTiming({ timings, num_duplicates: copies }) {
  const total = `${timings.total_s.toFixed(2)} s`;
  const stages = Object.entries(STAGES).filter(([key]) => key in timings).map(([key, stage]) => `${stage} ${(1000 * timings[key]).toFixed(0)} ms`);
  const hidden = copies ? [` · ${format.count(copies, "near-duplicate")} hidden `, make("button", { type: "button", class: "link", on: { click: showCopies } }, "show")] : [];
  byId("timing").replaceChildren(make("span", { title: stages.join(", ") }, total), ...hidden);
}

const showCopies = () => change("options", { options: { ...current().options, duplicates: true } });

function showMore(query, answer) {
  const { k } = query.options;
  byId("more").hidden = answer.hits.length < k || k >= MOST_HITS;
}

function emptyHint({ filters, options }) {
  if (filterNames(filters).length) return "No media passes the filters and has such moments; take a filter away.";
  if (options.min_score !== null) return "No hit has the lowest score that is set; lower it in the options.";
  return options.exclude_self ? "No other media has such moments; the options can let in the one asked with." : "The library has no moments of this kind.";
}

/** Filters that are set, each with a button that takes it away. */
function showChosen({ filters, terms }) {
  const chosen = terms.length ? filterNames(filters) : [];
  byId("chosen").hidden = !chosen.length;
  byId("chosen").replaceChildren(...chosen.map(({ text, rest }) =>
    make("span", { class: "chosen-one" }, name(text), iconButton("close", `Remove the filter ${text}`, () => change("filters", { filters: rest })))));
}

function showNothing() {
  hits.clear();
  generation = null;
  title.textContent = "";
  byId("timing").replaceChildren();
  byId("more").hidden = true;
  section.removeAttribute("aria-busy");
  showState(null);
}

function showOnlyMinus() {
  showNothing();
  showState({ message: "Only what hits should be unlike is given.", hint: "Give something that they should be like, too." });
}

async function showError(query, error) {
  if (error.status === 422 && query.filters.where && /filter/i.test(error.message)) {
    tellFilter({ message: inOwnPlaces(error.message, query.filters), hint: error.hint });
    announce("The filter cannot be understood.");
    return;
  }
  tellFilter(null);
  if (error.status === 404 && (await sendAgain(query))) return;
  if (error.isGone) { // a notice says it, and when the server is back it is asked again
    byId("timing").textContent = "not up to date";
    return;
  }
  const wasForgotten = error.status === 404 && query.terms.some((term) => term.source.type === "upload");
  showNothing();
  showState({ message: error.message, hint: wasForgotten ? "The server keeps files for an hour only; drop it again." : error.hint, action: ["Try again", search] });
  announce(error.message);
}

/** Uploads that the server has forgotten go there again, if this page still has the files. */
async function sendAgain(query) {
  const renewed = await Promise.all(query.terms.map(async (term) => {
    const source = term.source.type === "upload" ? await renew(term.source) : null;
    return source ? { ...term, source } : term;
  }));
  const isNew = renewed.some((term, at) => term !== query.terms[at]);
  if (isNew && current() === query) change("terms", { terms: renewed });
  return isNew;
}

/** What stands where hits would be; null for nothing. */
export function showState(what) {
  state.hidden = !what;
  if (!what) return;
  const { message, hint = "", action = null } = what;
  state.replaceChildren(icon("warn"), make("p", { class: "lead" }, message), make("p", {}, ...withCommands(hint)),
    ...(action ? [make("button", { type: "button", on: { click: action[1] } }, action[0])] : []));
}

