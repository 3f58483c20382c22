// What went wrong, and what to do: a line at the top of the page that stays until it is closed.

import { byId, command, iconButton, icon, make } from "./dom.js";

const shown = new Map();

/** Show one notice; another of the same `id` takes its place. `action` is [label, what it does]. */
export function notify({ id, message, hint = "", action = null, isGood = false }) {
  dismiss(id);
  const close = iconButton("close", "Close this message", () => dismiss(id));
  const button = action && make("button", { type: "button", on: { click: action[1] } }, action[0]);
  const text = make("p", {}, make("strong", {}, message), hint ? " " : null, ...withCommands(hint));
  const notice = make("div", { class: `notice ${isGood ? "good" : "bad"}`, "data-notice": id }, icon(isGood ? "library" : "warn"), text, button, close);
  shown.set(id, notice);
  byId("notices").append(notice);
}

export function dismiss(id) {
  shown.get(id)?.remove();
  shown.delete(id);
}

/** An error of the server, or of ours. */
export function notifyError(id, error, action = null) {
  notify({ id, message: error.message, hint: error.hint ?? "", action });
}

/** A hint in which `…` stands for a command: as text and as code to be copied. */
export function withCommands(hint) {
  return hint.split(/`([^`]+)`/).map((part, at) => (at % 2 ? command(part, copy) : part)).filter((part) => part !== "");
}

/** Put a text on the clipboard, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    flash(`Copied: ${text}`);
  } catch {
    flash("The browser did not allow copying.");
  }
}

let timer = 0;

/** Say something in passing. */
export function flash(text) {
  byId("toast")?.remove();
  clearTimeout(timer);
  const toast = make("p", { id: "toast", class: "toast", role: "status" }, text);
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  timer = setTimeout(() => toast.remove(), 4000);
}
