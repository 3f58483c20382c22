// Files on their way to the server. What was sent is remembered: if the server forgets it, it is sent again.

import * as api from "./api.js";
import { byId, iconButton, make, name } from "./dom.js";
import * as format from "./format.js";
import { dismiss, notify, notifyError } from "./notices.js";
import { uploadSource } from "./query.js";
import { rememberUpload } from "./store.js";

const files = new Map(); // by the id of the upload
let limit_bytes = Infinity;

export const setLimit = (bytes) => { limit_bytes = bytes; };

/** Send a file; promises the source to ask with, or null where it failed or was stopped (people are told). */
export async function send(file) {
  dismiss("upload");
  if (!file.size) return refuse(`${file.name} is empty.`, "A folder cannot be asked with either; give a file.");
  if (file.size > limit_bytes) {
    return refuse(`${file.name} has ${format.bytes(file.size)}; the server takes up to ${format.bytes(limit_bytes)}.`, "Cut out the seconds you mean: `ffmpeg -ss 60 -t 10 -i FILE -c copy part.mp4`");
  }
  try {
    return await sendShown(file);
  } catch (error) {
    if (error.name === "AbortError") return null;
    notifyError("upload", error, error.isGone ? ["Send again", () => send(file)] : null);
    return null;
  }
}

/** Send again what the server has forgotten; null where this page never had the file. */
export async function renew(source) {
  const file = files.get(source.id);
  return file ? send(file) : null;
}

async function sendShown(file) {
  const stopping = new AbortController();
  const bar = make("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
  const text = make("span", {}, name(file.name));
  const row = make("div", { class: "upload" }, text, bar, iconButton("close", "Stop sending", () => stopping.abort()));
  const place = byId("uploads");
  place.append(row);
  place.hidden = false;
  try {
    const onProgress = (part) => { if (part < 1) bar.value = part; else bar.removeAttribute("value"); };
    const source = uploadSource(await api.upload(file, { onProgress, signal: stopping.signal }));
    files.set(source.id, file);
    rememberUpload(source);
    return source;
  } finally {
    row.remove();
    place.hidden = !place.children.length;
  }
}

function refuse(message, hint) {
  notify({ id: "upload", message, hint });
  return null;
}
