// Record a sound with the microphone and ask with it. It goes to the server as the browser made it.

import { byId, icon, make } from "./dom.js";
import * as format from "./format.js";
import { take } from "./intake.js";
import { notify } from "./notices.js";

const LONGEST_S = 60;
const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const dialog = byId("recorder");
let recording = null; // { recorder, stream, context, chunks, began }

export async function record() {
  if (recording || dialog.open) return;
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    notify({ id: "record", message: "The browser gives no microphone to this page.", hint: "It does so on 127.0.0.1 and on https only; drop a sound file instead." });
    return;
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    begin(stream);
  } catch (error) {
    const hint = error.name === "NotAllowedError" ? "Allow it beside the page's address, then try again." : "Is a microphone plugged in? Or drop a sound file instead.";
    notify({ id: "record", message: "The microphone cannot be used.", hint });
  }
}

function begin(stream) {
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  recording = { recorder, stream, context: new AudioContext(), chunks: [], began: performance.now() };
  recorder.addEventListener("dataavailable", (event) => recording.chunks.push(event.data));
  recorder.addEventListener("stop", finish);
  dialog.returnValue = "";
  dialog.replaceChildren(...content());
  dialog.showModal();
  recorder.start();
  requestAnimationFrame(follow(listener()));
}

function content() {
  return [
    make("h2", { id: "recorder-title" }, "Recording"),
    make("p", { class: "recording" }, make("span", { class: "level", "aria-hidden": "true" }), make("span", { class: "elapsed", role: "timer" }, "0:00.0")),
    make("p", { class: "note" }, `It ends by itself after ${LONGEST_S} seconds.`),
    make("div", { class: "buttons" },
      make("button", { type: "button", class: "primary", autofocus: true, on: { click: () => stop("use") } }, icon("stop"), "Stop and search"),
      make("button", { type: "button", on: { click: () => stop("") } }, "Cancel")),
  ];
}

/** How loud it is now, 0 to 1. */
function listener() {
  const analyser = recording.context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  recording.context.createMediaStreamSource(recording.stream).connect(analyser);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
  };
}

function follow(loudness) {
  const step = () => {
    if (!recording) return;
    const elapsed_s = (performance.now() - recording.began) / 1000;
    dialog.querySelector(".elapsed").textContent = format.timecode(elapsed_s);
    dialog.querySelector(".level").style.setProperty("--level", loudness());
    if (elapsed_s >= LONGEST_S) stop("use");
    else requestAnimationFrame(step);
  };
  return step;
}

function stop(use) {
  if (!recording) return;
  dialog.returnValue = use;
  if (recording.recorder.state !== "inactive") recording.recorder.stop();
}

/** The last piece has come: let go of the microphone, and take the sound unless it was cancelled. */
function finish() {
  const { recorder, stream, context, chunks } = recording;
  recording = null;
  stream.getTracks().forEach((track) => track.stop());
  context.close();
  const isUsed = dialog.returnValue === "use";
  dialog.close();
  if (!isUsed) return;
  const type = recorder.mimeType.split(";")[0];
  const clock = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  take([new File(chunks, `recording ${clock}.${type.split("/")[1]}`, { type })]);
}

dialog.addEventListener("cancel", (event) => {
  event.preventDefault(); // Escape: `finish` closes
  stop("");
});
