// The library: in the head of the page in a few words, in its dialog with all roots, and how indexing goes.

import * as api from "./api.js";
import { byId, make, printable } from "./dom.js";
import { head } from "./dialogs.js";
import * as format from "./format.js";
import { setChoices, loadLabels } from "./filters.js";
import { dismiss, flash, notify, notifyError, withCommands } from "./notices.js";
import { isOutdated, search, showState } from "./results.js";
import { setLimit } from "./uploads.js";
import { current } from "./store.js";
import { rootTile } from "./roots.js";
import { withToken } from "./token.js";

const BUSY_MS = 1000;
const IDLE_MS = 15_000;
const GONE_MS = 3000;
const dialog = byId("library");
let known = null;
let drawn = "";
let isGone = false;
let isFailing = false;
let wasIndexing = false;
let timer = 0;

/** What the server said last, or null. */
export const library = () => known;

/** Look at the library now, and go on doing so. */
export async function watch() {
  clearTimeout(timer);
  try {
    await look();
    if (isFailing) comeBack();
    isFailing = false;
  } catch (error) {
    isFailing = true;
    if (!error.isGone) notifyError("library", error);
  }
  clearTimeout(timer); // of another look at the same time
  timer = setTimeout(watch, isGone || isFailing ? GONE_MS : wasIndexing ? BUSY_MS : IDLE_MS);
}

document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && watch());
byId("library-open").addEventListener("click", openLibrary);

api.onContact((answers) => {
  if (answers !== isGone) return;
  isGone = !answers;
  if (isGone) showGone();
  else dismiss("gone");
});

export function openLibrary() {
  drawn = "";
  fillDialog();
  dialog.showModal();
  watch();
}

async function look() {
  const before = known?.generation;
  known = await api.library();
  dismiss("library");
  setLimit(known.upload_limit_bytes);
  setChoices(known);
  showSummary();
  showIndexing(known.indexing);
  if (before !== known.generation) await loadLabels();
  if (isOutdated(known.generation)) notify({ id: "grown", message: "The library has changed since these hits were found.", action: ["Search again", search], isGood: true });
  if (dialog.open) fillDialog();
  if (!current().terms.length) showState(emptyState());
}

function showSummary() {
  const { video, sound, picture } = known.media;
  byId("library-summary").replaceChildren(`${format.number(video + sound + picture)} media`, make("span", { class: "wide" }, `, ${format.hours(known.hours)}`));
  byId("library-open").title = known.directory;
}

function showIndexing(indexing) {
  const isRunning = Boolean(indexing?.running);
  byId("indexing").hidden = !isRunning;
  if (wasIndexing && !isRunning) flash(indexing?.message || "Indexing is done.");
  wasIndexing = isRunning;
  if (!isRunning) return;
  const { files, done, failed, message } = indexing;
  byId("indexing-text").textContent = files ? `Indexing ${format.number(done)} of ${format.count(files, "file")}${failed ? `, ${format.number(failed)} failed` : ""}` : "Indexing";
  byId("indexing").title = printable(message);
  const bar = byId("indexing-bar");
  if (files) Object.assign(bar, { max: files, value: done });
  else bar.removeAttribute("value");
}

/** What an empty page says when there is nothing to find. */
function emptyState() {
  if (!known.moments.image && !known.moments.audio) {
    return { message: "The library is empty.", hint: `Fill it: \`avsearch index FOLDER --library ${shellWord(known.directory)}\`` };
  }
  return null;
}

const shellWord = (text) => (/^[\w./+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function showGone() {
  isFailing = true; // until the library was seen again
  clearTimeout(timer);
  timer = setTimeout(watch, GONE_MS);
  const where = known ? ` --library ${shellWord(known.directory)}` : "";
  notify({ id: "gone", message: "The server does not answer.", hint: `Start it again, this page goes on by itself: \`avsearch serve${where}\``, action: ["Try now", watch] });
}

/** The library can be used again: what could not be asked is asked now. */
function comeBack() {
  dismiss("upload");
  if (current().terms.length) search();
}

/** Draw the dialog if it would look different; what is open in it and the focus stay as they are. */
function fillDialog() {
  if (JSON.stringify(known) === drawn) return;
  drawn = JSON.stringify(known);
  const controls = () => [...dialog.querySelectorAll("button, summary")];
  const focused = controls().indexOf(document.activeElement);
  const opened = [...dialog.querySelectorAll("details")].map(({ open }) => open);
  dialog.replaceChildren(head("library-title", "Library"), ...content());
  for (const [at, details] of dialog.querySelectorAll("details").entries()) details.open = opened[at] ?? false;
  if (focused >= 0) controls()[focused]?.focus();
}

function content() {
  if (!known) return [make("p", {}, "The server has not answered yet.")];
  const { media, moments, encoder, localizer } = known;
  const network = (it) => `${it.architecture}, ${it.recipe || it.size} (${it.fingerprint.slice(0, 8)})`;
  const rows = [
    ["Directory", make("code", {}, printable(known.directory))],
    ["Media", `${format.count(media.video, "video")}, ${format.count(media.sound, "sound")}, ${format.count(media.picture, "picture")}; ${format.hours(known.hours)}`],
    ["Moments", `${format.number(moments.image)} of picture, ${format.number(moments.audio)} of sound`],
    ["Encoder", encoder ? network(encoder) : "none yet"],
    ["Localizer", localizer ? network(localizer) : make("span", {}, "none, so there are no heat maps. ", ...withCommands(asCommand(known.localizer_hint)))],
  ];
  const facts = make("dl", { class: "facts-list" }, rows.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  const tiles = known.roots.map((root) => rootTile(root, { isIndexing: wasIndexing, onIndex: startIndex }));
  return [facts, make("h3", {}, format.count(known.roots.length, "root")), ...(tiles.length ? tiles : [make("p", { class: "note" }, "No folder has been indexed.")])];
}

const asCommand = (hint) => (hint.includes("`") || !hint.startsWith("avsearch ") ? hint : `\`${hint}\``);

async function startIndex(root_id, retry_failed) {
  try {
    const started = await withToken("Index again", (token) => api.startIndex({ root_id, retry_failed }, token));
    if (started) flash("Indexing has begun.");
  } catch (error) {
    notifyError("index", error);
    dialog.close();
  }
  await watch();
}

/** Why a localizer is missing, as a notice. */
export function notifyLocalizer(error) {
  notify({ id: "localizer", message: error.message, hint: asCommand(error.hint || known?.localizer_hint || "") });
}

