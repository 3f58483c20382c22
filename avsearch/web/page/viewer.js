// A hit by itself: it plays from its second; what is known of it, and what can be done with it.

import * as api from "./api.js";
import { byId, icon, iconButton, make, name, printable } from "./dom.js";
import { head } from "./dialogs.js";
import * as format from "./format.js";
import { focusHit, shownHits } from "./hits.js";
import { heatPair, lay } from "./heat.js";
import { copy, flash, notify, notifyError } from "./notices.js";
import { player } from "./playback.js";
import { stop } from "./player.js";
import { search } from "./results.js";
import { current } from "./store.js";
import { confirmed, withToken } from "./token.js";

const dialog = byId("viewer");
let ends = new AbortController();
let at = 0;
let does = {};
let isHeated = () => false;

/** What its buttons do, and whether heat maps are shown. */
export const setUp = (actions, heated) => { does = actions; isHeated = heated; };

export function open(hit) {
  at = shownHits().indexOf(hit);
  show(hit);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("video, audio, .close")?.focus();
}

dialog.addEventListener("close", () => {
  ends.abort();
  dialog.replaceChildren(); // ends what plays
  focusHit(at);
});

dialog.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, .track")) return;
  const by = { PageDown: 1, PageUp: -1, n: 1, p: -1 }[event.key];
  if (by) {
    event.preventDefault();
    step(by);
  }
});

function step(by) {
  const hits = shownHits();
  if (!hits[at + by]) return;
  at += by;
  show(hits[at]);
  dialog.querySelector("video, audio, .close")?.focus();
}

function show(hit) {
  stop();
  ends.abort();
  ends = new AbortController();
  const hits = shownHits();
  const side = make("div", { class: "viewer-side" }, facts(hit), actions(hit));
  dialog.replaceChildren(
    head("viewer-title", name(hit.name), make("span", { class: "position note" }, `${at + 1} of ${hits.length}`), turn("back", "Previous hit", -1, at > 0), turn("next", "Next hit", 1, at < hits.length - 1)),
    make("div", { class: "viewer-body" }, make("div", { class: "viewer-main" }, ...player(hit, ends.signal), make("div", { class: "viewer-heat" })), side),
  );
  showDetails(hit, side);
  showHeat(hit);
}

const turn = (drawing, text, by, may) => iconButton(drawing, text, () => step(by), { disabled: !may });

function facts(hit) {
  const time = hit.kind === "picture" ? [] : [["Time", make("span", { class: "clock" }, format.timecode(hit.start_s), make("span", { class: "note" }, ` of ${format.timecode(hit.duration_s)}`))]];
  const rows = [...time, ["Score", hit.score.toFixed(3)], ...(hit.labels.length ? [["Labels", name(hit.labels.join(", "))]] : []), ["Path", make("code", { class: "path" }, name(hit.path))]];
  return make("dl", { class: "facts-list" }, rows.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
}

function actions(hit) {
  const button = (drawing, text, action) => make("button", { type: "button", on: { click: action } }, icon(drawing), text);
  const closing = (action) => () => { dialog.close(); action(hit); };
  const rows = [button("copy", "Copy with time", () => does.copyAt(hit)), button("copy", "Copy path", () => does.copyPath(hit)), button("like", "More like this", closing(does.like)), button("plus", "More of it", closing(does.plus)), button("minus", "Less of it", closing(does.minus))];
  if (hit.has_picture && hit.has_sound) rows.push(button(hit.modality === "image" ? "sound" : "picture", hit.modality === "image" ? "Use its sound" : "Use its picture", closing(does.otherSide)));
  const file = make("a", { class: "button", href: `${api.mediaUrl(hit.media_id)}/file`, download: hit.name }, icon("list"), "Save the file");
  return make("div", { class: "viewer-actions" }, rows, file, make("button", { type: "button", class: "plain danger", on: { click: () => remove(hit) } }, "Remove from the library…"));
}

async function showDetails(hit, side) {
  try {
    const { paths, video, audio, timecode } = await api.media(hit.media_id, ends.signal);
    const picture = video && `${video.codec} ${video.width} × ${video.height}${video.frames_per_second ? `, ${Number(video.frames_per_second.toFixed(3))} fps` : ""}`;
    const sound = audio && `${audio.codec}, ${format.number(audio.sample_rate_hz)} Hz, ${format.count(audio.num_channels, "channel")}`;
    const copies = paths.filter((path) => path !== hit.path);
    const rows = [["Picture", picture], ["Sound", sound], ["Timecode", timecode], ["Copies", copies.length ? make("ul", {}, copies.map((path) => make("li", {}, make("code", { class: "path" }, name(path))))) : null]];
    side.querySelector("dl").append(...rows.filter(([, value]) => value).map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  } catch (error) {
    if (error.name !== "AbortError" && error.status === 404) flash("This media was removed meanwhile.");
  }
}

/** The picture with its map, large, where maps are shown. */
async function showHeat(hit) {
  const pair = isHeated() ? heatPair(current(), hit) : null;
  if (!pair) return;
  const place = dialog.querySelector(".viewer-heat");
  const src = pair.term ? termPicture(pair.picture, pair.term) : api.thumbnailOf(pair.picture.replace("moment:", ""), 640);
  const view = make("div", { class: "view" }, make("img", { class: "asked-picture", src, alt: pair.term ? "The picture asked with" : "The picture of this hit" }));
  const said = make("p", { class: "note" }, "Looking where the sound comes from…");
  view.firstChild.addEventListener("load", (event) => view.style.setProperty("--ratio", event.target.naturalWidth / event.target.naturalHeight));
  place.replaceChildren(view, said);
  try {
    const peak = await lay(view, pair, ends.signal);
    if (peak) said.textContent = `Where ${pair.term ? "this sound" : "the sound"} comes from in the picture: at most ${peak.probability.toFixed(2)}.`;
  } catch (error) {
    said.textContent = error.message;
  }
}

function termPicture(reference, term) {
  if (term.source.type !== "upload") return api.thumbnailOf(reference.replace("moment:", ""), 640);
  return `${api.uploadUrl(term.source.id)}/thumbnail?at_s=${reference.split("@")[1]}&size=640`;
}

async function remove(hit) {
  const what = printable(hit.name);
  if (!(await confirmed({ title: `Remove ${what}?`, text: "It can no longer be found. The file itself stays where it is.", yes: "Remove" }))) return;
  try {
    const done = await withToken(`Remove ${what}`, (token) => api.removeMedia(hit.media_id, token));
    if (!done) return;
    dialog.close();
    notify({ id: "removed", message: `${what} was taken out of the library.`, hint: "Its file is where it was; index it again to have it back.", isGood: true });
    search();
  } catch (error) {
    dialog.close();
    notifyError("removed", error);
  }
}
