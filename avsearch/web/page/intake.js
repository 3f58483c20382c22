// How something to ask with gets into the page: dropped, pasted, chosen; a hit can be dropped as well.

import { give } from "./asking.js";
import { byId } from "./dom.js";
import { notify } from "./notices.js";
import { isMomentId } from "./query.js";
import { send } from "./uploads.js";
import { current } from "./store.js";

const MOMENT = "application/x-avsearch-moment";
const MOST_FILES = 8; // in one drop
const LEAVE_MS = 400; // some browsers tell nothing for so long while the mouse rests
const input = byId("file");
const targets = byId("targets");
let sign = 0; // of what is being chosen
let leaving = 0;

/** Take files: the first asks alone or as the sign says, others ask with it. */
export async function take(given, wanted = 0) {
  const files = [...given].slice(0, MOST_FILES);
  for (const [at, file] of files.entries()) {
    const source = await send(file);
    if (source) give(source, at ? 1 : wanted);
  }
}

/** Open the browser's dialog for a file. */
export function pick(wanted = 0) {
  sign = wanted;
  input.click();
}

/** Let a hit be dragged: onto this page as a moment, elsewhere as text. */
export function dragMoment(event, source, text) {
  event.dataTransfer.setData(MOMENT, JSON.stringify(source));
  event.dataTransfer.setData("text/plain", text);
  event.dataTransfer.effectAllowed = "copy";
}

byId("pick").addEventListener("click", () => pick());
byId("pick-plus").addEventListener("click", () => pick(1));
byId("pick-minus").addEventListener("click", () => pick(-1));
input.addEventListener("change", () => {
  take(input.files, sign);
  input.value = "";
});

document.addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  take(event.clipboardData.files);
});

const isMeant = (event) => [MOMENT, "Files"].some((type) => event.dataTransfer?.types.includes(type));
const targetOf = (event) => event.target.closest?.(".target, .sign");

document.addEventListener("dragover", (event) => {
  if (!isMeant(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  clearTimeout(leaving);
  targets.hidden = false;
  targets.classList.toggle("has-query", current().terms.length > 0);
  for (const target of document.querySelectorAll(".target, .sign")) target.classList.toggle("is-over", target === targetOf(event));
});

document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget) return; // to another element of the page
  clearTimeout(leaving);
  leaving = setTimeout(hideTargets, LEAVE_MS);
});
document.addEventListener("dragend", hideTargets);

document.addEventListener("drop", (event) => {
  if (!isMeant(event)) return;
  event.preventDefault();
  hideTargets();
  const wanted = Number(targetOf(event)?.dataset.sign ?? 0);
  const moment = event.dataTransfer.getData(MOMENT);
  if (moment) drop(moment, wanted);
  else if (event.dataTransfer.files.length) take(event.dataTransfer.files, wanted);
  else notify({ id: "upload", message: "What was dropped is no file.", hint: "Save it first, then drop the file." });
});

function hideTargets() {
  targets.hidden = true;
  for (const target of document.querySelectorAll(".is-over")) target.classList.remove("is-over");
}

/** A hit of this page, or of another tab of it. */
function drop(text, wanted) {
  const source = JSON.parse(text);
  if (isMomentId(source.id)) give(source, wanted);
}
